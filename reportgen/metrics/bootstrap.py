"""Bootstrap intervals (Efron 1979): the images are drawn again, with replacement, and every figure is taken anew."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

COUNT = 1000
SEED = 0
CHUNK = 2**22
"""Weights held at a time: resamples × images."""
Interval = tuple[float, float]


def bootstrap(n: int, statistic: Callable[[np.ndarray], np.ndarray], count: int = COUNT) -> np.ndarray:
    """`(Q, 2)`: 2.5 % and 97.5 % quantiles of Q figures over `count` resamples of n images; the seed is fixed.

    statistic: weights `(R, n)` float32, each row the shares that the images of one resample have (they sum up to 1)
    → `(R, Q)`. So figures that are taken together keep their dependence, and a maximum is taken again in each.
    """
    random = np.random.default_rng(SEED)
    step = max(1, CHUNK // n)
    rows = []
    for start in range(0, count, step):
        r = min(step, count - start)
        drawn = random.integers(0, n, (r, n)) + np.arange(r)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n)
        rows.append(statistic((weights / n).astype(np.float32)))
    return np.quantile(np.concatenate(rows), [0.025, 0.975], axis=0).T


def intervals(values: np.ndarray) -> list[Interval]:
    """Bootstrap intervals of the means of `(n, Q)` figures that go with the images."""
    found = bootstrap(len(values), lambda weights: weights @ values.astype(np.float32))
    return [(float(low), float(high)) for low, high in found]
