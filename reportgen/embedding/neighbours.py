"""Exact nearest neighbours in Euclidean distance."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock

import numpy as np

from reportgen.embedding.rows import Rows, chosen_rows, finite_rows, mean_row

BLOCK = 1024
"""Number of rows of a matrix product."""
BLOCKS_AT_ONCE = 4
"""Blocks of rows that are multiplied by each block of others, which is made anew for them: for fewer, that takes more
of the time, and for more, their float32 values take more memory."""
BOUND_SAMPLE, MAX_SAMPLE = 16, 4096
"""One row in so many is used for a first bound on the distance of each row to its k-th neighbour; rows at most."""
PRUNED_AT = 2
"""Candidates are sorted out once there are so many times k for each row."""
UNIT_ROUNDOFF = 2.0**-24
"""Unit roundoff of float32."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest neighbours of each row, the nearest first; of equal distances, the lower index first.

    index:    `(N, k)` int64, −1 for the rows in `left_out`, which are not neighbours of other rows either.
    distance: `(N, k)` float64, NaN for these rows.
    left_out: rows with values that are not finite.
    """

    index: np.ndarray
    distance: np.ndarray
    left_out: np.ndarray

    def first(self, k: int) -> Neighbours:
        """Return the k nearest neighbours only."""
        return Neighbours(self.index[:, :k], self.distance[:, :k], self.left_out)


def nearest_neighbours(rows: Rows, k: int, reference: Rows | None = None) -> Neighbours:
    """Return the k nearest rows of `reference (M, D)` for each of `rows (N, D)`; by default, of the other rows.

    The result is that of a brute force in float64, `np.square(a - b).sum()` sorted stably. It has fewer columns if
    there are fewer than k rows to choose from. Candidates are found with a matrix product in float32, whose values have
    a proven error bound; all rows that may be among the k nearest within this bound are compared in float64.
    """
    use = finite_rows(rows)
    others = use if reference is None else finite_rows(reference)
    k = max(0, min(k, len(others) - (reference is None)))
    index, distance = np.full((len(rows), k), -1), np.full((len(rows), k), np.nan)
    if k and len(use):
        a = chosen_rows(rows, use)
        b = a if reference is None else chosen_rows(reference, others)
        for start, nearest, square in _search(a, b, k, same=reference is None):
            block = use[start : start + len(nearest)]
            index[block], distance[block] = others[nearest], np.sqrt(square)
    return Neighbours(index, distance, np.setdiff1d(np.arange(len(rows)), use))


def _search(a: Rows, b: Rows, k: int, same: bool) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield, for each block of rows: its first row, the k nearest of each row `(n, k)`, and their squared distances.

    W = −|a − b|²/2 comes from one product of rows with two more columns, `(a, −|a|²/2, 1) · (b, 1, −|b|²/2)`.
    Its error is at most `(D + 8) u (|a|² + |b|²)`: Higham, Accuracy and Stability, section 3.1, for any order of
    summation, and |a||b| ≤ (|a|² + |b|²)/2. The columns contain this bound too, so the product V ≥ W, and V − 2e ≤ W.
    If a and b are the same rows, V is symmetric, and only the blocks above its diagonal are computed.
    """
    from threadpoolctl import threadpool_limits

    mean = mean_row(b)
    of_b = _Factor(b, mean)
    of_a = of_b if same else _Factor(a, mean)
    lists = [_Candidates(of_a, of_b, start, k) for start in range(0, len(a), BLOCK)]
    sample = np.arange(0, len(b), max(1, len(b) // min(max(4 * k, len(b) // BOUND_SAMPLE), MAX_SAMPLE)))
    of_sample = _swapped(of_b.rows(sample))
    for candidates in lists:
        v = of_a.rows(candidates.block) @ of_sample.T
        if same:
            v[sample[None] == candidates.start + np.arange(len(v))[:, None]] = -np.inf
        candidates.bound[:] = _kth(v - 2 * (of_a.e[candidates.block, None] + of_b.e[sample]), k)

    # One thread for each block, and one for each product, so that the work after a product uses all cores too.
    with ThreadPoolExecutor(os.cpu_count()) as pool, threadpool_limits(1, "blas"):
        for first in range(0, len(lists), BLOCKS_AT_ONCE):
            above = lists[first : first + BLOCKS_AT_ONCE]
            lefts = [of_a.rows(candidates.block) for candidates in above]
            compare = partial(_compare, above, lefts, of_b, lists if same else None)
            list(pool.map(compare, range(above[0].start if same else 0, len(b), BLOCK)))
            for candidates in above:
                r, c = candidates.take()
                height = len(candidates.bound)
                square = squared_distances(pool, a[candidates.block], b, r, c)
                order = np.lexsort((c, square, r))
                ends = np.cumsum(np.bincount(r, minlength=height))
                nearest = order[(ends - np.bincount(r, minlength=height))[:, None] + np.arange(k)]
                yield candidates.start, c[nearest], square[nearest]


def _compare(
    above: Sequence[_Candidates],
    lefts: Sequence[np.ndarray],
    of_b: _Factor,
    symmetric: Sequence[_Candidates] | None,
    start: int,
) -> None:
    """Add the candidates in some blocks of V, one below the other, to the lists of their rows and columns.

    start: of their columns; symmetric: the lists of all blocks, if V is symmetric.
    """
    right = _swapped(of_b.rows(slice(start, start + BLOCK)))
    for candidates, left in zip(above, lefts, strict=True):
        if symmetric and candidates.start > start:
            break
        v = left @ right.T
        if symmetric and candidates.start == start:
            np.fill_diagonal(v, -np.inf)
        r, c = _where(v >= candidates.bound[:, None])
        candidates.add(r, c + start, v[r, c])
        if symmetric and candidates.start < start:
            others = symmetric[start // BLOCK]
            r, c = _where(v >= others.bound)
            others.add(c, r + candidates.start, v[r, c])


class _Factor:
    """The left factor of V, `(n, D + 2)` float32, of which only the rows that are asked for are made.

    The rows are centred: distances stay equal. e: `(n,)` float32, each row's error bound.
    """

    def __init__(self, rows: Rows, mean: np.ndarray) -> None:
        self._rows, self._mean = rows, mean
        self.e, self._column = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            square = np.square(rows[block] - mean).sum(1)
            self.e[block] = 1.01 * (rows.shape[1] + 8) * UNIT_ROUNDOFF * square
            self._column[block] = self.e[block] - square / 2

    def rows(self, index: slice | np.ndarray) -> np.ndarray:
        """Return some rows; `_swapped`, they are those of the right factor."""
        rows = self._rows[index]
        left = np.empty((len(rows), rows.shape[1] + 2), np.float32)
        np.subtract(rows, self._mean, out=left[:, :-2], casting="same_kind")  # in float64, without an array of it
        left[:, -2], left[:, -1] = self._column[index], 1
        return left


class _Candidates:
    """Pairs of the rows of one block and others that may be among their k nearest, by V and its error bounds.

    bound: `(n,)` a lower bound on the k-th largest W of each row, which rises with the candidates.
    """

    def __init__(self, of_a: _Factor, of_b: _Factor, start: int, k: int) -> None:
        self.start, self.block = start, slice(start, start + BLOCK)
        self._e, self._e_of_others, self._k = of_a.e[self.block], of_b.e, k
        self.bound = np.full(len(self._e), -np.inf, np.float32)
        self._parts = [(np.zeros(0, np.uint16), np.zeros(0, np.int32), np.zeros(0, np.float32))]
        self._size = 0
        self._limit = PRUNED_AT * k * len(self._e)
        self._lock = Lock()

    def add(self, r: np.ndarray, c: np.ndarray, values: np.ndarray) -> None:
        """Add pairs `(m,)` of a row in the block and another row whose V is not below the bound, by several threads at
        once: any bound that they have read is valid."""
        with self._lock:
            self._parts.append((r.astype(np.uint16), c.astype(np.int32), values))
            self._size += len(r)
            if self._size > self._limit:
                self._prune()
                self._limit = max(self._limit, 2 * self._size)

    def _prune(self) -> None:
        """Raise the bound to that of the candidates, and leave out those below it."""
        r, c, values = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
        lower = values - 2 * (self._e[r] + self._e_of_others[c])
        np.maximum(self.bound, _kth_of_lists(r, lower, len(self.bound), self._k), out=self.bound)
        is_close = values >= self.bound[r]
        self._parts = [(r[is_close], c[is_close], values[is_close])]
        self._size = len(self._parts[0][0])

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the row in the block and the other row, `(m,)` int64, of all pairs, and forget them."""
        self._prune()
        (r, c, _), self._parts = self._parts[0], []
        return r.astype(np.int64), c.astype(np.int64)


def _swapped(left: np.ndarray) -> np.ndarray:
    """Return the right factor of some rows, in their place."""
    left[:, [-2, -1]] = left[:, [-1, -2]]
    return left


def _where(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the True cells; several times as fast as `np.nonzero` on two axes."""
    return np.divmod(np.flatnonzero(mask), mask.shape[1])


def _kth(values: np.ndarray, k: int) -> np.ndarray:
    """Return the k-th largest value of each row `(n, m)`, −inf if m < k."""
    m = values.shape[1]
    if m < k:
        return np.full(len(values), -np.inf, values.dtype)
    kth: np.ndarray = np.partition(values, m - k, 1)[:, m - k]
    return kth


def _kth_of_lists(r: np.ndarray, values: np.ndarray, rows: int, k: int) -> np.ndarray:
    """Return the k-th largest of the values of each row r `(m,)` uint16, −inf for fewer than k."""
    order = np.argsort(r, kind="stable")
    count = np.bincount(r, minlength=rows)
    column = np.arange(len(r)) - np.repeat(np.cumsum(count) - count, count)
    dense = np.full((rows, max(k, count.max())), -np.inf, np.float32)
    dense[r[order], column] = values[order]
    return _kth(dense, k)


def squared_distances(pool: ThreadPoolExecutor, a: Rows, b: Rows, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the squared distances in float64 of the pairs (a[i], b[j])."""
    step, order = max(1, 2**17 // a.shape[1]), np.argsort(j, kind="stable")
    squares = np.empty(len(i))

    def compute(start: int) -> None:
        pairs = order[start : start + step]
        unique, place = np.unique(j[pairs], return_inverse=True)  # each row of b is read and converted once
        difference = b[unique].astype(np.float64)[place]
        np.subtract(a[i[pairs]], difference, out=difference)
        squares[pairs] = np.square(difference, out=difference).sum(1)

    list(pool.map(compute, range(0, len(i), step)))
    return squares
