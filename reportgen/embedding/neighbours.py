"""Exact nearest neighbours in Euclidean distance (PROTOCOLS: neighbours)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

BLOCK = 1024
"""Rows of one matrix product."""
SAMPLE = 16
"""One row in so many gives every row its first bound on the distance to its k-th neighbour."""
UNIT = 2.0**-24
"""Unit roundoff of float32."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest rows of each row, nearest first; of equal distances, the lower index first.

    index:    `(N, k)` int64, −1 for the rows in `left_out`, which are nobody's neighbour either.
    distance: `(N, k)` float64, NaN there.
    left_out: rows with a value that is not finite.
    """

    index: np.ndarray
    distance: np.ndarray
    left_out: np.ndarray

    def first(self, k: int) -> Neighbours:
        """The k nearest alone."""
        return Neighbours(self.index[:, :k], self.distance[:, :k], self.left_out)


def nearest_neighbours(rows: np.ndarray, k: int, gallery: np.ndarray | None = None) -> Neighbours:
    """The k nearest rows of `gallery (M, D)` for each of `rows (N, D)`; without a gallery, the other rows themselves.

    The result is that of a float64 brute force, `np.square(a - b).sum()` sorted stably, with fewer columns where there
    are fewer than k to choose from. The matrix product that finds the candidates is float32's: each of its values
    has a proven bound on its error, and whatever could be among the k nearest within that bound is compared in float64.
    """
    use = np.flatnonzero(np.isfinite(rows).all(1))
    others = use if gallery is None else np.flatnonzero(np.isfinite(gallery).all(1))
    k = max(0, min(k, len(others) - (gallery is None)))
    index, distance = np.full((len(rows), k), -1), np.full((len(rows), k), np.nan)
    if k and len(use):
        a = rows[use]
        b = a if gallery is None else gallery[others]
        for start, found, square in _search(a, b, k, own=gallery is None):
            at = use[start : start + len(found)]
            index[at], distance[at] = others[found], np.sqrt(square)
    return Neighbours(index, distance, np.setdiff1d(np.arange(len(rows)), use))


def _search(a: np.ndarray, b: np.ndarray, k: int, own: bool) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Block by block: its first row, the nearest k of each row of it `(n, k)`, and their squared distances.

    W = −|a − b|²/2 comes from one product of rows with two more columns, `(a, −|a|²/2, 1) · (b, 1, −|b|²/2)`.
    Its error is at most `(D + 8) u (|a|² + |b|²)`: Higham, Accuracy and Stability, section 3.1, for any order of
    summation, and |a||b| ≤ (|a|² + |b|²)/2. The columns hold that bound too, so the product V ≥ W, and V − 2e ≤ W.
    Rows that are their own gallery make a symmetric V: only the blocks above its diagonal are computed.
    """
    mean = b.mean(0, dtype=np.float64)
    left, right, e_b = _with_norms(b, mean)
    e_a = e_b
    if not own:
        left, _, e_a = _with_norms(a, mean)
    sample = np.arange(0, len(b), SAMPLE if len(b) // SAMPLE > 4 * k else 1)
    bound = np.empty(len(a), np.float32)
    for start in range(0, len(a), BLOCK):
        block = slice(start, start + BLOCK)
        v = left[block] @ right[sample].T
        if own:
            v[sample[None] == np.arange(start, start + len(v))[:, None]] = -np.inf
        bound[block] = _kth(v - 2 * (e_a[block, None] + e_b[sample]), k)
    blocks = -(-len(b) // BLOCK)
    waiting: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in range(0, len(a), BLOCK)]

    def compare(number: int, other: int) -> None:
        """Puts what may count of one block of V on the list of its rows and, mirrored, on that of its columns."""
        start, first = number * BLOCK, other * BLOCK
        v = left[start : start + BLOCK] @ right[first : first + BLOCK].T
        if own and other == number:
            np.fill_diagonal(v, -np.inf)
        r, c = _where(v >= bound[start : start + BLOCK, None])
        waiting[number].append((r, c + first, v[r, c]))
        if own and other > number:
            r, c = _where(v >= bound[first : first + BLOCK])
            waiting[other].append((c, r + start, v[r, c]))

    # A thread a block, and one thread a product: then what follows a product has every core, too.
    with ThreadPoolExecutor(os.cpu_count()) as pool, threadpool_limits(1, "blas"):
        for number, start in enumerate(range(0, len(a), BLOCK)):
            height = min(BLOCK, len(a) - start)
            list(pool.map(partial(compare, number), range(number if own else 0, blocks)))
            r, c, values = (np.concatenate(parts) for parts in zip(*waiting[number], strict=True))
            waiting[number] = []
            lower = values - 2 * (e_a[start + r] + e_b[c])
            keep = values >= _kth_of_lists(r, lower, height, k)[r]
            r, c = r[keep], c[keep]
            square = _squares(pool, a, b, start + r, c)
            order = np.lexsort((c, square, r))
            ends = np.cumsum(np.bincount(r, minlength=height))
            nearest = order[(ends - np.bincount(r, minlength=height))[:, None] + np.arange(k)]
            yield start, c[nearest], square[nearest]


def _with_norms(rows: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both factors of V `(n, D + 2)` float32, moved by the mean (which changes no distance), and each row's bound e."""
    n, d = rows.shape
    left, right, e = np.empty((n, d + 2), np.float32), np.empty((n, d + 2), np.float32), np.empty(n, np.float32)
    for start in range(0, n, BLOCK):
        block = slice(start, start + BLOCK)
        centred = rows[block] - mean
        square = np.square(centred).sum(1)
        e[block] = 1.01 * (d + 8) * UNIT * square
        left[block, :d] = right[block, :d] = centred
        left[block, d] = right[block, d + 1] = e[block] - square / 2
    left[:, d + 1] = right[:, d] = 1
    return left, right, e


def _where(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the true cells; on one flat axis this is several times as fast as `np.nonzero`."""
    return np.divmod(np.flatnonzero(mask), mask.shape[1])


def _kth(values: np.ndarray, k: int) -> np.ndarray:
    """The k-th largest value of each row `(n, m)`, −inf where m < k."""
    m = values.shape[1]
    return np.partition(values, m - k, 1)[:, m - k] if m >= k else np.full(len(values), -np.inf, values.dtype)


def _kth_of_lists(r: np.ndarray, values: np.ndarray, rows: int, k: int) -> np.ndarray:
    """The k-th largest of the values that belong to each row r."""
    order = np.argsort(r.astype(np.uint16), kind="stable")
    count = np.bincount(r, minlength=rows)
    place = np.arange(len(r)) - np.repeat(np.cumsum(count) - count, count)
    dense = np.full((rows, max(k, count.max())), -np.inf, np.float32)
    dense[r[order], place] = values[order]
    return _kth(dense, k)


def _squares(pool: ThreadPoolExecutor, a: np.ndarray, b: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Squared distances in float64 of the pairs (a[i], b[j])."""
    step = max(1, 2**17 // a.shape[1])

    def some(start: int) -> np.ndarray:
        pairs = slice(start, start + step)
        difference = a[i[pairs]].astype(np.float64) - b[j[pairs]]
        return np.square(difference, out=difference).sum(1)

    return np.concatenate(list(pool.map(some, range(0, len(i), step))))
