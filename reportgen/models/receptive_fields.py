"""Exact receptive fields of all nodes of a traced network.

Along each axis the receptive field of a position is an interval of input pixels. A convolution or pooling takes the
union of the intervals of its taps, without those in the padding; branches take the union; an operation that mixes all
positions depends on the whole image. (Araujo et al., Computing Receptive Fields of Convolutional Neural Networks,
Distill 2019, give the closed form for one path. Intervals also cover borders, odd sizes and branches.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from torch import fx

from reportgen.models.locality import AdaptivePooling, Global, Locality, Pointwise, SlidingWindow, locality

EMPTY_INTERVAL = (1 << 40, 0)
"""Interval of a position that depends on padding only: it adds nothing to a union."""


@dataclass(frozen=True)
class Axis:
    """One axis of a receptive field.

    intervals: `(n, 2)` int64, for each of the n output positions the half-open interval of input pixels inside the
        image, or `EMPTY_INTERVAL`.
    unbounded: (stride, start, stop) in input pixels: without borders, position i would depend on
        `[start, stop) + i * stride`; None if an operation depends on the whole image.
    """

    intervals: np.ndarray
    unbounded: tuple[int, int, int] | None

    @property
    def stride(self) -> float:
        """Input pixels between neighbouring positions; the image's size divided by n if `unbounded` is None."""
        return float(self.intervals[:, 1].max() / len(self.intervals)) if self.unbounded is None else self.unbounded[0]


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of a layer, for one input size."""

    rows: Axis
    columns: Axis

    def box(self, y: int, x: int) -> tuple[int, int, int, int]:
        """Return x0, y0, x1, y1 of position (y, x), half-open, in pixels of the network's input."""
        (y0, y1), (x0, x1) = self.rows.intervals[y].tolist(), self.columns.intervals[x].tolist()
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else (0, 0, 0, 0)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width without borders, or None for the whole image."""
        if self.rows.unbounded is None or self.columns.unbounded is None:
            return None
        return self.rows.unbounded[2] - self.rows.unbounded[1], self.columns.unbounded[2] - self.columns.unbounded[1]

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels between neighbouring positions, down and across."""
        return self.rows.stride, self.columns.stride


def receptive_fields(graph: fx.GraphModule) -> dict[str, ReceptiveField]:
    """Return the receptive field of every node with output `(N, …, h, w)`, by the node's name.

    graph: from `models.graph.trace` or cut from one; the fields hold for the input size of the trace. What was reshaped
    to fewer dimensions on the way, such as tokens, is taken to depend on the whole image.
    """
    fields: dict[fx.Node, ReceptiveField] = {}
    reshaped: set[fx.Node] = set()
    for node in graph.graph.nodes:
        shape = node.meta.get("shape")
        if node.op == "placeholder":
            fields[node] = ReceptiveField(*(Axis(_single_pixels(n), (1, 0, 1)) for n in shape[-2:]))
            image = shape[-2:]
            continue
        if node.op == "output":
            break
        sources = [fields[source] for source in node.all_input_nodes if source in fields]
        is_reshaped = any(source in reshaped for source in node.all_input_nodes)
        if (not sources and not is_reshaped) or not node.meta["has_tensors"]:
            continue
        kind = Global() if is_reshaped else locality(graph, node)
        is_tuple = shape is None and isinstance(kind, Pointwise)  # of `chunk`, whose parts have the shape of its input
        if not is_tuple and (shape is None or len(shape) < 4):
            reshaped.add(node)
            continue
        sides = shape[-2:] if shape else [len(sources[0].rows.intervals), len(sources[0].columns.intervals)]
        rows = _through(kind, [f.rows for f in sources], sides[0], image[0], 0)
        columns = _through(kind, [f.columns for f in sources], sides[1], image[1], 1)
        fields[node] = ReceptiveField(rows, columns)
    return {node.name: field for node, field in fields.items()}


def _single_pixels(n: int) -> np.ndarray:
    return np.stack([np.arange(n), np.arange(n) + 1], 1)


def _through(kind: Locality, sources: Sequence[Axis], n: int, image: int, axis: int) -> Axis:
    """Return one axis of the field of a node with n positions. sources: the same axis of its inputs."""
    if isinstance(kind, Global):
        return Axis(np.tile([0, image], (n, 1)), None)
    if isinstance(kind, Pointwise):
        return reduce(_union, sources)
    (source,) = sources
    if isinstance(kind, AdaptivePooling):
        size = len(source.intervals)
        first, last = np.arange(n) * size // n, -(-(np.arange(n) + 1) * size // n) - 1
        intervals = np.stack([source.intervals[first, 0], source.intervals[last, 1]], 1)
        return Axis(intervals, source.unbounded if n == size else None)
    return _window(source, n, kind, axis)


def _window(source: Axis, n: int, window: SlidingWindow, axis: int) -> Axis:
    kernel, stride, padding, dilation = (
        pair[axis] for pair in (window.kernel, window.stride, window.padding, window.dilation)
    )
    size = len(source.intervals)
    taps = np.arange(n)[:, None] * stride - padding + dilation * np.arange(kernel)
    inside = (taps >= 0) & (taps < size)
    reached = source.intervals[np.clip(taps, 0, size - 1)]  # (n, kernel, 2)
    start = np.where(inside, reached[..., 0], EMPTY_INTERVAL[0]).min(1)
    stop = np.where(inside, reached[..., 1], EMPTY_INTERVAL[1]).max(1)
    intervals = np.stack([start, stop], 1)
    if source.unbounded is None:
        return Axis(intervals, None)
    step, first, last = source.unbounded
    return Axis(intervals, (step * stride, first - padding * step, last + ((kernel - 1) * dilation - padding) * step))


def _union(a: Axis, b: Axis) -> Axis:
    """Return the union of two branches. A branch of one position, pooled as in squeeze-excite, is repeated for all."""
    one, two = np.broadcast_arrays(a.intervals, b.intervals)
    intervals = np.stack([np.minimum(one[:, 0], two[:, 0]), np.maximum(one[:, 1], two[:, 1])], 1)
    if a.unbounded is None or b.unbounded is None or a.unbounded[0] != b.unbounded[0]:
        return Axis(intervals, None)
    return Axis(intervals, (a.unbounded[0], min(a.unbounded[1], b.unbounded[1]), max(a.unbounded[2], b.unbounded[2])))
