"""Conformal prediction sets: sets of classes that hold the label with a stated probability, and what that costs.

Split conformal prediction (Vovk, Gammerman and Shafer 2005) with the score 1 − probability of the label (Sadinle, Lei
and Wasserman, JASA 114, 2019), over many random halves: one half sets the threshold, the other is judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

ALPHA = 0.1
"""Share of the sets that may miss the label."""
N_SPLITS, N_SIZE_SPLITS, SEED = 1000, 50, 0
"""Random halves for the coverage, and for the size of the sets by class."""
MIN_CLASS_IMAGES = 10
"""Images of a class whose coverage is stated."""
MIN_FITTED = math.ceil(round(1 / ALPHA - 1, 9))
"""Images that a threshold needs: with fewer, every class would have to be in the set."""


@dataclass(frozen=True)
class ConformalSets:
    """coverage: of the judged images, by split `(1000,)`; size: mean number of classes in a set.

    class_coverage: class → share of its judged images whose set holds the label, over all splits; for classes with at
        least 10 images.
    """

    coverage: np.ndarray
    size: float
    class_coverage: dict[int, float]

    @property
    def worst_class(self) -> tuple[int, float] | None:
        """The class with the lowest coverage, the first of equals, and that coverage."""
        return min(self.class_coverage.items(), key=lambda item: item[1]) if self.class_coverage else None


@dataclass(frozen=True)
class Conformal:
    """shared: one threshold for all classes; by_class: one for each class, among the classes that are a label."""

    shared: ConformalSets
    by_class: ConformalSets


def evaluate_conformal(probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Conformal | None:
    """Return the coverage and the size of the sets; None for fewer groups than a threshold needs.

    probabilities: `(n, K)`; labels: `(n,)` ≥ 0; groups: `(n,)`, those of a group are in one half.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < 2 * (MIN_FITTED + 1):
        return None
    random = np.random.default_rng(SEED)
    halves = np.array([random.permutation(len(names)) < len(names) // 2 for _ in range(N_SPLITS)])
    fits = halves[:, member]
    scores = 1 - probabilities
    own = scores[np.arange(len(labels)), labels]
    return Conformal(_shared(scores, own, labels, fits), _by_class(scores, own, labels, fits))


def threshold_rank(n: int) -> int:
    """Return which of n ascending scores is the threshold, from 1: ⌈(n + 1)(1 − α)⌉; above n, every class is in."""
    return math.ceil(round((n + 1) * (1 - ALPHA), 9))


def _thresholds(own: np.ndarray, fits: np.ndarray) -> np.ndarray:
    """`(S,)` threshold of each split; infinite with too few images. own: `(n,)` scores; fits: `(S, n)` bool."""
    order = np.argsort(own, kind="stable")
    place = fits[:, order].cumsum(1)
    rank = np.array([threshold_rank(n) for n in place[:, -1].tolist()])
    at = (place >= rank[:, None]).argmax(1)
    return np.where(rank <= place[:, -1], own[order][at], np.inf)


def _shared(scores: np.ndarray, own: np.ndarray, labels: np.ndarray, fits: np.ndarray) -> ConformalSets:
    thresholds = _thresholds(own, fits)
    values, which = np.unique(thresholds, return_inverse=True)
    ordered = np.sort(scores, axis=1)
    sizes = np.array([np.searchsorted(row, values, side="right") for row in ordered])[:, which].T
    judged = ~fits
    size = float((sizes * judged).sum() / judged.sum())
    return _sets(own <= thresholds[:, None], judged, labels, size)


def _by_class(scores: np.ndarray, own: np.ndarray, labels: np.ndarray, fits: np.ndarray) -> ConformalSets:
    covered, judged = np.zeros(fits.shape, bool), ~fits
    total = 0
    for label in np.unique(labels).tolist():
        members = labels == label
        thresholds = _thresholds(own[members], fits[:, members])[:, None]
        covered[:, members] = own[members] <= thresholds
        total += int(((scores[:, label] <= thresholds[:N_SIZE_SPLITS]) & judged[:N_SIZE_SPLITS]).sum())
    return _sets(covered, judged, labels, total / int(judged[:N_SIZE_SPLITS].sum()))


def _sets(covered: np.ndarray, judged: np.ndarray, labels: np.ndarray, size: float) -> ConformalSets:
    classes, counts = np.unique(labels, return_counts=True)
    held = covered & judged
    return ConformalSets(
        coverage=held.sum(1) / judged.sum(1),
        size=size,
        class_coverage={
            label: float(held[:, labels == label].sum() / judged[:, labels == label].sum())
            for label in classes[counts >= MIN_CLASS_IMAGES].tolist()
        },
    )
