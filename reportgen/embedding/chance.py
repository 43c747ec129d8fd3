"""What random labels and random positions give, and the most that is possible: figures of neighbours mean little
without both.

Labels are permuted among the labelled images; an image that is alone in its class can never have a neighbour of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.data.sampling import evenly_spaced
from reportgen.embedding.space import label_outliers, majority_label

N_VOTES, SEED = 40_000, 0
"""Images times permutations over which a mean is taken; there are at least 20 permutations and at most 400."""
MAX_IMAGES = 2_000
"""Images, evenly spread, whose neighbours vote; the mean over them hardly depends on their number."""


@dataclass(frozen=True)
class Range:
    """The mean of a share under chance, and the highest value that is possible."""

    chance: float
    ceiling: float


def knn_range(index: np.ndarray, labels: np.ndarray, k: int, reference_labels: np.ndarray | None = None) -> Range:
    """Return chance and ceiling of the kNN accuracy; the ceiling is the share of the labelled images whose class has
    another image.

    index: `(N, ≥ k)` neighbours; labels: `(N,)`, −1 for none, at least one is not; reference_labels: `(M,)` labels of
    the neighbours if they are from another set.
    """
    judged = np.flatnonzero((labels >= 0) & (index[:, :1] >= 0).any(1))
    rows = np.array(evenly_spaced(judged.tolist(), MAX_IMAGES), np.int64)
    voters = labels if reference_labels is None else reference_labels
    accuracy = []
    for permuted in _permutations(voters, len(rows)):
        own = labels if reference_labels is not None else permuted
        accuracy.append(float((majority_label(index[rows, :k], permuted) == own[rows]).mean()))
    possible = _images_of_class(labels[judged], voters) > (reference_labels is None)
    return Range(float(np.mean(accuracy)), float(possible.mean()))


def agreement_range(labels: np.ndarray, k: int) -> Range:
    """Return chance and ceiling of the share of k neighbours that have the image's label, over labelled images.

    labels: `(N,)`, at least one is not −1.
    """
    others = _images_of_class(labels[labels >= 0], labels) - 1
    return Range(float(others.mean() / max(1, len(labels) - 1)), float(np.minimum(others, k).mean() / k))


def outliers_by_chance(index: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean number of `label_outliers` under permuted labels. index: `(N, k)`."""
    return float(np.mean([len(label_outliers(index, permuted)) for permuted in _permutations(labels, len(labels))]))


def alone_in_class(labels: np.ndarray) -> np.ndarray:
    """Return `(N,)` bool: no other image has the image's label."""
    alone = np.zeros(len(labels), bool)
    alone[labels >= 0] = _images_of_class(labels[labels >= 0], labels) == 1
    return alone


def chance_trustworthiness(n: int, k: int) -> float:
    """Return the expected trustworthiness of random positions of n images: ranks of map neighbours are uniform."""
    excess = (n - 1 - k) * (n - k) / (2 * (n - 1))
    return 1 - 2 * excess / (2 * n - 3 * k - 1)


def chance_preservation(n: int, k: int) -> float:
    """Return the expected share of preserved neighbours for random positions of n images."""
    return k / (n - 1)


def _images_of_class(labels: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return how many images of `among` have each label."""
    counts: np.ndarray = np.bincount(among[among >= 0], minlength=int(labels.max(initial=0)) + 1)[labels]
    return counts


def _permutations(labels: np.ndarray, n: int) -> list[np.ndarray]:
    random, labelled = np.random.default_rng(SEED), np.flatnonzero(labels >= 0)
    permuted = [labels.copy() for _ in range(min(max(N_VOTES // n, 20), 400))]
    for one in permuted:
        one[labelled] = random.permutation(labels[labelled])
    return permuted
