"""Which classes are taken for which, and whether the network's confidence can be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15
"""Bins of the reliability diagram, as in Guo et al., ICML 2017."""


@dataclass(frozen=True)
class Confusion:
    """`count` images of class `label` that were taken for class `predicted`."""

    label: int
    predicted: int
    count: int


@dataclass(frozen=True)
class Matrix:
    """The confusion matrix over the classes that occur, as label or as prediction of a labelled image.

    classes: `(C,)` their numbers, rising; counts: `(C, C)` int64, row: label, column: prediction.
    """

    classes: np.ndarray
    counts: np.ndarray

    def largest(self, most: int) -> list[Confusion]:
        """The cells off the diagonal with the most images; of equal ones, in the order of rows and columns."""
        off = self.counts * (1 - np.eye(len(self.classes), dtype=np.int64))
        order = np.argsort(-off, axis=None, kind="stable")[:most]
        cells = ((int(cell) // len(off), int(cell) % len(off)) for cell in order)
        return [
            Confusion(int(self.classes[i]), int(self.classes[j]), int(off[i, j])) for i, j in cells if off[i, j] > 0
        ]


@dataclass(frozen=True)
class Calibration:
    """A reliability diagram (Guo et al. 2017, section 2). Bin m of M holds the confidences in ((m − 1)/M, m/M].

    count, right: `(M,)` images and right ones; confidence: `(M,)` their mean confidence, NaN where there are none.
    ece: expected calibration error, Σ count/N · |right/count − confidence|; mean: confidence and accuracy over all.
    """

    count: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    ece: float
    mean_confidence: float
    accuracy: float


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray) -> Matrix:
    """labels, predicted: `(N,)` ints; images with label −1 are left out."""
    use = labels >= 0
    classes, place = np.unique(np.concatenate((labels[use], predicted[use])), return_inverse=True)
    i, j = place[: use.sum()], place[use.sum() :]
    counts = np.bincount(i * len(classes) + j, minlength=len(classes) ** 2).reshape(len(classes), len(classes))
    return Matrix(classes, counts)


def calibrate(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> Calibration | None:
    """confidence: `(N,)` probabilities of the answers; right: `(N,)` bool. None without an image.

    A confidence that is not a number is left out.
    """
    use = ~np.isnan(confidence)
    confidence, right = confidence[use], right[use]
    if not len(confidence):
        return None
    bin_ = bin_of(confidence, bins)
    count, hits = np.bincount(bin_, minlength=bins), np.bincount(bin_[right], minlength=bins)
    total = np.bincount(bin_, confidence, bins)
    mean = np.divide(total, count, out=np.full(bins, np.nan), where=count > 0)
    ece = float(np.abs(hits - total).sum()) / len(confidence)
    return Calibration(count, hits, mean, ece, float(confidence.mean()), float(right.mean()))


def bin_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each confidence in [0, 1]; bins are open below and closed above, but 0 is in the first."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
