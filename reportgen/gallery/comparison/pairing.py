"""Two reports on the same images, brought together image by image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reportgen.embedding.space import Space
from reportgen.errors import DataError
from reportgen.metrics.paired import Change, UnitChanges, change, match, unit_changes
from reportgen.results.report import Model, Report


@dataclass(frozen=True)
class Side:
    """What the first network of one report made of the images that both reports have; row i of every array is matched
    image i.

    name: of the network, apart from the other's; rows: `(n,)` of its report.
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
        return self.model.predictions[self.rows]

    @cached_property
    def labels(self) -> np.ndarray:
        """`(n,)` names, "" for none."""
        return self._names(self.predictions["label"])

    @cached_property
    def answers(self) -> np.ndarray:
        """`(n,)` names of the top classes."""
        return self._names(self.predictions["top"][:, 0])

    def _names(self, classes: np.ndarray) -> np.ndarray:
        return np.array([self.report.classes[k] if k >= 0 else "" for k in classes.tolist()])

    @cached_property
    def right(self) -> Mapping[str, np.ndarray]:
        """`(n,)` bool for each kind of error in `ERRORS`; False where it cannot be judged."""
        label, top = self.predictions["label"], self.predictions["top"]
        named = (top == label[:, None]) & (label >= 0)[:, None]
        found = {"top1": named[:, 0], "top5": named.any(1)}
        found |= dict.fromkeys(("box1", "box5", "known"), np.zeros(len(label), bool))
        boxes = self.model.localization
        if not len(boxes):
            return found
        row = {name: i for i, name in enumerate(self.predictions["name"].tolist())}
        at = np.array([row.get(name, -1) for name in boxes["name"].tolist()])
        boxes, at = boxes[at >= 0], at[at >= 0]
        rank, own = boxes["rank"], boxes["class"] == label[at]
        for error, counts in (("box1", own & (rank == 1)), ("box5", own & (rank >= 1)), ("known", rank == 0)):
            found[error] = np.isin(np.arange(len(label)), at[counts & boxes["fits"]])
        return found

    @cached_property
    def judged(self) -> Mapping[str, np.ndarray]:
        """`(n,)` bool for each kind of error: can it be judged?"""
        labelled = self.predictions["label"] >= 0
        boxed = np.isin(self.predictions["name"], self.model.localization["name"])
        return {"top1": labelled, "top5": labelled, "box1": boxed, "box5": boxed, "known": boxed}

    @cached_property
    def codes(self) -> Space:
        """The matched images by this network's codes."""
        return Space.of(self.model["features/code"][self.rows])

    @cached_property
    def sizes(self) -> np.ndarray:
        """`(n, 2)` width and height of the upright originals."""
        return self.model["samples/size"][self.rows]

    @cached_property
    def windows(self) -> np.ndarray:
        """`(n, 4)` what the network saw of them."""
        return self.model["samples/window"][self.rows]

    @cached_property
    def maps(self) -> np.ndarray:
        """`(n, h, w)` the maps of the top classes."""
        return self.model["cam/map"][self.rows, 0]

    def picture(self, i: int) -> bytes:
        """The JPEG that pages show of it."""
        return self.model.store.ragged("image/jpeg", int(self.rows[i]))

    def iou(self, i: int) -> float | None:
        """Of the top class's box with a true one; None where there are none."""
        found = self._first_boxes.get(self.predictions["name"][i])
        return None if found is None else float(found["iou"])

    def box(self, i: int) -> np.ndarray | None:
        """`(4,)` the box of the top class's map; None where there is none."""
        found = self._first_boxes.get(self.predictions["name"][i])
        return None if found is None or np.isnan(found["box"]).any() else found["box"]

    @cached_property
    def _first_boxes(self) -> dict[str, np.void]:
        rows = self.model.localization
        return {row["name"]: row for row in rows[rows["rank"] == 1]} if len(rows) else {}


ERRORS = {
    "top1": "Class, top-1",
    "top5": "Class, top-5",
    "box1": "Class and box, top-1",
    "box5": "Class and box, top-5",
    "known": "Box, class given",
}
"""Kind of error → its name in tables."""


@dataclass(frozen=True)
class Paired:
    """Two sides of the same images.

    only_a, only_b: how many images the other report lacks; relabelled: rows whose label differs, in no error.
    changes: for each kind of error that some image is judged on.
    """

    a: Side
    b: Side
    only_a: int
    only_b: int
    relabelled: np.ndarray
    changes: Mapping[str, Change]

    @property
    def n(self) -> int:
        return len(self.a.rows)

    @property
    def moved_boxes(self) -> int:
        """Images whose true boxes differ."""
        pairs = zip(self.a.rows.tolist(), self.b.rows.tolist(), strict=True)
        return sum(not np.array_equal(self.a.report.boxes[i], self.b.report.boxes[j]) for i, j in pairs)

    @cached_property
    def units(self) -> dict[str, UnitChanges]:
        """Of the layers that both networks have under one name, with as many units."""
        found = {}
        for layer in self.a.model.settings["layers"]:
            if layer in self.b.model.settings["layers"]:
                x, y = (side.model[f"units/{layer}/max"] for side in (self.a, self.b))
                if x.shape[1:] == y.shape[1:]:
                    found[layer] = unit_changes(x[self.a.rows], y[self.b.rows])
        return found


def pair_up(a: Report, b: Report) -> Paired:
    """Errors: DataError where the reports have no image in common."""
    first, second = match([identity for identity, _ in a.models[0].keys], [key for key, _ in b.models[0].keys])
    if not len(first):
        raise DataError(
            f"`{a.name}` and `{b.name}` have no image in common", "run both networks on the same images, then compare"
        )
    names = told_apart(a.models[0], b.models[0])
    x, y = Side(names[0], a, first), Side(names[1], b, second)
    same = x.labels == y.labels
    found = {e: change(x.right[e], y.right[e], x.judged[e] & y.judged[e] & same) for e in ERRORS}
    changes = {error: one for error, one in found.items() if one is not None}
    lacking = (len(a.models[0].keys) - len(first), len(b.models[0].keys) - len(second))
    return Paired(x, y, *lacking, np.flatnonzero(~same), changes)


def told_apart(a: Model, b: Model) -> tuple[str, str]:
    """The networks' names; if they are the same, with the setting behind them that differs, or with A and B."""
    if a.name != b.name:
        return a.name, b.name
    for key in ("resize", "precision", "decode"):
        if a.settings[key] != b.settings[key]:
            return f"{a.name}, {a.settings[key]}", f"{b.name}, {b.settings[key]}"
    return f"{a.name} (A)", f"{b.name} (B)"
