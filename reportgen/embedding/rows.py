"""Rows of a space, read block by block, so that no step needs a converted copy of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from reportgen.store.column import Column

BLOCK = 1024
"""Rows that are read at a time."""


class PixelRows:
    """Thumbnails as rows `(N, 3072)` float32 in [0, 1], converted where they are indexed: a quarter of the memory.

    `rows[i]`, `rows[10:20]` and `rows[indices]` return what they do for a NumPy array.

    Sums of products are taken over the whole numbers −128 to 127: of up to `EXACT` of them, every partial sum has at
    most 24 bits, so that a product of matrices in float32 is exact, and takes half the time of one in float64.
    """

    EXACT = 1024

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, pixels: np.ndarray | Column) -> None:
        """pixels: `(N, …)` uint8, in memory, or read where it is indexed."""
        self._pixels = pixels
        self.shape = (len(pixels), math.prod(pixels.shape[1:]))

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: Any) -> np.ndarray:
        values = self._floats(index)
        values /= np.float32(255)
        return values

    def _floats(self, index: Any) -> np.ndarray:
        pixels = np.asarray(self._pixels[index])
        of_rows = pixels.shape[: pixels.ndim + 1 - self._pixels.ndim]
        return pixels.reshape(*of_rows, -1).astype(np.float32)

    def gram(self) -> np.ndarray:
        """Return the products `(D, D)` float64 of the centred columns."""
        total, sums = np.zeros((self.shape[1], self.shape[1])), np.zeros(self.shape[1])
        for start in range(0, len(self), self.EXACT):
            block = self._whole(slice(start, start + self.EXACT))
            total += block.T @ block
            sums += block.sum(0, dtype=np.float64)
        for start in range(0, len(total), BLOCK):
            part = slice(start, start + BLOCK)
            total[part] -= np.outer(sums[part], sums / max(1, len(self)))
        total /= 255**2
        return total

    def squared_distances(self, chosen: np.ndarray) -> np.ndarray:
        """Return 255² · the squared distances `(M, N)` int32 of the chosen rows, `(M,)` indices, to all rows; exact."""
        left, distance = self._whole(chosen), np.empty((len(chosen), len(self)), np.int32)
        norms = self._norms(left)[:, None]
        for start in range(0, len(self), BLOCK):
            right = self._whole(slice(start, start + BLOCK))
            products = np.zeros((len(left), len(right)))
            for first in range(0, self.shape[1], self.EXACT):
                columns = slice(first, first + self.EXACT)
                products += left[:, columns] @ right[:, columns].T
            distance[:, start : start + BLOCK] = norms - 2 * products + self._norms(right)
        return distance

    def _norms(self, whole: np.ndarray) -> np.ndarray:
        """Return the squared norms `(M,)` float64 of rows of `_whole`."""
        parts = [np.square(whole[:, i : i + self.EXACT]).sum(1) for i in range(0, whole.shape[1], self.EXACT)]
        return np.asarray(np.sum(parts, 0, dtype=np.float64))

    def _whole(self, index: Any) -> np.ndarray:
        """Return some rows as whole numbers from −128 to 127, float32."""
        values = self._floats(index)
        values -= 128
        return values

    def only(self, indices: np.ndarray) -> PixelRows:
        """Return some of the rows, `(M,)` indices, in the same form."""
        return PixelRows(self._pixels[indices])


Rows = np.ndarray | PixelRows
"""The rows `(N, D)` of a space."""


def row_blocks(rows: Rows) -> Iterator[np.ndarray]:
    """Yield all rows in order, `(n, D)`, at most `BLOCK` at a time."""
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))


def finite_rows(rows: Rows) -> np.ndarray:
    """Return the rows without a value that is not finite, ascending."""
    if isinstance(rows, PixelRows):
        return np.arange(len(rows))
    parts = [np.isfinite(block).all(1) for block in row_blocks(rows)]
    return np.flatnonzero(np.concatenate([np.zeros(0, bool), *parts]))


def chosen_rows(rows: Rows, use: np.ndarray) -> Rows:
    """Return these rows, `(M,)` indices, ascending and different; if they are all, they are not copied."""
    if len(use) == len(rows):
        return rows
    return rows.only(use) if isinstance(rows, PixelRows) else rows[use]


def mean_row(rows: Rows) -> np.ndarray:
    """Return the mean `(D,)` float64 of all rows, which are summed from the first to the last."""
    total = np.zeros(rows.shape[1])
    for block in row_blocks(rows):
        total = np.add.reduce(np.concatenate((total[None], block)), 0)
    return total / max(1, len(rows))
