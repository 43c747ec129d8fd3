"""How well a value ranks one kind of image above another: area under the ROC curve, and the error at a fixed rate."""

from __future__ import annotations

import numpy as np

from reportgen.metrics.bootstrap import N_RESAMPLES, SEED
from reportgen.metrics.intervals import Interval


def auroc(values: np.ndarray, positive: np.ndarray) -> float | None:
    """Return the probability that a positive image has a higher value than another one; ties count half.

    values: `(n,)`, no NaN; positive: `(n,)` bool. None if there is no positive or no other image.
    """
    from scipy.stats import rankdata

    n = int(positive.sum())
    others = len(positive) - n
    if not n or not others:
        return None
    ranks = rankdata(values)
    return area_of_ranks(float(ranks[positive].sum()), n, others)


def area_of_ranks(rank_sum: float, n: int, others: int) -> float:
    """Return the area under the ROC curve of n images with this sum of ranks among all, and of the other images."""
    return (rank_sum - n * (n + 1) / 2) / (n * others)


def auroc_interval(values: np.ndarray, positive: np.ndarray, groups: np.ndarray) -> Interval | None:
    """Return the 95 % bootstrap interval of `auroc`; groups `(n,)` of images are drawn together.

    Resamples with one kind of image alone are left out. None where `auroc` is None.
    """
    if auroc(values, positive) is None:
        return None
    levels, level = np.unique(values, return_inverse=True)
    member = np.unique(groups, return_inverse=True)[1]
    random, n, found = np.random.default_rng(SEED), int(member.max()) + 1, []
    for _ in range(N_RESAMPLES):
        weight = np.bincount(random.integers(0, n, n), minlength=n)[member].astype(np.float64)
        own = np.bincount(level, weight * positive, len(levels))
        other = np.bincount(level, weight * ~positive, len(levels))
        if own.any() and other.any():
            below = np.cumsum(other) - other / 2
            found.append(float(own @ below / (own.sum() * other.sum())))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def false_positive_rate(values: np.ndarray, positive: np.ndarray, true_positive_rate: float = 0.95) -> float:
    """Return the share of the other images that a threshold accepts which accepts this share of the positive ones.

    The threshold is the highest that accepts at least that share; `values ≥ threshold` is accepted.
    """
    own = np.sort(values[positive])[::-1]
    threshold = own[int(np.ceil(true_positive_rate * len(own))) - 1]
    return float((values[~positive] >= threshold).mean())
