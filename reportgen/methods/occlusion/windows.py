"""Windows of feature maps: reading and writing the parts of a map that several squares change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from reportgen.models.locality import SlidingWindow


@dataclass(frozen=True)
class Windows:
    """The windows of P squares on a map, all of one size. rows, columns: upper and left edges `(P,)`."""

    rows: np.ndarray
    columns: np.ndarray
    height: int
    width: int

    def same_as(self, other: Windows) -> bool:
        """Whether two sets of windows are equal."""
        return (self.height, self.width) == (other.height, other.width) and all(
            np.array_equal(a, b) for a, b in ((self.rows, other.rows), (self.columns, other.columns))
        )


def whole_map(p: int, height: int, width: int) -> Windows:
    """Return P windows that cover the whole map."""
    return Windows(np.zeros(p, np.int64), np.zeros(p, np.int64), height, width)


def input_windows(windows: Windows, operation: SlidingWindow) -> Windows:
    """Return the windows of an operation's input that these windows of its output depend on."""
    first = [
        edge * s - p
        for edge, s, p in zip((windows.rows, windows.columns), operation.stride, operation.padding, strict=True)
    ]
    sides = (windows.height, windows.width)
    extent = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(sides, operation.stride, operation.kernel, operation.dilation, strict=True)
    ]
    return Windows(first[0], first[1], extent[0], extent[1])


def gather(canvas: Tensor, windows: Windows, top: int = 0, left: int = 0) -> Tensor:
    """Return the contents of the windows `(P, C, height, width)`.

    canvas: `(1, C, h, w)`, channels last: the map with `top` rows of padding above it and `left` columns on its left.
    """
    rows, columns = _ranges(windows.rows + top, windows.height), _ranges(windows.columns + left, windows.width)
    index = torch.from_numpy((rows * canvas.shape[-1])[:, :, None] + columns[:, None, :])
    table = canvas.permute(0, 2, 3, 1).flatten(0, 2)
    values: Tensor = table.index_select(0, index.flatten().to(table.device)).unflatten(0, index.shape)
    return values.permute(0, 3, 1, 2)


def paste(values: Tensor, source: Windows, target_values: Tensor, target: Windows) -> Tensor:
    """Write the values of some windows over those of others where they overlap. Return the latter."""
    for squares, y, x in _equal_offsets(source.rows - target.rows, source.columns - target.columns):
        part = target_values[squares, :, max(y, 0) : max(y + source.height, 0), max(x, 0) : max(x + source.width, 0)]
        height, width = part.shape[-2:]
        part.copy_(values[squares, :, max(-y, 0) : max(-y, 0) + height, max(-x, 0) : max(-x, 0) + width])
    return target_values


def _ranges(start: np.ndarray, n: int) -> np.ndarray:
    """`(P,)` → `(P, n)`: n consecutive integers from each start."""
    ranges: np.ndarray = start[:, None] + np.arange(n)
    return ranges


def _equal_offsets(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[slice, int, int]]:
    """Yield runs of consecutive squares with equal offsets `(P,)`, and these offsets."""
    offsets = np.stack((rows, columns))
    starts = np.flatnonzero(np.diff(offsets, prepend=np.inf).any(0)).tolist()
    for start, stop in pairwise([*starts, offsets.shape[1]]):
        yield slice(start, stop), int(offsets[0, start]), int(offsets[1, start])
