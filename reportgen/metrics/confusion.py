"""Confusion between classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
