"""Random triplet accuracy: how well a map keeps the order of large distances."""

from __future__ import annotations

import numpy as np

from reportgen.metrics.intervals import Rate

N_TRIPLETS = 10_000
"""Number of random triplets."""
BLOCK = 1_000
"""Triplets whose distances are computed at a time."""


def random_triplet_accuracy(rows: np.ndarray, positions: np.ndarray, seed: int = 0) -> Rate | None:
    """Return the share of random triplets (i, j, k) whose order of the distances i–j and i–k is that of the map.

    rows: `(N, D)` of the space; positions: `(N, 2)` on the map, both finite. i, j, k are different, drawn uniformly
    and independently, so Wilson's interval holds for the share over all triplets. A triplet with equal distances, in
    the space or on the map, has no order and is left out; None if there is no other one. A map that is independent of
    the space has 0.5. Source: Wang, Huang, Rudin and Shaposhnik, JMLR 22 (2021), section 4.
    """
    n = len(rows)
    if n < 3:
        return None
    random = np.random.default_rng(seed)
    i, j = random.integers(0, n, N_TRIPLETS), random.integers(0, n - 1, N_TRIPLETS)
    j += j >= i
    k = random.integers(0, n - 2, N_TRIPLETS)
    k += k >= np.minimum(i, j)
    k += k >= np.maximum(i, j)
    order = [_order(points, i, j, k) for points in (rows, positions)]
    has_order = (order[0] != 0) & (order[1] != 0)
    return Rate.of((order[0] == order[1])[has_order])


def _order(points: np.ndarray, i: np.ndarray, j: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return the sign of |i j| − |i k| for each triplet."""
    signs = []
    for start in range(0, len(i), BLOCK):
        block = slice(start, start + BLOCK)
        a, b, c = (points[index[block]].astype(np.float64) for index in (i, j, k))
        signs.append(np.sign(np.square(a - b).sum(1) - np.square(a - c).sum(1)))
    return np.concatenate(signs)
