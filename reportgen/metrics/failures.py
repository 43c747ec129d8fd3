"""Why an image's top-1 box does not count (PROTOCOLS: failure kinds, after TS-CAM's released code)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.metrics.localization.boxes import area, intersection, iou
from reportgen.metrics.localization.ilsvrc import IOU, Localization

KINDS = ("class", "right", "multi-instance", "part", "more", "other")
"""In the order in which they are tried: the first that matches."""


def failure_kind(class_right: bool, box: np.ndarray, true_boxes: np.ndarray) -> str:
    """The kind of one image. box: `(4,)`, NaN for none; true_boxes: `(B, 4)`, B ≥ 1."""
    if not class_right:
        return "class"
    overlap = iou(box, true_boxes)
    if overlap.max() >= IOU:
        return "right"
    if np.isnan(box).any():
        return "other"
    shared, sizes = intersection(box, true_boxes), area(true_boxes)
    if len(true_boxes) > 1 and (shared > 0.3 * sizes).sum() >= 2:
        return "multi-instance"
    nearest = int(overlap.argmax())
    if shared[nearest] > 0.5 * area(box):
        return "part"
    if shared[nearest] >= 0.7 * sizes[nearest]:
        return "more"
    return "other"


def failure_kinds(
    right1: np.ndarray, labels: np.ndarray, localization: Localization | None, true_boxes: Sequence[np.ndarray]
) -> list[str]:
    """The kind of every image; where there are no boxes to judge by, `class` or `right` says whether the class was
    right, and `unlabelled` that there is no label.

    right1: `(N,)` bool, the top class is the label; labels: `(N,)`, −1 for none.
    """
    kinds = []
    for i, label in enumerate(labels):
        if label < 0:
            kinds.append("unlabelled")
        elif localization is None or not localization.judged[i]:
            kinds.append("right" if right1[i] else "class")
        else:
            kinds.append(failure_kind(bool(right1[i]), localization.boxes[i, 0], true_boxes[i]))
    return kinds


QUADRANTS = ("right-right", "right-wrong", "wrong-right", "wrong-wrong")
"""Class and box of an image: the first word is the class's, the second the box's."""


def quadrants(right1: np.ndarray, localization: Localization) -> dict[str, np.ndarray]:
    """The rows of the judged images by whether the top class is the label, and whether its box fits a true one."""
    fits = localization.best[:, 0] >= IOU
    found = {}
    for name in QUADRANTS:
        named, boxed = (word == "right" for word in name.split("-"))
        found[name] = np.flatnonzero(localization.judged & (right1 == named) & (fits == boxed))
    return found


def ranked_parts(
    kinds: Sequence[str], localization: Localization | None, true_boxes: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows `(P,)` of the *part* failures, the clearest first, and their scores `(P,)`.

    Score: how much of the box is inside of the object × how much of the object the box leaves out, by area.
    """
    rows = [i for i, kind in enumerate(kinds) if kind == "part"]
    scores = []
    for i in rows:
        assert localization is not None
        box = localization.boxes[i, 0]
        true = true_boxes[i][iou(box, true_boxes[i]).argmax()]
        shared = intersection(box, true)
        scores.append(shared / area(box) * (1 - shared / area(true)))
    order = np.argsort(-np.array(scores), kind="stable")
    return np.array(rows, int)[order], np.array(scores)[order]


LEAST_DROP = 0.1
"""Of a probability; less is not taken for an effect."""


@dataclass(frozen=True)
class PartTest:
    """What the network answers when parts of *part* failures are hidden (the causal test).

    rows:        `(P,)` the images, the clearest failure first; score: `(P,)` of `ranked_parts`.
    probability: `(P, 3)` of the label: as it is, with the map's box hidden, with the rest of the object hidden.
    """

    rows: np.ndarray
    score: np.ndarray
    probability: np.ndarray

    @property
    def drops(self) -> np.ndarray:
        """`(P, 2)`: what hiding the box, and what hiding the rest of the object takes from the probability."""
        return self.probability[:, :1] - self.probability[:, 1:]

    @property
    def confirmed(self) -> np.ndarray:
        """`(P,)` bool: the network lives on the part: without the box it loses at least 0.1, and more than without the
        rest."""
        return (self.drops[:, 0] >= LEAST_DROP) & (self.drops[:, 0] > self.drops[:, 1])


@dataclass(frozen=True)
class Peaks:
    """Where the maps peak: the cell of the grid that holds most maxima. share of n maps; row, column: from 0.

    rows: `(share · n,)` the maps that do.
    """

    share: float
    n: int
    row: int
    column: int
    rows: np.ndarray

    @property
    def alarming(self) -> bool:
        """Half of the maps or more peak in one cell, whatever the image."""
        return self.n >= 10 and self.share >= 0.5


def peaks(maps: np.ndarray) -> Peaks | None:
    """maps: `(N, h, w)`; those without a positive, finite maximum are left out. None where none is left, or where the
    grid has fewer than nine cells, of which any share is a large one."""
    flat = maps.reshape(len(maps), -1)
    usable = np.isfinite(flat).all(1) & (flat.max(1, initial=-np.inf) > 0)
    if not usable.any() or flat.shape[1] < 9:
        return None
    cells = flat[usable].argmax(1)
    counts = np.bincount(cells, minlength=flat.shape[1])
    best = int(counts.argmax())
    rows = np.flatnonzero(usable)[cells == best]
    row, column = divmod(best, maps.shape[2])
    return Peaks(float(counts[best] / usable.sum()), int(usable.sum()), row, column, rows)


def mean_maps(maps: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """Class → the mean `(h, w)` of its images' own maps `(N, h, w)`, each ÷ its maximum; without one a class is out."""
    flat = maps.reshape(len(maps), -1)
    usable = np.isfinite(flat).all(1) & (flat.max(1, initial=-np.inf) > 0) & (labels >= 0)
    return {
        int(k): np.mean([m.astype(np.float64) / m.max() for m in maps[usable & (labels == k)]], 0)
        for k in np.unique(labels[usable])
    }
