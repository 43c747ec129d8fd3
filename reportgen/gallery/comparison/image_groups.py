"""Groups of images of a comparison, such as the fixed ones, and the pages that show them in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from reportgen.gallery.comparison.pairing import ERRORS, PairedReports, Side
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import figure_box, highest, layer_over
from reportgen.gallery.core.labels import OUTCOME_LABELS
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link, links_to_parts
from reportgen.gallery.core.registry import PageDraft

PAIRS_PER_PAGE = 48


@dataclass(frozen=True)
class ImageGroup:
    """Images that belong together. rows: `(m,)` matched images, in the order of the pages."""

    name: str
    title: str
    description: str
    rows: np.ndarray

    def url(self, part: int = 0) -> str:
        """The URL of one of its pages."""
        return f"{self.name}/{'index' if part == 0 else f'page-{part + 1}'}.html"


@dataclass(frozen=True)
class ImagePair:
    """One image under both networks. label: "" for none; anchor: id of the first image of a class on a page, or ""."""

    a: Figure
    b: Figure
    name: str
    label: str
    anchor: str = ""


@dataclass(frozen=True)
class ImageGroupPage:
    """A part of a group. first: position of its first image; parts: links to all parts."""

    group: ImageGroup
    pairs: Sequence[ImagePair]
    first: int
    parts: Sequence[Link]


class ImageGroups:
    """All groups of a comparison, their images sorted by label."""

    def __init__(self, paired: PairedReports) -> None:
        self.paired = paired
        self._order = np.argsort(paired.a.labels, kind="stable")

    def group(self, name: str, title: str, description: str, rows: np.ndarray) -> ImageGroup:
        """A group of some rows."""
        return ImageGroup(name, title, description, self._order[np.isin(self._order, rows)])

    @cached_property
    def of_errors(self) -> dict[str, tuple[ImageGroup, ImageGroup]]:
        """Error → fixed and broken images, in the order of `ERRORS`."""
        a, b = self.paired.a.name, self.paired.b.name
        return {
            error: (
                self.group(f"{error}-fixed", f"{ERRORS[error]}: fixed", f"Wrong with {a}, right with {b}.", one.fixed),
                self.group(
                    f"{error}-broken", f"{ERRORS[error]}: broken", f"Right with {a}, wrong with {b}.", one.broken
                ),
            )
            for error, one in self.paired.changes.items()
        }

    @cached_property
    def different_predictions(self) -> ImageGroup:
        """Images where the predictions differ, and neither is the label or there is no label."""
        a, b = self.paired.a, self.paired.b
        is_right = a.right["top1"] | b.right["top1"]
        return self.group(
            "different-predictions",
            "Different predictions, none right",
            "The networks predict different classes. Neither is the label, or the image has no label.",
            np.flatnonzero((a.predicted != b.predicted) & ~is_right),
        )

    @cached_property
    def of_outcome_changes(self) -> dict[tuple[str, str], ImageGroup]:
        """(Outcome with A, outcome with B), where they differ → the images."""
        a, b = (side.predictions["kind"] for side in (self.paired.a, self.paired.b))
        groups = {}
        for before, after in sorted(set(zip(a.tolist(), b.tolist(), strict=True))):
            if before != after:
                title = f"From “{OUTCOME_LABELS[before]}” to “{OUTCOME_LABELS[after]}”"
                description = f"Outcome with {self.paired.a.name}, and with {self.paired.b.name}."
                rows = np.flatnonzero((a == before) & (b == after))
                groups[before, after] = self.group(f"{before}-to-{after}", title, description, rows)
        return groups

    def all(self) -> list[ImageGroup]:
        """Every group."""
        of_errors = [group for pair in self.of_errors.values() for group in pair]
        return [*of_errors, self.different_predictions, *self.of_outcome_changes.values()]

    def url_of_class(self, group: ImageGroup, label: str) -> str:
        """Where the images of a class begin in a group; "" if it has none."""
        at = np.flatnonzero(self.paired.a.labels[group.rows] == label)
        return f"{group.url(int(at[0]) // PAIRS_PER_PAGE)}#{class_anchor(self.paired, label)}" if len(at) else ""


def class_anchor(paired: PairedReports, label: str) -> str:
    """The id of a class on the pages of a group."""
    return f"class-{paired.a.report.classes.index(label)}" if label else "no-label"


class ImagePairs:
    """Matched images under both networks; their figures are drawn at the first request."""

    def __init__(self, paired: PairedReports, media: Media) -> None:
        self._paired, self._media = paired, media
        self._figures: dict[int, tuple[Figure, Figure]] = {}

    def pair(self, i: int, anchor: str = "") -> ImagePair:
        """Matched image i with the map and the box of each network's predicted class."""
        if i not in self._figures:
            self._figures[i] = (self._figure(self._paired.a, i), self._figure(self._paired.b, i))
        side = self._paired.a
        return ImagePair(*self._figures[i], str(side.predictions["name"][i]), str(side.labels[i]), anchor)

    def _figure(self, side: Side, i: int) -> Figure:
        predicted, map_ = side.predicted[i], side.cams[i]
        size = (int(side.sizes[i, 0]), int(side.sizes[i, 1]))
        boxes = [figure_box("ground-truth", box) for box in side.report.boxes[side.rows[i]]]
        if (box := side.box(i)) is not None:
            boxes.append(figure_box("predicted", box))
        iou = side.iou(i)
        return Figure(
            picture=self._media.add(side.jpeg(i)),
            alt=f"{side.predictions['name'][i]} with the map of {predicted} by {side.name}",
            size=size,
            overlay=layer_over(self._media, map_, highest(map_), size, side.windows[i].tolist()),
            boxes=boxes,
            title=side.name,
            value=f"{predicted} {side.predictions['score'][i, 0]:.2f}" + ("" if iou is None else f" · IoU {iou:.2f}"),
            outcome=str(side.predictions["kind"][i]),
        )


def image_group_pages(groups: ImageGroups, pairs: ImagePairs) -> Iterator[PageDraft]:
    """Every page of every group; also that of an empty one."""
    for group in groups.all():
        parts = max(1, -(-len(group.rows) // PAIRS_PER_PAGE))
        for part in range(parts):
            make = partial(_image_group_page, groups.paired, pairs, group, part, parts)
            yield PageDraft(group.url(part), "comparison_images.html", make)


def _image_group_page(
    paired: PairedReports, pairs: ImagePairs, group: ImageGroup, part: int, parts: int
) -> ImageGroupPage:
    labels = paired.a.labels
    rows = group.rows[part * PAIRS_PER_PAGE : (part + 1) * PAIRS_PER_PAGE].tolist()
    is_first = [n == 0 or labels[i] != labels[rows[n - 1]] for n, i in enumerate(rows)]
    anchors = [class_anchor(paired, str(labels[i])) if first else "" for i, first in zip(rows, is_first, strict=True)]
    shown = [pairs.pair(i, anchor) for i, anchor in zip(rows, anchors, strict=True)]
    links = links_to_parts([group.url(p) for p in range(parts)], group.url(part))
    return ImageGroupPage(group, shown, part * PAIRS_PER_PAGE + 1, links)
