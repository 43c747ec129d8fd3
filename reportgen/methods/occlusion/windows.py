"""Windows of maps: what of them a square changes, and how windows of several squares are put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from reportgen.models.locality import Window


@dataclass(frozen=True)
class Windows:
    """Where the windows of P squares lie on a map: upper edges, left edges `(P,)`, height and width."""

    rows: np.ndarray
    columns: np.ndarray
    height: int
    width: int

    def same_as(self, other: Windows) -> bool:
        return (self.height, self.width) == (other.height, other.width) and all(
            np.array_equal(a, b) for a, b in ((self.rows, other.rows), (self.columns, other.columns))
        )


def whole(p: int, height: int, width: int) -> Windows:
    """P windows that are the whole map."""
    return Windows(np.zeros(p, np.int64), np.zeros(p, np.int64), height, width)


def before(windows: Windows, kind: Window) -> Windows:
    """The windows of its input that an operation looks at, to give these of its output."""
    first = [w * s - p for w, s, p in zip((windows.rows, windows.columns), kind.stride, kind.padding, strict=True)]
    extent = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip((windows.height, windows.width), kind.stride, kind.kernel, kind.dilation, strict=True)
    ]
    return Windows(first[0], first[1], extent[0], extent[1])


def gather(canvas: Tensor, windows: Windows, top: int = 0, left: int = 0) -> Tensor:
    """What the windows show of a map, `(P, C, height, width)`.

    canvas: `(1, C, h, w)`, channels last, with so much around the map above it and on its left.
    """
    rows, columns = _line(windows.rows + top, windows.height), _line(windows.columns + left, windows.width)
    index = torch.from_numpy((rows * canvas.shape[-1])[:, :, None] + columns[:, None, :])
    table = canvas.permute(0, 2, 3, 1).flatten(0, 2)
    return table.index_select(0, index.flatten().to(table.device)).unflatten(0, index.shape).permute(0, 3, 1, 2)


def lay(value: Tensor, have: Windows, into: Tensor, want: Windows) -> Tensor:
    """Writes the values of some windows over those of others, where they overlap. Returns the latter."""
    for some, y, x in _runs(have.rows - want.rows, have.columns - want.columns):
        part = into[some, :, max(y, 0) : max(y + have.height, 0), max(x, 0) : max(x + have.width, 0)]
        height, width = part.shape[-2:]
        part.copy_(value[some, :, max(-y, 0) : max(-y, 0) + height, max(-x, 0) : max(-x, 0) + width])
    return into


def _line(start: np.ndarray, n: int) -> np.ndarray:
    """`(P,)` → `(P, n)`: n consecutive numbers from each start."""
    return start[:, None] + np.arange(n)


def _runs(*offsets: np.ndarray) -> Iterator[tuple[slice, int, int]]:
    """The stretches of squares whose offsets `(P,)` are the same, with these offsets."""
    both = np.stack(offsets)
    starts = np.flatnonzero(np.diff(both, prepend=np.inf).any(0)).tolist()
    for start, stop in pairwise([*starts, both.shape[1]]):
        yield slice(start, stop), int(both[0, start]), int(both[1, start])
