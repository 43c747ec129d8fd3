"""Random triplet accuracy: how well a map keeps the order of large distances."""

from __future__ import annotations

import numpy as np

from reportgen.embedding.rows import Rows
from reportgen.metrics.intervals import Rate

N_TRIPLETS = 10_000
"""Number of random triplets."""
BLOCK = 100
"""Pairs whose distances are computed at a time."""


class RandomTriplets:
    """Random triplets (i, j, k) of rows, with the order of the distances i–j and i–k in their space.

    i, j, k are different, drawn uniformly and independently, so Wilson's interval holds for a share over all triplets.
    Source: Wang, Huang, Rudin and Shaposhnik, JMLR 22 (2021), section 4.
    """

    def __init__(self, rows: Rows, seed: int = 0) -> None:
        """rows: `(N, D)` of the space, finite. With fewer than three there is no triplet."""
        n = len(rows)
        random, drawn = np.random.default_rng(seed), N_TRIPLETS if n >= 3 else 0
        i, j = random.integers(0, max(1, n), drawn), random.integers(0, max(1, n - 1), drawn)
        j += j >= i
        k = random.integers(0, max(1, n - 2), drawn)
        k += k >= np.minimum(i, j)
        k += k >= np.maximum(i, j)
        self._triplets = i, j, k
        self._order = _order(rows, i, j, k)

    def accuracy(self, positions: np.ndarray) -> Rate | None:
        """Return the share of the triplets whose order is that of the map. positions: `(N, 2)` on the map, finite.

        A triplet with equal distances, in the space or on the map, has no order and is left out; None if there is no
        other one. A map that is independent of the space has 0.5.
        """
        order = _order(positions, *self._triplets)
        has_order = (self._order != 0) & (order != 0)
        return Rate.of((self._order == order)[has_order])


def _order(points: Rows, i: np.ndarray, j: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return the sign of |i j| − |i k| for each triplet. The distance of each pair of points is computed once."""
    n = len(points)
    pairs = np.stack([np.minimum(i, other) * n + np.maximum(i, other) for other in (j, k)])
    unique, places = np.unique(pairs, return_inverse=True)
    squares = np.zeros(len(unique))
    for start in range(0, len(unique), BLOCK):
        block = slice(start, start + BLOCK)
        a, b = (points[index].astype(np.float64) for index in divmod(unique[block], n))
        squares[block] = np.square(a - b).sum(1)
    ij, ik = squares[places.reshape(pairs.shape)]
    order: np.ndarray = np.sign(ij - ik)
    return order
