"""Incremental occlusion: the exact results, computed several times as fast as by the definition.

A square changes only a small window of each feature map. Layer by layer only that window is computed, for all squares
of a batch at once: its input is the changed window of the layer before, surrounded by the maps of the image without a
square; then the layer runs on it without padding. The windows of a batch have one size in each layer, so squares are
batched by how much they change, which differs near the borders and with the strides. Where windows would cover most of
the map, and after operations that mix positions (squeeze-excite, attention), whole maps are computed.

Source: incremental inference of Krypton (Nakandala, Kumar and Papakonstantinou, SIGMOD 2019, section 3), here for any
traced network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.methods.occlusion.definition import SquareGrid
from reportgen.methods.occlusion.windows import Windows, gather, input_windows, paste, whole_map
from reportgen.models.folding import fold
from reportgen.models.locality import Locality, Pointwise, SlidingWindow, locality

WHOLE_MAP_SHARE = 0.8
"""Share of a map from which on all of it is computed: copying larger windows costs more than it saves."""
BAND_SIZE = 5
"""Number of rows of positions, and of columns, that make a batch."""
Spans = tuple[np.ndarray, np.ndarray]
"""Along one axis of a map and for each position of the square along this axis: the half-open interval that changes."""


class IncrementalOcclusion:
    """Computes feature maps of occluded images incrementally; see `OcclusionBackend`."""

    def __init__(self, trunk: nn.Module, cap: float = 1.0, dtype: torch.dtype = torch.float32) -> None:
        """Prepare a trunk.

        trunk: a traced module with `meta["shape"]` on its nodes. A folded copy is used, so results differ by rounding.
        cap: largest side of windows, as a share of the map's side. Below 1 the result is approximate: changes farther
            from the square are neglected (Krypton's projective field thresholding, section 4.1).
        dtype: of the computation; the feature maps are returned in float32.
        Errors: TypeError for a trunk that is not traced.
        """
        if not isinstance(trunk, fx.GraphModule):
            raise TypeError("incremental occlusion needs a traced network")
        graph = fold(trunk).to(dtype)
        assert isinstance(graph, fx.GraphModule)
        self.graph = graph
        self.cap, self.dtype = cap, dtype
        self._interpreter = fx.Interpreter(self.graph)
        self.nodes = list(self.graph.graph.nodes)
        self.output = self.nodes[-1].all_input_nodes[0]
        self.localities: dict[fx.Node, Locality] = {node: locality(self.graph, node) for node in self.nodes}
        self._last_use = {source: node for node in self.nodes for source in node.all_input_nodes}
        self._spans: dict[SquareGrid, dict[fx.Node, tuple[Spans, Spans] | None]] = {}
        self._clean: dict[fx.Node, Any] = {}
        self._canvases: dict[tuple[fx.Node, Any], Tensor] = {}
        self._image: Tensor | None = None

    def batches(self, grid: SquareGrid, positions: Tensor) -> list[Tensor]:
        """Divide the positions into batches whose windows have similar sizes."""
        at = np.array(divmod(positions.numpy(), len(grid.columns)))
        spans = [span for span in self.spans(grid).values() if span]
        ranks = []
        for axis in (0, 1):
            changed = np.sum([span[axis][1] - span[axis][0] for span in spans], axis=0)
            ranks.append(np.argsort(np.argsort(changed, kind="stable"), kind="stable")[at[axis]])
        bands = ranks[0] // BAND_SIZE
        order = np.lexsort((ranks[0], ranks[1], bands))
        cuts = np.flatnonzero(np.diff(bands[order])) + 1
        return [
            batch
            for band in np.split(order, cuts)
            for batch in torch.split(positions[torch.from_numpy(band)], BAND_SIZE**2)
        ]

    def feature_maps(self, image: Tensor, grid: SquareGrid, positions: Tensor) -> Tensor:
        """Return feature maps `(P, C, h, w)` of the image `(1, C, H, W)` with the square at each of the positions."""
        if image is not self._image:
            self._clean = self._run_clean(image.to(self.dtype, memory_format=torch.channels_last))
            self._image, self._canvases = image, {}
        windows = self.windows(grid, positions)
        values: dict[fx.Node, Any] = {}
        for node in self.nodes:
            if node not in windows:  # does not depend on the image, or is the output
                values[node] = self._clean.get(node)
            elif node.op == "placeholder":
                colour = torch.tensor(grid.fill, dtype=self.dtype, device=image.device)[:, None, None]
                window = colour.expand(len(positions), -1, grid.side, grid.side)
                values[node] = window.contiguous(memory_format=torch.channels_last)
            else:
                values[node] = self._run_node(node, windows, values)
            for source in node.all_input_nodes:
                if self._last_use[source] is node and source is not self.output:
                    values.pop(source, None)
        maps = self._in_windows(self.output, windows[self.output], None, values)
        assert isinstance(maps, Tensor)
        return maps.float()

    def spans(self, grid: SquareGrid) -> dict[fx.Node, tuple[Spans, Spans] | None]:
        """Return the spans of each node that depends on the image, along rows and columns; None: everything changes."""
        if grid in self._spans:
            return self._spans[grid]
        spans: dict[fx.Node, tuple[Spans, Spans] | None] = {}
        for node in self.nodes[:-1]:
            if node.op == "placeholder":
                rows, columns = np.array(grid.rows), np.array(grid.columns)
                spans[node] = (rows, rows + grid.side), (columns, columns + grid.side)
                continue
            sources = [source for source in node.all_input_nodes if source in spans]
            if sources:
                changed = [spans[source] for source in sources]
                spans[node] = self._output_spans(self.localities[node], changed, _sides(node) or _sides(*sources))
        self._spans[grid] = spans
        return spans

    def windows(self, grid: SquareGrid, positions: Tensor) -> dict[fx.Node, Windows | None]:
        """Return, for each node that depends on the image, windows with all changes; None: whole maps."""
        row, column = divmod(positions.numpy(), len(grid.columns))
        windows: dict[fx.Node, Windows | None] = {}
        for node, spans in self.spans(grid).items():
            windows[node] = None
            sources = [source for source in node.all_input_nodes if source in windows]
            sides = _sides(node) or _sides(*sources)
            if spans is None or sides is None or any(windows[source] is None for source in sources):
                continue
            rows, columns = ((first[at], stop[at]) for (first, stop), at in zip(spans, (row, column), strict=True))
            height, width = (max(1, int((stop - first).max())) for first, stop in (rows, columns))
            if not sources or height * width < WHOLE_MAP_SHARE * sides[0] * sides[1]:
                starts = (np.minimum(rows[0], sides[0] - height), np.minimum(columns[0], sides[1] - width))
                windows[node] = Windows(*starts, height, width)
        return windows

    def relative_cost(self, grid: SquareGrid, positions: Tensor) -> float:
        """Return the cost of the convolutions for these positions, relative to that of `DirectOcclusion`."""
        cost = direct_cost = 0.0
        for batch in self.batches(grid, positions):
            for node, windows in self.windows(grid, batch).items():
                weight = getattr(getattr(self.localities[node], "run", None), "keywords", {}).get("weight")
                if weight is not None and (sides := _sides(node)):
                    multiplications = len(batch) * weight.numel()
                    direct_cost += multiplications * sides[0] * sides[1]
                    area = windows.height * windows.width if windows else sides[0] * sides[1]
                    cost += multiplications * area * self.multiplication_cost(node)
        return cost / direct_cost if direct_cost else 1.0

    def multiplication_cost(self, node: fx.Node) -> float:
        """Return the cost of a multiplication in this convolution, relative to one in float32."""
        return 1.0

    def _output_spans(
        self, operation: Locality, sources: Sequence[tuple[Spans, Spans] | None], sides: tuple[int, int] | None
    ) -> tuple[Spans, Spans] | None:
        """Return the spans of an operation's output. sources: of its inputs; sides: height and width of the output."""
        known = [spans for spans in sources if spans is not None]
        if len(known) < len(sources) or sides is None or not isinstance(operation, SlidingWindow | Pointwise):
            return None
        axes = []
        for axis, side in enumerate(sides):
            first = np.min([spans[axis][0] for spans in known], axis=0)
            stop = np.max([spans[axis][1] for spans in known], axis=0)
            if isinstance(operation, SlidingWindow):
                pairs = (operation.kernel, operation.stride, operation.padding, operation.dilation)
                k, s, p, d = (pair[axis] for pair in pairs)
                first = np.maximum(-(((k - 1) * d - first - p) // s), 0)
                stop = np.minimum((stop - 1 + p) // s + 1, side)
            excess = np.maximum(stop - first - math.ceil(self.cap * side), 0)
            axes.append((first + excess // 2, stop - (excess + 1) // 2))
        return axes[0], axes[1]

    def _run_node(self, node: fx.Node, windows: dict[fx.Node, Windows | None], values: dict[fx.Node, Any]) -> Any:
        """Return the node's value inside its windows."""
        operation, own = self.localities[node], windows[node]
        if isinstance(operation, SlidingWindow) and own is not None:
            (source,) = (s for s in node.all_input_nodes if s in windows)
            return operation.run(self._in_windows(source, windows[source], input_windows(own, operation), values, node))

        def argument(source: fx.Node) -> Any:
            return self._in_windows(source, windows[source], own, values) if source in windows else values[source]

        return self._call(node, argument)

    def _call(self, node: fx.Node, argument: Callable[[fx.Node], Any]) -> Any:
        args, kwargs = fx.map_arg(node.args, argument), fx.map_arg(node.kwargs, argument)
        return getattr(self._interpreter, node.op)(node.target, args, kwargs)

    def _run_clean(self, image: Tensor) -> dict[fx.Node, Any]:
        """Return every node's value for the image without a square."""
        values: dict[fx.Node, Any] = {}
        for node in self.nodes[:-1]:
            values[node] = image if node.op == "placeholder" else self._call(node, values.__getitem__)
        return values

    def _in_windows(
        self,
        node: fx.Node,
        source: Windows | None,
        target: Windows | None,
        values: dict[fx.Node, Any],
        user: fx.Node | None = None,
    ) -> Any:
        """Return the node's value, known in the windows `source`, in the windows `target` (None: the whole map).

        Outside of `source` it is that of the image without a square.
        user: the convolution or pooling that reads the value; `target` may extend over the map's border by its padding.
        """
        value = values[node]
        if not isinstance(value, Tensor) or source is None or (target is not None and target.same_as(source)):
            return value
        target = target or whole_map(len(value), *self._clean[node].shape[-2:])
        canvas, top, left = self._canvas(node, user)
        return paste(value, source, gather(canvas, target, top, left), target)

    def _canvas(self, node: fx.Node, user: fx.Node | None) -> tuple[Tensor, int, int]:
        """Return the node's clean maps `(1, C, h, w)`, channels last, with the padding of `user`, and how many rows and
        columns of it are above and on the left."""
        operation = self.localities[user] if user else None
        top, left = operation.padding if isinstance(operation, SlidingWindow) else (0, 0)
        if (node, user) not in self._canvases:
            canvas = self._clean[node]
            if user and isinstance(operation, SlidingWindow) and (sides := _sides(user)):
                read = input_windows(whole_map(1, *sides), operation)
                below, right = read.height - top - canvas.shape[-2], read.width - left - canvas.shape[-1]
                canvas = F.pad(canvas, (left, max(right, 0), top, max(below, 0)), value=operation.fill)
            self._canvases[node, user] = canvas.contiguous(memory_format=torch.channels_last)
        return self._canvases[node, user], top, left


def _sides(*nodes: fx.Node) -> tuple[int, int] | None:
    """Return height and width of the first node with output `(N, C, h, w)`."""
    for node in nodes:
        shape = node.meta.get("shape")
        if shape is not None and len(shape) >= 4:
            return shape[-2], shape[-1]
    return None
