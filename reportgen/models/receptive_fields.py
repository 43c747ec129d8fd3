"""Receptive fields, exactly, over the module graph: which input pixels a unit's position can see.

Along each axis the field of every position is an interval of input pixels. A convolution or pooling takes the union of
its taps' intervals, leaving out those that fall into the padding; branches take the union; what mixes all positions
sees the whole image. (Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill 2019, give
the closed form for one path; intervals also cover borders, odd sizes and branches of different shapes.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from torch import fx

from reportgen.models.locality import Adaptive, Global, Locality, Pointwise, Window, locality

NOTHING = (1 << 40, 0)
"""The interval of a position of padding alone, which sees no pixel: it adds nothing to a union."""


@dataclass(frozen=True)
class Axis:
    """One axis of a field.

    seen: `(n, 2)` int64, for each of the n output positions the half-open interval of input pixels inside the image,
    or `NOTHING`.
    reach: (stride, start, stop) in input pixels: without borders position i would see `[start, stop) + i * stride`;
    None where an operation sees the whole image.
    """

    seen: np.ndarray
    reach: tuple[int, int, int] | None

    @property
    def stride(self) -> float:
        """Input pixels between two neighbouring positions; of positions that see the whole image their share of it."""
        return float(self.seen[:, 1].max() / len(self.seen)) if self.reach is None else self.reach[0]


@dataclass(frozen=True)
class Field:
    """The receptive field of a layer, for one size of input."""

    rows: Axis
    columns: Axis

    def box(self, y: int, x: int) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in pixels of the network's input, half-open, of what position (y, x) sees."""
        (y0, y1), (x0, x1) = self.rows.seen[y].tolist(), self.columns.seen[x].tolist()
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else (0, 0, 0, 0)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width without borders; None: the whole image, whatever its size."""
        if self.rows.reach is None or self.columns.reach is None:
            return None
        return self.rows.reach[2] - self.rows.reach[1], self.columns.reach[2] - self.columns.reach[1]

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels between two neighbouring positions, down and across."""
        return self.rows.stride, self.columns.stride


def receptive_fields(graph: fx.GraphModule) -> dict[str, Field]:
    """The field of every node with maps `(N, …, h, w)`, by the node's name, for the input size it was traced with.

    graph: from `models.graph.trace` or cut from one: `meta["shape"]` tells every node's shape.
    """
    fields: dict[fx.Node, Field] = {}
    for node in graph.graph.nodes:
        shape = node.meta.get("shape")
        if node.op == "placeholder":
            fields[node] = Field(*(Axis(_each(n), (1, 0, 1)) for n in shape[-2:]))
            image = shape[-2:]
        sources = [fields[source] for source in node.all_input_nodes if source in fields]
        if not sources or node.op == "output":
            continue
        kind = locality(graph, node)
        if shape is None and not isinstance(kind, Pointwise):
            continue
        if shape is not None and len(shape) < 4:
            continue  # past the maps
        sides = shape[-2:] if shape else [len(sources[0].rows.seen), len(sources[0].columns.seen)]
        rows = _through(kind, [f.rows for f in sources], sides[0], image[0], 0)
        columns = _through(kind, [f.columns for f in sources], sides[1], image[1], 1)
        fields[node] = Field(rows, columns)
    return {node.name: field for node, field in fields.items()}


def _each(n: int) -> np.ndarray:
    return np.stack([np.arange(n), np.arange(n) + 1], 1)


def _through(kind: Locality, sources: Sequence[Axis], n: int, image: int, axis: int) -> Axis:
    """One axis of the field of a node with n positions whose sources have these fields."""
    if isinstance(kind, Global):
        return Axis(np.tile([0, image], (n, 1)), None)
    if isinstance(kind, Pointwise):
        return reduce(_union, sources)
    (source,) = sources
    if isinstance(kind, Adaptive):
        size = len(source.seen)
        first, last = np.arange(n) * size // n, -(-(np.arange(n) + 1) * size // n) - 1
        seen = np.stack([source.seen[first, 0], source.seen[last, 1]], 1)
        return Axis(seen, source.reach if n == size else None)
    return _window(source, n, kind, axis)


def _window(source: Axis, n: int, window: Window, axis: int) -> Axis:
    kernel, stride, padding, dilation = (
        pair[axis] for pair in (window.kernel, window.stride, window.padding, window.dilation)
    )
    size = len(source.seen)
    taps = np.arange(n)[:, None] * stride - padding + dilation * np.arange(kernel)
    inside = (taps >= 0) & (taps < size)
    reached = source.seen[np.clip(taps, 0, size - 1)]  # (n, kernel, 2)
    start = np.where(inside, reached[..., 0], NOTHING[0]).min(1)
    stop = np.where(inside, reached[..., 1], NOTHING[1]).max(1)
    seen = np.stack([start, stop], 1)
    if source.reach is None:
        return Axis(seen, None)
    step, first, last = source.reach
    return Axis(seen, (step * stride, first - padding * step, last + ((kernel - 1) * dilation - padding) * step))


def _union(a: Axis, b: Axis) -> Axis:
    """What either sees. A branch of one position (pooled over the image, as in squeeze-excite) is spread over all."""
    one, two = np.broadcast_arrays(a.seen, b.seen)
    seen = np.stack([np.minimum(one[:, 0], two[:, 0]), np.maximum(one[:, 1], two[:, 1])], 1)
    if a.reach is None or b.reach is None or a.reach[0] != b.reach[0]:
        return Axis(seen, None)
    return Axis(seen, (a.reach[0], min(a.reach[1], b.reach[1]), max(a.reach[2], b.reach[2])))
