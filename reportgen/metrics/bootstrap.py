"""Bootstrap intervals (Efron 1979): images are resampled with replacement, and the metrics are computed again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

N_RESAMPLES = 1000
SEED = 0
MAX_WEIGHTS = 2**22
"""Most weights (resamples × images) in memory at a time."""
Interval = tuple[float, float]


def bootstrap(n: int, statistic: Callable[[np.ndarray], np.ndarray], n_resamples: int = N_RESAMPLES) -> np.ndarray:
    """Return the 2.5 % and 97.5 % quantiles `(Q, 2)` of Q metrics over resamples of n images, with a fixed seed.

    statistic: weights `(R, n)` float32, in each row the shares of the images in one resample, with sum 1 → metrics
        `(R, Q)`. Metrics of one call use the same resamples, and maxima can be taken again in each of them.
    """
    random = np.random.default_rng(SEED)
    step = max(1, MAX_WEIGHTS // n)
    rows = []
    for start in range(0, n_resamples, step):
        r = min(step, n_resamples - start)
        drawn = random.integers(0, n, (r, n)) + np.arange(r)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n)
        rows.append(statistic((weights / n).astype(np.float32)))
    quantiles: np.ndarray = np.quantile(np.concatenate(rows), [0.025, 0.975], axis=0)
    return quantiles.T


def intervals(values: np.ndarray) -> list[Interval]:
    """Return the bootstrap intervals of the means of Q metrics `(n, Q)` with one value for each image."""
    quantiles = bootstrap(len(values), lambda weights: weights @ values.astype(np.float32))
    return [(float(low), float(high)) for low, high in quantiles]
