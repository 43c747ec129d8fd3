"""A column of a table: one array whose rows lie in many shards, read as if it were a NumPy array."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

MIN_RUN_LENGTH = 8
"""Rows that runs must have on average for reading run by run to be faster than shard by shard (measured with `python -m
benchmarks store`). Runs of `MIN_RUN_LENGTH * SMALL_ROW` bytes are always read run by run."""
SMALL_ROW = 512
"""Bytes."""
ROWS_AT_A_TIME = 1024
"""Rows that are read at a time where a part of each is wanted."""


class Column:
    """One array `(N, …)` of a table. Rows are read from the shards when they are indexed.

    `column[i]`, `column[10:20]`, `column[indices]` and `column[indices, 0]` read only these rows and return what NumPy
    returns. `np.asarray(column)` reads all rows; `for block in column.blocks(n)` reads all, at most n at a time, and
    does not copy rows that are consecutive in one shard.
    """

    def __init__(self, members: Sequence[np.ndarray], shard: np.ndarray, row: np.ndarray) -> None:
        """members: the array in each shard; shard, row: `(N,)`, the shard of each row and its row in the shard."""
        self._members, self._shard, self._row = members, shard, row
        like = self._members[0] if self._members else np.zeros((0,))
        self.dtype = like.dtype
        self.shape: tuple[int, ...] = (len(row), *like.shape[1:])
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, index: Any) -> Any:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int | np.integer):
            position = range(len(self))[first]
            return self._members[self._shard[position]][(self._row[position], *rest)]
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        row = self._row[first]
        if row.ndim != 1:
            raise IndexError(f"rows are indexed by an integer, a slice or one list of integers, not by {first!r}")
        shard = self._shard[first]
        if not rest:
            return self._take(shard, row)
        if all(isinstance(part, int | slice) for part in rest):  # a part of each row, without all rows in memory
            starts = range(0, max(1, len(row)), ROWS_AT_A_TIME)
            parts = (self._take(shard[i : i + ROWS_AT_A_TIME], row[i : i + ROWS_AT_A_TIME]) for i in starts)
            return np.concatenate([part[(slice(None), *rest)].copy() for part in parts])
        # As in NumPy, index lists of several axes are combined element by element.
        taken = self._take(shard, row)
        return taken[(slice(None) if isinstance(first, slice) else np.arange(len(row)), *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._take(self._shard, self._row).astype(dtype or self.dtype, copy=False)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def blocks(self, at_most: int) -> Iterator[np.ndarray]:
        """Yield all rows in order, `(n, …)` with n ≤ `at_most`; read-only views of the files where possible."""
        starts = _run_starts(self._shard, self._row)
        if len(starts) > len(self) / MIN_RUN_LENGTH:
            return (self[start : start + at_most] for start in range(0, len(self), at_most))
        runs = self._runs(self._shard, self._row, starts)
        return (run[i : i + at_most] for run in runs for i in range(0, len(run), at_most))

    def _take(self, shard: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Copy rows, by the faster of two ways: run by run, or shard by shard."""
        shape = (len(row), *self.shape[1:])
        size = math.prod(shape) * self.dtype.itemsize
        if not size:
            return np.empty(shape, self.dtype)
        starts = _run_starts(shard, row)
        if len(starts) * MIN_RUN_LENGTH <= max(len(row), size // SMALL_ROW):
            if len(starts) == len(row) and self.ndim > 1:  # an index makes a view faster than a slice
                runs = [self._members[k][i] for k, i in zip(shard.tolist(), row.tolist(), strict=True)]
            else:
                runs = self._runs(shard, row, starts)
            return np.frombuffer(bytearray().join(runs), self.dtype).reshape(shape)  # faster than np.concatenate
        order = np.argsort(shard, kind="stable")
        out = np.empty(shape, self.dtype)
        for at in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            out[at] = self._members[shard[at[0]]][row[at]]
        return out

    def _runs(self, shard: np.ndarray, row: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
        """Return views of the rows, one for each run of consecutive rows."""
        first = row[starts]
        stop = first + np.diff(starts, append=len(row))
        runs = zip(shard[starts].tolist(), first.tolist(), stop.tolist(), strict=True)
        return [self._members[number][begin:end] for number, begin, end in runs]


def _run_starts(shard: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return the positions `(P,)` of rows that do not follow the row before them in the same shard."""
    is_start = np.ones(len(row), bool)
    is_start[1:] = (shard[1:] != shard[:-1]) | (row[1:] != row[:-1] + 1)
    return np.flatnonzero(is_start)
