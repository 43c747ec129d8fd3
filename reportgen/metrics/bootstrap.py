"""Bootstrap intervals (Efron 1979): groups of images are resampled with replacement, and means are computed again."""

from __future__ import annotations

import numpy as np

from reportgen.metrics.intervals import Interval

N_RESAMPLES = 1000
SEED = 0
MAX_WEIGHTS = 2**20
"""Most weights (resamples × groups) in memory at a time."""


def intervals(values: np.ndarray, groups: np.ndarray | None = None) -> list[Interval]:
    """Return the 95 % bootstrap intervals of the means of Q metrics `(n, Q)` with one value for each image.

    2.5 % and 97.5 % quantiles over resamples with a fixed seed. groups: `(n,)`, images of a group are drawn together;
    None for independent images.
    """
    member = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(member)
    sums = np.stack([np.bincount(member, column) for column in values.T.astype(np.float64)], 1)
    random, n = np.random.default_rng(SEED), len(sizes)
    step = max(1, MAX_WEIGHTS // n)
    means = []
    for start in range(0, N_RESAMPLES, step):
        r = min(step, N_RESAMPLES - start)
        drawn = random.integers(0, n, (r, n)) + np.arange(r)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n).astype(np.float64)
        means.append(weights @ sums / (weights @ sizes)[:, None])
    quantiles = np.quantile(np.concatenate(means), [0.025, 0.975], axis=0)
    return [(float(low), float(high)) for low, high in quantiles.T]
