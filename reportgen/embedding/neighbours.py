"""Exact nearest neighbours in Euclidean distance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

BLOCK = 1024
"""Number of rows of a matrix product."""
BOUND_SAMPLE = 16
"""One row in so many is used for a first bound on the distance of each row to its k-th neighbour."""
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


def nearest_neighbours(rows: np.ndarray, k: int, reference: np.ndarray | None = None) -> Neighbours:
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


def finite_rows(rows: np.ndarray) -> np.ndarray:
    """Return the rows `(N, D)` without a value that is not finite, ascending; without a copy of all of them."""
    parts = [np.isfinite(rows[start : start + BLOCK]).all(1) for start in range(0, len(rows), BLOCK)]
    return np.flatnonzero(np.concatenate([np.zeros(0, bool), *parts]))


def chosen_rows(rows: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Return these rows; if they are all, they are not copied."""
    return rows if len(use) == len(rows) else rows[use]


def _search(a: np.ndarray, b: np.ndarray, k: int, same: bool) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield, for each block of rows: its first row, the k nearest of each row `(n, k)`, and their squared distances.

    W = −|a − b|²/2 comes from one product of rows with two more columns, `(a, −|a|²/2, 1) · (b, 1, −|b|²/2)`.
    Its error is at most `(D + 8) u (|a|² + |b|²)`: Higham, Accuracy and Stability, section 3.1, for any order of
    summation, and |a||b| ≤ (|a|² + |b|²)/2. The columns contain this bound too, so the product V ≥ W, and V − 2e ≤ W.
    If a and b are the same rows, V is symmetric, and only the blocks above its diagonal are computed.
    """
    from threadpoolctl import threadpool_limits

    mean = b.mean(0, dtype=np.float64)
    of_b, e_b = _with_norms(b, mean)
    left, e_a = (of_b, e_b) if same else _with_norms(a, mean)
    sample = np.arange(0, len(b), BOUND_SAMPLE if len(b) // BOUND_SAMPLE > 4 * k else 1)
    bound = np.empty(len(a), np.float32)
    for start in range(0, len(a), BLOCK):
        block = slice(start, start + BLOCK)
        v = left[block] @ _swapped(of_b[sample]).T
        if same:
            v[sample[None] == np.arange(start, start + len(v))[:, None]] = -np.inf
        bound[block] = _kth(v - 2 * (e_a[block, None] + e_b[sample]), k)
    blocks = -(-len(b) // BLOCK)
    candidates: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in range(0, len(a), BLOCK)]

    def compare(number: int, other: int) -> None:
        """Add the candidates in one block of V to the lists of its rows and, if V is symmetric, of its columns."""
        start, first = number * BLOCK, other * BLOCK
        v = left[start : start + BLOCK] @ _swapped(of_b[first : first + BLOCK].copy()).T
        if same and other == number:
            np.fill_diagonal(v, -np.inf)
        r, c = _where(v >= bound[start : start + BLOCK, None])
        candidates[number].append((r, c + first, v[r, c]))
        if same and other > number:
            r, c = _where(v >= bound[first : first + BLOCK])
            candidates[other].append((c, r + start, v[r, c]))

    # One thread for each block, and one for each product, so that the work after a product uses all cores too.
    with ThreadPoolExecutor(os.cpu_count()) as pool, threadpool_limits(1, "blas"):
        for number, start in enumerate(range(0, len(a), BLOCK)):
            height = min(BLOCK, len(a) - start)
            list(pool.map(partial(compare, number), range(number if same else 0, blocks)))
            r, c, values = (np.concatenate(parts) for parts in zip(*candidates[number], strict=True))
            candidates[number] = []
            lower = values - 2 * (e_a[start + r] + e_b[c])
            is_close = values >= _kth_of_lists(r, lower, height, k)[r]
            r, c = r[is_close], c[is_close]
            square = squared_distances(pool, a, b, start + r, c)
            order = np.lexsort((c, square, r))
            ends = np.cumsum(np.bincount(r, minlength=height))
            nearest = order[(ends - np.bincount(r, minlength=height))[:, None] + np.arange(k)]
            yield start, c[nearest], square[nearest]


def _with_norms(rows: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the left factor of V `(n, D + 2)` float32, centred (distances stay equal), and each row's error bound e.

    The right factor is `_swapped` of it, made block by block: rows of pixels are gigabytes for many images.
    """
    n, d = rows.shape
    left, e = np.empty((n, d + 2), np.float32), np.empty(n, np.float32)
    for start in range(0, n, BLOCK):
        block = slice(start, start + BLOCK)
        centred = rows[block] - mean
        square = np.square(centred).sum(1)
        e[block] = 1.01 * (d + 8) * UNIT_ROUNDOFF * square
        left[block, :d] = centred
        left[block, d] = e[block] - square / 2
    left[:, d + 1] = 1
    return left, e


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
    """Return the k-th largest of the values of each row r."""
    order = np.argsort(r.astype(np.uint16), kind="stable")
    count = np.bincount(r, minlength=rows)
    column = np.arange(len(r)) - np.repeat(np.cumsum(count) - count, count)
    dense = np.full((rows, max(k, count.max())), -np.inf, np.float32)
    dense[r[order], column] = values[order]
    return _kth(dense, k)


def squared_distances(
    pool: ThreadPoolExecutor, a: np.ndarray, b: np.ndarray, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    """Return the squared distances in float64 of the pairs (a[i], b[j])."""
    step = max(1, 2**17 // a.shape[1])

    def compute(start: int) -> np.ndarray:
        pairs = slice(start, start + step)
        difference = a[i[pairs]].astype(np.float64) - b[j[pairs]]
        return np.asarray(np.square(difference, out=difference).sum(1))

    return np.concatenate(list(pool.map(compute, range(0, len(i), step))))
