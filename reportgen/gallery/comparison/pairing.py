"""Two reports on the same images, matched image by image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reportgen.embedding.space import Space
from reportgen.errors import DataError
from reportgen.metrics.paired import ErrorChange, UnitMatches, compare_errors, match_images, match_units
from reportgen.results.report import Model, Report


@dataclass(frozen=True)
class Side:
    """Results of the first network of one report on the images that both reports have.

    Row i of every array belongs to matched image i. name: of the network, different from the other's; rows: `(n,)` of
    its report.
    """

    name: str
    report: Report
    rows: np.ndarray

    @property
    def model(self) -> Model:
        return self.report.models[0]

    @cached_property
    def predictions(self) -> np.ndarray:
        """`(n,)`, the fields of `Model.predictions`."""
        return np.asarray(self.model.predictions[self.rows])

    @cached_property
    def labels(self) -> np.ndarray:
        """`(n,)` names, "" for none."""
        return self._names(self.predictions["label"])

    @cached_property
    def predicted(self) -> np.ndarray:
        """`(n,)` names of the predicted classes."""
        return self._names(self.predictions["top"][:, 0])

    def _names(self, classes: np.ndarray) -> np.ndarray:
        return np.array([self.report.classes[k] if k >= 0 else "" for k in classes.tolist()])

    @cached_property
    def right(self) -> Mapping[str, np.ndarray]:
        """`(n,)` bool for each error in `ERRORS`; False where it cannot be evaluated."""
        label, top = self.predictions["label"], self.predictions["top"]
        is_label = (top == label[:, None]) & (label >= 0)[:, None]
        right = {"top1": is_label[:, 0], "top5": is_label.any(1)}
        right |= dict.fromkeys(("box1", "box5", "known"), np.zeros(len(label), bool))
        boxes = self.model.localization
        if not len(boxes):
            return right
        image_of = {name: i for i, name in enumerate(self.predictions["name"].tolist())}
        images = np.array([image_of.get(name, -1) for name in boxes["name"].tolist()])
        boxes, images = boxes[images >= 0], images[images >= 0]
        rank, of_label = boxes["rank"], boxes["class"] == label[images]
        for error, use in (("box1", of_label & (rank == 1)), ("box5", of_label & (rank >= 1)), ("known", rank == 0)):
            right[error] = np.isin(np.arange(len(label)), images[use & boxes["fits"]])
        return right

    @cached_property
    def judged(self) -> Mapping[str, np.ndarray]:
        """`(n,)` bool for each error: whether it can be evaluated."""
        has_label = self.predictions["label"] >= 0
        has_top5 = len(self.report.classes) > self.predictions["top"].shape[1]  # else the error is always 0
        has_boxes = np.isin(self.predictions["name"], self.model.localization["name"])
        return {
            "top1": has_label,
            "top5": has_label & has_top5,
            "box1": has_boxes,
            "box5": has_boxes,
            "known": has_boxes,
        }

    @cached_property
    def feature_space(self) -> Space:
        """The matched images by this network's features."""
        return Space.of(self.model["features/code"][self.rows])

    @cached_property
    def sizes(self) -> np.ndarray:
        """`(n, 2)` width and height of the upright originals."""
        return np.asarray(self.model["samples/size"][self.rows])

    @cached_property
    def windows(self) -> np.ndarray:
        """`(n, 4)` the part of each image that the network saw."""
        return np.asarray(self.model["samples/window"][self.rows])

    @cached_property
    def cams(self) -> np.ndarray:
        """`(n, h, w)` the activation maps of the predicted classes."""
        return np.asarray(self.model["cam/map"][self.rows, 0])

    def jpeg(self, i: int) -> bytes:
        """The JPEG that the pages show of image i."""
        return self.model.table.ragged("image/jpeg", int(self.rows[i]))

    def iou(self, i: int) -> float | None:
        """IoU of the predicted class's box with a ground-truth box; None without ground-truth boxes."""
        row = self._first_boxes.get(self.predictions["name"][i])
        return None if row is None else float(row["iou"])

    def box(self, i: int) -> np.ndarray | None:
        """`(4,)` the predicted box, of the predicted class's map; None where there is none."""
        row = self._first_boxes.get(self.predictions["name"][i])
        return None if row is None or np.isnan(row["box"]).any() else np.asarray(row["box"])

    @cached_property
    def _first_boxes(self) -> dict[str, np.void]:
        rows = self.model.localization
        return {row["name"]: row for row in rows[rows["rank"] == 1]} if len(rows) else {}


ERRORS = {
    "top1": "Class, top-1",
    "top5": "Class, top-5",
    "box1": "Localization, top-1",
    "box5": "Localization, top-5",
    "known": "Localization, GT-known",
}
"""Error → its name in tables and headings."""


@dataclass(frozen=True)
class PairedReports:
    """Two reports on the same images.

    only_a, only_b: number of images that the other report lacks; relabelled: rows whose label differs, which are in no
    error; changes: for each error that can be evaluated on some image.
    """

    a: Side
    b: Side
    only_a: int
    only_b: int
    relabelled: np.ndarray
    changes: Mapping[str, ErrorChange]

    @property
    def n(self) -> int:
        """Number of matched images."""
        return len(self.a.rows)

    @property
    def different_boxes(self) -> int:
        """Number of images whose ground-truth boxes differ."""
        pairs = zip(self.a.rows.tolist(), self.b.rows.tolist(), strict=True)
        return sum(not np.array_equal(self.a.report.boxes[i], self.b.report.boxes[j]) for i, j in pairs)

    @cached_property
    def units(self) -> dict[str, UnitMatches]:
        """The layers that both networks have under the same name and with as many units."""
        matches = {}
        for layer in self.a.model.settings["layers"]:
            if layer in self.b.model.settings["layers"]:
                x, y = (side.model[f"units/{layer}/max"] for side in (self.a, self.b))
                if x.shape[1:] == y.shape[1:]:
                    matches[layer] = match_units(x[self.a.rows], y[self.b.rows])
        return matches


def pair_up(a: Report, b: Report) -> PairedReports:
    """Match the images of two reports.

    Errors: DataError if they have no image in common, or one is of a multi-label network.
    """
    for report in (a, b):
        if report.is_multilabel:
            raise DataError(
                f"`{report.name}` is a report of a multi-label network, and the comparison is about one label an image",
                "compare the figures in both `metrics.json`",
            )
    first, second = match_images([identity for identity, _ in a.models[0].keys], [key for key, _ in b.models[0].keys])
    if not len(first):
        raise DataError(
            f"`{a.name}` and `{b.name}` have no image in common", "run both networks on the same images, then compare"
        )
    names = distinct_names(a.models[0], b.models[0])
    x, y = Side(names[0], a, first), Side(names[1], b, second)
    same = x.labels == y.labels
    changes = {e: compare_errors(x.right[e], y.right[e], x.judged[e] & y.judged[e] & same) for e in ERRORS}
    only = (len(a.models[0].keys) - len(first), len(b.models[0].keys) - len(second))
    evaluated = {error: change for error, change in changes.items() if change is not None}
    return PairedReports(x, y, *only, np.flatnonzero(~same), evaluated)


def distinct_names(a: Model, b: Model) -> tuple[str, str]:
    """The names of the networks; if they are equal, with a setting that differs, or with A and B."""
    if a.name != b.name:
        return a.name, b.name
    for key in ("resize", "precision", "decode"):
        if a.settings[key] != b.settings[key]:
            return f"{a.name}, {a.settings[key]}", f"{b.name}, {b.settings[key]}"
    return f"{a.name} (A)", f"{b.name} (B)"
