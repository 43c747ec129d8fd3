"""Failure types of localization (after TS-CAM's released code), and where activation maps have their maxima."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.metrics.localization.boxes import area, intersection, iou
from reportgen.metrics.localization.ilsvrc import IOU, Localization
from reportgen.metrics.multilabel import THRESHOLD as LABEL_THRESHOLD

OUTCOMES = ("class", "right", "multi-instance", "part", "more", "other")
"""Outcomes of an image, in the order in which they are tried; the first that applies counts."""
NO_FAILURE = ("right", "exact", "unlabelled")
"""Outcomes without an error, also those of a multi-label data set."""


def outcome_of(is_class_correct: bool, box: np.ndarray, true_boxes: np.ndarray) -> str:
    """Return the outcome of an image. box: `(4,)`, NaN for none; true_boxes: `(B, 4)`, B ≥ 1."""
    if not is_class_correct:
        return "class"
    ious = iou(box, true_boxes)
    if ious.max() >= IOU:
        return "right"
    if np.isnan(box).any():
        return "other"
    shared, sizes = intersection(box, true_boxes), area(true_boxes)
    if len(true_boxes) > 1 and (shared > 0.3 * sizes).sum() >= 2:
        return "multi-instance"
    best = int(ious.argmax())
    if shared[best] > 0.5 * area(box):
        return "part"
    if shared[best] >= 0.7 * sizes[best]:
        return "more"
    return "other"


def outcomes_of(
    top1_correct: np.ndarray, labels: np.ndarray, localization: Localization | None, true_boxes: Sequence[np.ndarray]
) -> list[str]:
    """Return the outcome of every image. Without boxes it is `class` or `right`, by the class alone; without a label,
    `unlabelled`.

    top1_correct: `(N,)` bool; labels: `(N,)`, −1 for none.
    """
    outcomes = []
    for i, label in enumerate(labels):
        if label < 0:
            outcomes.append("unlabelled")
        elif localization is None or not localization.judged[i]:
            outcomes.append("right" if top1_correct[i] else "class")
        else:
            outcomes.append(outcome_of(bool(top1_correct[i]), localization.boxes[i, 0], true_boxes[i]))
    return outcomes


def failures_worst_first(outcomes: Sequence[str], confidence: np.ndarray) -> np.ndarray:
    """Return the rows of the wrong classes, then those of the right classes with a wrong box, each with the most
    confident first.

    outcomes: of each image, see `outcomes_of` and `multilabel_outcomes`; confidence: `(N,)` of the predicted class.
    """
    kinds = np.asarray(outcomes, np.str_)
    rows = np.flatnonzero(~np.isin(kinds, NO_FAILURE))
    return rows[np.lexsort((-confidence[rows], ~np.isin(kinds[rows], ("class", "inexact"))))]


def multilabel_outcomes(probability: np.ndarray, positive: np.ndarray, annotated: np.ndarray) -> list[str]:
    """Return the outcome of every image of a multi-label data set: `exact` if all labels are right, else `inexact`;
    without annotation, `unlabelled`.

    probability, positive: `(N, K)`; annotated: `(N,)` bool. NaN is not predicted.
    """
    exact = ((probability >= LABEL_THRESHOLD) == positive).all(1)
    return [
        ("exact" if right else "inexact") if known else "unlabelled"
        for right, known in zip(exact, annotated, strict=True)
    ]


QUADRANTS = ("right-right", "right-wrong", "wrong-right", "wrong-wrong")
"""Correctness of class (first) and box (second) of an image."""


def quadrants(top1_correct: np.ndarray, localization: Localization) -> dict[str, np.ndarray]:
    """Return the rows of the judged images by quadrant. top1_correct: `(N,)` bool."""
    box_correct = localization.best_iou[:, 0] >= IOU
    rows = {}
    for name in QUADRANTS:
        right_class, right_box = (part == "right" for part in name.split("-"))
        rows[name] = np.flatnonzero(localization.judged & (top1_correct == right_class) & (box_correct == right_box))
    return rows


MIN_LEFT_OUT = 0.25
"""Least share of the object that a predicted box leaves out, from which on *part only* is tested."""


def rank_part_failures(
    outcomes: Sequence[str], localization: Localization | None, true_boxes: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of the *part only* failures, the clearest first, the rows, scores and shares left out, `(P,)` each.

    TS-CAM's rule calls a failure *part only* if more than half of the box lies on the object, even if the box covers
    all of it. So those whose box leaves out at least `MIN_LEFT_OUT` of the object come first. Within both, the score
    decides: the share of the predicted box inside of the object × the share of the object outside of the box.
    """
    rows = [i for i, outcome in enumerate(outcomes) if outcome == "part"]
    inside, left_out = np.zeros(len(rows)), np.zeros(len(rows))
    for r, i in enumerate(rows):
        assert localization is not None
        box = localization.boxes[i, 0]
        true = true_boxes[i][iou(box, true_boxes[i]).argmax()]
        shared = intersection(box, true)
        inside[r], left_out[r] = shared / area(box), 1 - shared / area(true)
    order = np.lexsort((-inside * left_out, left_out < MIN_LEFT_OUT))
    return np.array(rows, int)[order], (inside * left_out)[order], left_out[order]


MIN_DROP = 0.1
"""Least drop of a probability that counts as an effect."""


@dataclass(frozen=True)
class PartOnlyTest:
    """Occlusion test of *part only* failures: whether the prediction depends on the part.

    rows: `(P,)` of the tested images, the clearest failure first; score: `(P,)` of `rank_part_failures`.
    whole: `(P,)` probability of the label without occlusion.
    occluded: `(P, 2, R)` the same in R random draws, with squares of the predicted box occluded, and with squares of
        the rest of the object, of the same total area.
    n_failures: number of *part only* failures, tested or not.
    """

    rows: np.ndarray
    score: np.ndarray
    whole: np.ndarray
    occluded: np.ndarray
    n_failures: int

    @property
    def drops(self) -> np.ndarray:
        """`(P, 2)` mean drop of the probability when a part of the box, and of the rest of the object, is occluded."""
        drops: np.ndarray = self.whole[:, None] - self.occluded.mean(2)
        return drops

    @property
    def intervals(self) -> np.ndarray:
        """`(P, 2)` 95 % interval of the drop in the box − the drop in the rest, by Student's t over the draws."""
        from scipy.special import stdtrit

        difference = self.occluded[:, 1] - self.occluded[:, 0]
        draws = difference.shape[1]
        width = stdtrit(draws - 1, 0.975) * difference.std(1, ddof=1) / np.sqrt(draws)
        bounds: np.ndarray = difference.mean(1)[:, None] + width[:, None] * np.array([-1, 1])
        return bounds

    @property
    def confirmed(self) -> np.ndarray:
        """`(P,)` bool: the prediction depends on the part: occluding squares of the box lowers the probability by 0.1
        or more, and by more than occluding as much of the rest; the interval of the difference is above 0."""
        confirmed: np.ndarray = (self.drops[:, 0] >= MIN_DROP) & (self.intervals[:, 0] > 0)
        return confirmed


@dataclass(frozen=True)
class PeakConcentration:
    """The position where most maps have their maximum. share: of the n maps; row, column: from 0.

    rows: `(share · n,)` the maps with this position.
    """

    share: float
    n: int
    row: int
    column: int
    rows: np.ndarray

    @property
    def is_concentrated(self) -> bool:
        """Whether at least half of ten or more maps have their maximum at one position, whatever the image."""
        return self.n >= 10 and self.share >= 0.5


def peak_concentration(maps: np.ndarray) -> PeakConcentration | None:
    """Return the most frequent position of the maximum; None without usable maps, or with fewer than nine positions.

    maps: `(N, h, w)`; those without a positive, finite maximum are ignored.
    """
    flat = maps.reshape(len(maps), -1)
    usable = np.isfinite(flat).all(1) & (flat.max(1, initial=-np.inf) > 0)
    if not usable.any() or flat.shape[1] < 9:
        return None
    positions = flat[usable].argmax(1)
    counts = np.bincount(positions, minlength=flat.shape[1])
    best = int(counts.argmax())
    rows = np.flatnonzero(usable)[positions == best]
    row, column = divmod(best, maps.shape[2])
    return PeakConcentration(float(counts[best] / usable.sum()), int(usable.sum()), row, column, rows)


def mean_class_maps(maps: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """Return class → mean `(h, w)` of its images' label maps `(N, h, w)`, each divided by its maximum.

    Classes without usable maps are left out.
    """
    flat = maps.reshape(len(maps), -1)
    usable = np.isfinite(flat).all(1) & (flat.max(1, initial=-np.inf) > 0) & (labels >= 0)
    return {
        int(k): np.mean([m.astype(np.float64) / m.max() for m in maps[usable & (labels == k)]], 0)
        for k in np.unique(labels[usable])
    }
