"""Labels that may be wrong, by confident learning (Northcutt, Jiang and Chuang, JAIR 70, 2021).

The probabilities of an image come from other images alone: a linear discriminant that was fitted without the image's
fold, and the labels of the nearest neighbours. The network's own probabilities will not do, because it may have been
trained on these labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reportgen.data.groups import assign_folds
from reportgen.metrics.classification import softmax

FOLDS, FOLD_SEED = 5, 0
MIN_CLASS_IMAGES = 5
"""Fewest labelled images of a class: smaller ones are not judged, and nothing is assigned to them."""
SURE = 0.9
"""A probability of so much suffices, where the mean of a class is higher: else nearly certain images would not do."""
MAX_AXES, IMAGES_PER_AXIS = 64, 5
"""Principal components that the discriminant uses: at most, and at least so many labelled images for each."""
SHRINKAGE = 0.1
"""Weight of a multiple of the identity in the covariance, which keeps it invertible (Friedman, JASA 84, 1989)."""
SMOOTHING = 0.01
"""Share that a class without a neighbour gets, so that it is not excluded."""
BLOCK = 4096
"""Images whose probabilities are in memory at a time."""


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """Confident learning of N images and K classes.

    own: `(N,)` float64, the probability of the image's label: the lower, the more suspect; NaN for images that are not
        judged, because they have no label, one of a small class, or no finite features.
    other: `(N,)` int64, the class that the image is confidently assigned to if that is not its label, else −1.
    """

    own: np.ndarray
    other: np.ndarray


def find_label_errors(
    components: np.ndarray, neighbours: np.ndarray, labels: np.ndarray, groups: np.ndarray
) -> LabelErrors:
    """Return the labels that contradict the probabilities of an image.

    An image is assigned to the most probable of the classes whose probability is at least the mean probability of the
    class over the images with that label, or `SURE`.

    components: `(N, A)` principal components of the features, NaN for features that are not finite; neighbours:
    `(N, k)` nearest images, −1 for none; labels: `(N,)`, −1 for none; groups: `(N,)`: an image is judged without
    those of its group.
    """
    usable = (labels >= 0) & np.isfinite(components).all(1)
    names, counts = np.unique(labels[usable], return_counts=True)
    judged = np.flatnonzero(usable & np.isin(labels, names[counts >= MIN_CLASS_IMAGES]))
    own, other = np.full(len(labels), np.nan), np.full(len(labels), -1)
    classes, y = np.unique(labels[judged], return_inverse=True)
    if len(classes) < 2 or len(np.unique(groups[judged])) < 2 * FOLDS:
        return LabelErrors(own, other)
    voters = _voters(neighbours[judged], labels, groups, groups[judged], classes)
    fold = assign_folds(y.tolist(), groups[judged].tolist(), FOLDS, FOLD_SEED)
    x = components[judged, : max(1, min(MAX_AXES, len(judged) // IMAGES_PER_AXIS))]

    for rows, p in _probabilities(x, y, fold, voters, len(classes)):
        own[judged[rows]] = p[np.arange(len(rows)), y[rows]]
    threshold = np.minimum(np.bincount(y, own[judged]) / np.bincount(y), SURE)
    for rows, p in _probabilities(x, y, fold, voters, len(classes)):
        confident = np.where(p >= threshold, p, -1)
        best = confident.argmax(1)
        is_other = (confident.max(1) >= 0) & (best != y[rows])
        other[judged[rows[is_other]]] = classes[best[is_other]]
    return LabelErrors(own, other)


def _voters(
    neighbours: np.ndarray, labels: np.ndarray, groups: np.ndarray, own_groups: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Return the class `(n, k)`, as an index into `classes`, of each neighbour; −1 for those without a label or of the
    image's own group."""
    use = (neighbours >= 0) & (labels[neighbours] >= 0) & (groups[neighbours] != own_groups[:, None])
    use &= np.isin(labels[neighbours], classes)
    return np.where(use, np.searchsorted(classes, labels[neighbours]), -1)


def _probabilities(
    x: np.ndarray, y: np.ndarray, fold: np.ndarray, voters: np.ndarray, classes: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows `(r,)` and their probabilities `(r, K)`: the geometric mean of both sources, normalized."""
    for f in range(FOLDS):
        members = np.flatnonzero(fold == f)
        weight, bias = discriminant(x[fold != f], y[fold != f], classes)
        for start in range(0, len(members), BLOCK):
            rows = members[start : start + BLOCK]
            linear = softmax(x[rows] @ weight + bias)
            both = np.sqrt(linear * (neighbour_shares(voters[rows], classes) + SMOOTHING))
            yield rows, both / both.sum(1, keepdims=True)


def discriminant(x: np.ndarray, y: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return weight `(A, K)` and bias `(K,)` of the linear discriminant: normal distributions with one covariance.

    Classes without images get a bias of −inf. x: `(n, A)`; y: `(n,)` in 0…K−1.
    """
    n, axes = x.shape
    counts = np.bincount(y, minlength=classes)
    sums = np.stack([np.bincount(y, column, classes) for column in x.T], 1)
    means = sums / np.maximum(counts, 1)[:, None]
    residuals = x - means[y]
    covariance = residuals.T @ residuals / max(1, n - int((counts > 0).sum()))
    scale = float(np.trace(covariance)) / axes or 1.0
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * scale * np.eye(axes)
    weight = np.linalg.solve(covariance, means.T)
    with np.errstate(divide="ignore"):
        bias = np.log(counts / n) - (means.T * weight).sum(0) / 2
    return weight, bias


def neighbour_shares(voters: np.ndarray, classes: int) -> np.ndarray:
    """Return the share `(n, K)` of each class among the neighbours `(n, k)` that have one; 0 where none has."""
    n = len(voters)
    row, column = np.nonzero(voters >= 0)
    counts = np.bincount(row * classes + voters[row, column], minlength=n * classes).reshape(n, classes)
    shares: np.ndarray = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return shares
