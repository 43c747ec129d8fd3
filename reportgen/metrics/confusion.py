"""Confusion between classes, and calibration of the predicted probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.bootstrap import intervals
from reportgen.metrics.intervals import Interval

N_BINS = 15
"""Number of bins of the reliability diagram, as in Guo et al., ICML 2017."""
N_SIMULATIONS, SEED = 1000, 0
"""Simulated networks that are perfectly calibrated."""
MAX_OPTIMAL_ORDER = 300
"""Classes up to which the clustering's best order is searched: its cost grows with the third power."""


@dataclass(frozen=True)
class Confusion:
    """`count` images of class `label` that were predicted as class `predicted`."""

    label: int
    predicted: int
    count: int


@dataclass(frozen=True)
class ConfusionMatrix:
    """The confusion matrix over the classes that occur as label or as prediction of a labelled image.

    classes: `(C,)` their indices; counts: `(C, C)` int64, row: label, column: prediction.
    """

    classes: np.ndarray
    counts: np.ndarray

    def largest(self, at_most: int) -> list[Confusion]:
        """Return the off-diagonal cells with the most images; equal ones in row-major order."""
        off_diagonal = self.counts * (1 - np.eye(len(self.classes), dtype=np.int64))
        order = np.argsort(-off_diagonal, axis=None, kind="stable")[:at_most]
        cells = ((int(cell) // len(off_diagonal), int(cell) % len(off_diagonal)) for cell in order)
        return [
            Confusion(int(self.classes[i]), int(self.classes[j]), int(off_diagonal[i, j]))
            for i, j in cells
            if off_diagonal[i, j] > 0
        ]

    def clustered(self) -> ConfusionMatrix:
        """Return the matrix with classes that are confused with each other side by side; see `cluster_order`."""
        order = cluster_order(self.counts)
        return ConfusionMatrix(self.classes[order], self.counts[np.ix_(order, order)])


@dataclass(frozen=True)
class Calibration:
    """A reliability diagram (Guo et al. 2017, section 2). Bin m of M contains the confidences in ((m − 1)/M, m/M].

    counts, correct: `(M,)` number of images and of correct ones; confidence: `(M,)` mean confidence, NaN for none.
    ece: expected calibration error, Σ count/N · |correct/count − confidence|.
    mean_confidence, accuracy: over all images.
    gap_interval: 95 % bootstrap interval of mean_confidence − accuracy.
    chance_ece: median and 95 % quantile of the ECE that a perfectly calibrated network has with these confidences: each
        prediction is correct with the probability that its confidence states (Vaicenavicius et al., AISTATS 2019). With
        few images, or few groups of images, it is far from 0.
    """

    counts: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray
    ece: float
    mean_confidence: float
    accuracy: float
    gap_interval: Interval
    chance_ece: tuple[float, float]

    @property
    def is_clear(self) -> bool:
        """Whether the ECE is higher than that of 95 % of the perfectly calibrated networks."""
        return self.ece > self.chance_ece[1]


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray) -> ConfusionMatrix:
    """Return the confusion matrix. labels, predicted: `(N,)` int; images with label −1 are ignored."""
    use = labels >= 0
    classes, index = np.unique(np.concatenate((labels[use], predicted[use])), return_inverse=True)
    i, j = index[: use.sum()], index[use.sum() :]
    counts = np.bincount(i * len(classes) + j, minlength=len(classes) ** 2).reshape(len(classes), len(classes))
    return ConfusionMatrix(classes, counts)


def cluster_order(counts: np.ndarray) -> np.ndarray:
    """Return an order `(C,)` of classes in which those that are confused with each other are near each other.

    The leaves of hierarchical clustering by average linkage. The distance of two classes is 1 − the mean of the two
    shares: of the images of one that are predicted as the other, and the reverse. counts: `(C, C)`.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(counts) < 3:
        return np.arange(len(counts))
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    distances = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=len(counts) <= MAX_OPTIMAL_ORDER)
    order: np.ndarray = leaves_list(tree).astype(np.int64)
    return order


def calibrate(
    confidence: np.ndarray, correct: np.ndarray, bins: int = N_BINS, groups: np.ndarray | None = None
) -> Calibration | None:
    """Return the reliability diagram; None without images.

    confidence: `(N,)` probability of the predicted class, NaN is ignored; correct: `(N,)` bool; groups: `(N,)` of
    images that are not independent: in a simulated network, those of a group are right together.
    """
    use = ~np.isnan(confidence)
    confidence, correct = confidence[use], correct[use]
    own_groups = None if groups is None else groups[use]
    member = np.arange(len(confidence)) if own_groups is None else np.unique(own_groups, return_inverse=True)[1]
    if not len(confidence):
        return None
    bin_ = assign_bins(confidence, bins)
    counts, n_correct = np.bincount(bin_, minlength=bins), np.bincount(bin_[correct], minlength=bins)
    total = np.bincount(bin_, confidence, bins)
    mean = np.divide(total, counts, out=np.full(bins, np.nan), where=counts > 0)
    ece = float(np.abs(n_correct - total).sum()) / len(confidence)
    random = np.random.default_rng(SEED)
    simulated = [
        np.abs(np.bincount(bin_, random.random(member.max() + 1)[member] < confidence, bins) - total).sum() / len(bin_)
        for _ in range(N_SIMULATIONS)
    ]
    median, limit = (float(q) for q in np.quantile(simulated, [0.5, 0.95]))
    (gap,) = intervals((confidence - correct)[:, None], own_groups)
    return Calibration(
        counts, n_correct, mean, ece, float(confidence.mean()), float(correct.mean()), gap, (median, limit)
    )


def assign_bins(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each confidence in [0, 1]. Bins are open below and closed above; 0 is in the first bin."""
    index: np.ndarray = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return index
