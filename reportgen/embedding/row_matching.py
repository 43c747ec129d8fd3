"""Which rows of an earlier run a run has again, by their values."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from hashlib import blake2b

import numpy as np

from reportgen.embedding.rows import Rows, row_blocks
from reportgen.store.results_cache import as_bytes

DIGEST_BYTES = 16
"""Bytes of a row's digest: two of 10⁹ different rows have one with a probability of about 10⁻²¹."""


def row_digests(rows: Rows) -> np.ndarray:
    """Return a digest `(N, 16)` uint8 of the bytes of each row `(N, D)`."""
    all_rows = (row for block in row_blocks(rows) for row in np.ascontiguousarray(block))
    joined = b"".join(blake2b(row.data, digest_size=DIGEST_BYTES).digest() for row in all_rows)
    return np.frombuffer(joined, np.uint8).reshape(-1, DIGEST_BYTES)


def position_digests(positions: np.ndarray) -> np.ndarray:
    """Return positions `(N, 2)` float64 as digests `(N, 16)` uint8: their bytes."""
    return np.ascontiguousarray(positions).view(np.uint8)


def match_rows(earlier: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """Return, for each row, the earlier row of the same digest, `(N,)` int64, or −1.

    Of several equal rows, the first belongs to the first earlier one, the second to the second.
    earlier: `(M, 16)`, digests: `(N, 16)`, of `row_digests`.
    """
    places: dict[bytes, list[int]] = defaultdict(list)
    for place, digest in reversed(list(enumerate(as_bytes(earlier)))):
        places[digest].append(place)
    return np.array([places[d].pop() if places.get(d) else -1 for d in as_bytes(digests)], np.int64)


def changed_share(earlier: np.ndarray, digests: np.ndarray) -> float:
    """Return 1 − (number of rows that both have) / (number of rows of the larger one); 0 if neither has any.

    earlier: `(M, 16)`, digests: `(N, 16)`, of `row_digests`.
    """
    larger = max(len(earlier), len(digests))
    shared = Counter(as_bytes(earlier)) & Counter(as_bytes(digests))
    return 1 - shared.total() / larger if larger else 0.0


def in_same_order(source: np.ndarray) -> np.ndarray:
    """Return `match_rows` of the most rows that are in the same order as before; −1 for all others.

    source: `(N,)`, each earlier row at most once. These rows are a longest increasing subsequence, found by patience
    sorting: Fredman, Discrete Mathematics 11 (1975).
    """
    matched = np.flatnonzero(source >= 0)
    if (np.diff(source[matched]) > 0).all():
        return source
    ends: list[int] = []  # the smallest last value of an increasing subsequence of each length
    end_at: list[int] = []  # and its position in `matched`
    before: list[int] = []  # the position of the value before each one in its subsequence
    for position, value in enumerate(source[matched].tolist()):
        length = bisect_left(ends, value)
        before.append(end_at[length - 1] if length else -1)
        ends[length : length + 1], end_at[length : length + 1] = [value], [position]
    kept = np.full(len(source), -1, np.int64)
    position = end_at[-1]
    while position >= 0:
        kept[matched[position]] = source[matched[position]]
        position = before[position]
    return kept
