"""The pages of a comparison: what was fixed, what was broken, and the galleries of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from reportgen.gallery.comparison.pairing import ERRORS, Paired, Side
from reportgen.gallery.comparison.sentences import alerts, heading, lead, p_value
from reportgen.gallery.components.figure import Figure, Page
from reportgen.gallery.components.image_figures import highest, layer_over, mark
from reportgen.gallery.components.page_data import Fact, Link
from reportgen.gallery.core import labels as words
from reportgen.gallery.core.media import Album
from reportgen.gallery.pages.gap_gmp import between, signed
from reportgen.metrics.intervals import Rate

PAGE = 48
"""Pairs on one page of a gallery."""
SHOWN = 4
"""Pairs of each gallery on the first page."""
ROWS = 20
"""Classes on the first page."""


@dataclass(frozen=True)
class Both:
    """One image under both networks. label: its name, "" for none; anchor: of the class's first image on a page."""

    a: Figure
    b: Figure
    name: str
    label: str
    anchor: str = ""


@dataclass(frozen=True)
class Gallery:
    """Images that belong together: `(m,)` rows, in the order of their pages."""

    name: str
    title: str
    said: str
    rows: np.ndarray

    def url(self, part: int = 0) -> str:
        """The address of one of its pages."""
        return f"{self.name}/{'index' if part == 0 else f'page-{part + 1}'}.html"


@dataclass(frozen=True)
class ErrorRow:
    """One kind of error under both networks; texts in per cent and points, and the galleries behind them."""

    name: str
    a: Rate
    b: Rate
    difference: str
    interval: str
    p: str
    fixed: Gallery
    broken: Gallery


@dataclass(frozen=True)
class ClassRow:
    """A class: its images, how many are wrong under each, and the links to those fixed and broken, "" for none."""

    name: str
    images: int
    a: Rate
    b: Rate
    fixed: int
    broken: int
    fixed_url: str
    broken_url: str


@dataclass(frozen=True)
class Part:
    """A gallery's beginning on the first page."""

    gallery: Gallery
    pairs: Sequence[Both]


@dataclass(frozen=True)
class IndexPage:
    """The first page. kinds: outcome under A × outcome under B, each (count, URL or "")."""

    heading: str
    lead: str
    alerts: Sequence[str]
    a: str
    b: str
    errors: Sequence[ErrorRow]
    parts: Sequence[Part]
    kinds: Sequence[str]
    moves: Sequence[Sequence[tuple[int, str]]]
    classes: Sequence[ClassRow]
    classes_total: int
    facts: Sequence[Fact]


@dataclass(frozen=True)
class ClassesPage:
    """Every class."""

    a: str
    b: str
    rows: Sequence[ClassRow]


@dataclass(frozen=True)
class GalleryPage:
    """One page of a gallery."""

    gallery: Gallery
    pairs: Sequence[Both]
    first: int
    pages: Sequence[Link]


class Pictures:
    """Each image under both networks, drawn when it is asked for."""

    def __init__(self, paired: Paired, album: Album) -> None:
        self._paired, self._album = paired, album
        self._drawn: dict[int, tuple[Figure, Figure]] = {}

    def both(self, i: int, anchor: str = "") -> Both:
        """Matched image i, each side with the map and the box of the class that it answers."""
        if i not in self._drawn:
            self._drawn[i] = (self._figure(self._paired.a, i), self._figure(self._paired.b, i))
        side = self._paired.a
        return Both(*self._drawn[i], str(side.predictions["name"][i]), str(side.labels[i]), anchor)

    def _figure(self, side: Side, i: int) -> Figure:
        answer, map_ = side.answers[i], side.maps[i]
        size = (int(side.sizes[i, 0]), int(side.sizes[i, 1]))
        boxes = [mark("true", box) for box in side.report.boxes[side.rows[i]]]
        if (box := side.box(i)) is not None:
            boxes.append(mark("found", box))
        iou = side.iou(i)
        return Figure(
            picture=self._album.add(side.picture(i)),
            alt=f"{side.predictions['name'][i]} with the map of {answer} by {side.name}",
            size=size,
            overlay=layer_over(self._album, map_, highest(map_), size, side.windows[i].tolist()),
            marks=boxes,
            title=side.name,
            value=f"{answer} {side.predictions['score'][i, 0]:.2f}" + ("" if iou is None else f" · IoU {iou:.2f}"),
            kind=str(side.predictions["kind"][i]),
        )


class Galleries:
    """All galleries of a comparison, by name; those of one kind of error first, in the order of `ERRORS`."""

    def __init__(self, paired: Paired) -> None:
        self.paired = paired
        self._order = np.argsort(paired.a.labels, kind="stable")

    def gallery(self, name: str, title: str, said: str, chosen: np.ndarray) -> Gallery:
        """Of the rows in `chosen`, by label and then as in the data set."""
        return Gallery(name, title, said, self._order[np.isin(self._order, chosen)])

    @cached_property
    def of_errors(self) -> dict[str, tuple[Gallery, Gallery]]:
        """Kind of error → fixed and broken."""
        a, b = self.paired.a.name, self.paired.b.name
        return {
            error: (
                self.gallery(f"{error}-fixed", f"{ERRORS[error]}: fixed", f"Wrong by {a}, right by {b}.", one.fixed),
                self.gallery(f"{error}-broken", f"{ERRORS[error]}: broken", f"Right by {a}, wrong by {b}.", one.broken),
            )
            for error, one in self.paired.changes.items()
        }

    @cached_property
    def answers(self) -> Gallery:
        """Where the answers differ and neither is right, or nobody knows."""
        a, b = self.paired.a, self.paired.b
        either = a.right["top1"] | b.right["top1"]
        said = "The networks answer differently, and neither answer is the label, or there is none."
        return self.gallery("answers", "Another answer", said, np.flatnonzero((a.answers != b.answers) & ~either))

    @cached_property
    def moves(self) -> dict[tuple[str, str], Gallery]:
        """(Outcome under A, outcome under B) → the images whose outcome moved so."""
        a, b = (side.predictions["kind"] for side in (self.paired.a, self.paired.b))
        found = {}
        for one, other in sorted(set(zip(a.tolist(), b.tolist(), strict=True))):
            if one != other:
                title = f"From “{words.KIND_WORDS[one]}” to “{words.KIND_WORDS[other]}”"
                said = "The outcome of the top class's map and box under the one and under the other network."
                rows = np.flatnonzero((a == one) & (b == other))
                found[one, other] = self.gallery(f"{one}-to-{other}", title, said, rows)
        return found

    def all(self) -> list[Gallery]:
        pairs = [gallery for pair in self.of_errors.values() for gallery in pair]
        return [*pairs, self.answers, *self.moves.values()]

    def place_of_class(self, gallery: Gallery, label: str) -> str:
        """Where a class's images begin in a gallery, "" where it has none."""
        at = np.flatnonzero(self.paired.a.labels[gallery.rows] == label)
        return f"{gallery.url(int(at[0]) // PAGE)}#{anchor(self.paired, label)}" if len(at) else ""


def anchor(paired: Paired, label: str) -> str:
    """The id of a class in the galleries."""
    return f"class-{paired.a.report.classes.index(label)}" if label else "no-label"


def gallery_pages(galleries: Galleries, pictures: Pictures) -> Iterator[Page]:
    """Every page of every gallery; an empty one says so."""
    for gallery in galleries.all():
        parts = max(1, -(-len(gallery.rows) // PAGE))
        for part in range(parts):
            make = partial(_gallery_page, galleries.paired, pictures, gallery, part, parts)
            yield gallery.url(part), "compare_gallery.html", make


def _gallery_page(paired: Paired, pictures: Pictures, gallery: Gallery, part: int, parts: int) -> GalleryPage:
    labels = paired.a.labels
    rows = gallery.rows[part * PAGE : (part + 1) * PAGE].tolist()
    begins = [j == 0 or labels[i] != labels[rows[j - 1]] for j, i in enumerate(rows)]
    pairs = [
        pictures.both(i, anchor(paired, str(labels[i])) if new else "") for i, new in zip(rows, begins, strict=True)
    ]
    links = [Link(str(1 + p), gallery.url(p), p == part) for p in range(parts)] if parts > 1 else []
    return GalleryPage(gallery, pairs, part * PAGE + 1, links)


def index_page(galleries: Galleries, pictures: Pictures, rows: list[ClassRow], facts: list[Fact]) -> IndexPage:
    """The first page."""
    paired = galleries.paired
    a, b = (side.predictions["kind"] for side in (paired.a, paired.b))
    kinds = [kind for kind in words.KIND_WORDS if kind in a or kind in b]
    moves = []
    for one in kinds:
        counts = [int(((a == one) & (b == other)).sum()) for other in kinds]
        links = [
            galleries.moves[one, other] if one != other and n else None for other, n in zip(kinds, counts, strict=True)
        ]
        moves.append([(n, link.url() if link else "") for n, link in zip(counts, links, strict=True)])
    first = next(iter(galleries.of_errors.values()), ())
    place = galleries.of_errors.get("box1", ())
    shown = [gallery for gallery in (*first, *place, galleries.answers) if len(gallery.rows)]
    parts = [Part(gallery, [pictures.both(int(i)) for i in _spread(gallery.rows)]) for gallery in shown]
    worst = sorted(rows, key=lambda row: (-row.broken - row.fixed, row.name))
    return IndexPage(
        heading(paired), lead(paired), alerts(paired), paired.a.name, paired.b.name, error_rows(galleries), parts,
        kinds, moves, worst[:ROWS], len(rows), facts,
    )  # fmt: skip


def _spread(rows: np.ndarray) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).round().astype(int)]


def error_rows(galleries: Galleries) -> list[ErrorRow]:
    """The table of errors."""
    return [
        ErrorRow(
            ERRORS[error], one.a, one.b, signed(one.difference), between(one.ci95), p_value(one.p),
            *galleries.of_errors[error],
        )
        for error, one in galleries.paired.changes.items()
    ]  # fmt: skip


def class_rows(galleries: Galleries) -> list[ClassRow]:
    """The classes that the labels name, by name; none where no image is judged."""
    paired = galleries.paired
    if "top1" not in paired.changes:
        return []
    labels, one = paired.a.labels, paired.changes["top1"]
    fixed, broken = galleries.of_errors["top1"]
    judged = np.setdiff1d(np.flatnonzero(labels != ""), paired.relabelled)
    found = []
    for label in np.unique(labels[judged]).tolist():
        images = judged[labels[judged] == label]
        a, b = (Rate(int((~side.right["top1"][images]).sum()), len(images)) for side in (paired.a, paired.b))
        gone, come = (int(np.isin(images, rows).sum()) for rows in (one.fixed, one.broken))
        urls = (galleries.place_of_class(fixed, label), galleries.place_of_class(broken, label))
        found.append(ClassRow(label, len(images), a, b, gone, come, *urls))
    return found
