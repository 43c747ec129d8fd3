"""Occlusion without computing again what the square cannot change: exact, and several times as fast as the definition.

What a square changes is a small window of each map. Layer by layer only that window is computed, for all squares of a
group at once: the window's input is put together from the changed window of the layer before and, around it, the maps
of the whole image; then the layer runs on it without padding. A group's windows of one layer have one size, so squares
are grouped by how much they change, which differs near the borders and with the places of strides. From the layer on
where windows would cover most of the map, whole maps are computed, as they are behind anything that mixes positions
(squeeze-excite, attention). After Krypton's incremental inference (Nakandala, Kumar and Papakonstantinou, SIGMOD 2019,
section 3), over any module graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.methods.occlusion.definition import Squares
from reportgen.methods.occlusion.windows import Windows, before, gather, lay, whole
from reportgen.models.folding import fused
from reportgen.models.locality import Locality, Pointwise, Window, locality

WHOLE = 0.8
"""Share of a map from which on it is computed whole: the copying around larger windows costs more than it saves."""
BAND = 5
"""Rows of the square's places, and columns of them, that make a group."""
Spans = tuple[np.ndarray, np.ndarray]
"""Along one axis of a map, for each place of the square along that axis: the first position that it changes, and the
position behind the last."""


class Incremental:
    """A trunk prepared for occlusion. Errors: TypeError for a trunk that is no graph.

    trunk: a traced module with `meta["shape"]` on its nodes; convolutions and batch normalisations behind them are
    fused in a copy, so results differ from the trunk's by rounding.
    cap: share of a map's side that windows grow to at most. Below 1 what lies farther from the square is taken to stay
    as it is, so that the result is approximate (Krypton's projective field thresholding, section 4.1).
    dtype: what the trunk computes in; its maps are float32 again.
    """

    def __init__(self, trunk: nn.Module, cap: float = 1.0, dtype: torch.dtype = torch.float32) -> None:
        if not isinstance(trunk, fx.GraphModule):
            raise TypeError("incremental occlusion needs a traced network")
        graph = fused(trunk).to(dtype)
        assert isinstance(graph, fx.GraphModule)
        self.graph = graph
        self.cap, self.dtype = cap, dtype
        self._runner = fx.Interpreter(self.graph)
        self.nodes = list(self.graph.graph.nodes)
        self.output = self.nodes[-1].all_input_nodes[0]
        self.kinds: dict[fx.Node, Locality] = {node: locality(self.graph, node) for node in self.nodes}
        self._last_use = {source: node for node in self.nodes for source in node.all_input_nodes}
        self._spans: dict[Squares, dict[fx.Node, tuple[Spans, Spans] | None]] = {}
        self._clean: dict[fx.Node, Any] = {}
        self._canvases: dict[tuple[fx.Node, Any], Tensor] = {}
        self._image: Tensor | None = None

    def groups(self, squares: Squares, places: Tensor) -> list[Tensor]:
        """The places (indices into `squares.corners`) in groups whose windows are about as large."""
        at = np.array(divmod(places.numpy(), len(squares.columns)))
        spans = [found for found in self.spans(squares).values() if found]
        ranks = []
        for axis in (0, 1):
            changed = np.sum([found[axis][1] - found[axis][0] for found in spans], axis=0)
            ranks.append(np.argsort(np.argsort(changed, kind="stable"), kind="stable")[at[axis]])
        bands = ranks[0] // BAND
        order = np.lexsort((ranks[0], ranks[1], bands))
        cuts = np.flatnonzero(np.diff(bands[order])) + 1
        return [group for band in np.split(order, cuts) for group in places[torch.from_numpy(band)].split(BAND**2)]

    def maps(self, image: Tensor, squares: Squares, places: Tensor) -> Tensor:
        """The last maps `(P, C, h, w)` of the image `(1, C, H, W)` with the square at each of these places."""
        if image is not self._image:
            self._clean = self._whole(image.to(self.dtype, memory_format=torch.channels_last))
            self._image, self._canvases = image, {}
        windows = self.windows(squares, places)
        values: dict[fx.Node, Any] = {}
        for node in self.nodes:
            if node not in windows:  # does not depend on the image, or is the output
                values[node] = self._clean.get(node)
            elif node.op == "placeholder":
                colour = torch.tensor(squares.fill, dtype=self.dtype, device=image.device)[:, None, None]
                window = colour.expand(len(places), -1, squares.side, squares.side)
                values[node] = window.contiguous(memory_format=torch.channels_last)
            else:
                values[node] = self._run(node, windows, values)
            for source in node.all_input_nodes:
                if self._last_use[source] is node and source is not self.output:
                    values.pop(source, None)
        maps = self._spread(self.output, windows[self.output], None, values)
        assert isinstance(maps, Tensor)
        return maps.float()

    def spans(self, squares: Squares) -> dict[fx.Node, tuple[Spans, Spans] | None]:
        """For each node that depends on the image what the square changes along the rows and the columns of its map;
        None: all of it."""
        if squares in self._spans:
            return self._spans[squares]
        found: dict[fx.Node, tuple[Spans, Spans] | None] = {}
        for node in self.nodes[:-1]:
            if node.op == "placeholder":
                rows, columns = np.array(squares.rows), np.array(squares.columns)
                found[node] = (rows, rows + squares.side), (columns, columns + squares.side)
                continue
            sources = [source for source in node.all_input_nodes if source in found]
            if sources:
                reached = [found[source] for source in sources]
                found[node] = self._reached(self.kinds[node], reached, _sides(node) or _sides(*sources))
        self._spans[squares] = found
        return found

    def windows(self, squares: Squares, places: Tensor) -> dict[fx.Node, Windows | None]:
        """For each node that depends on the image the windows that hold what these squares change; None: whole maps."""
        row, column = divmod(places.numpy(), len(squares.columns))
        made: dict[fx.Node, Windows | None] = {}
        for node, spans in self.spans(squares).items():
            made[node] = None
            sources = [source for source in node.all_input_nodes if source in made]
            sides = _sides(node) or _sides(*sources)
            if spans is None or sides is None or any(made[source] is None for source in sources):
                continue
            rows, columns = ((first[at], stop[at]) for (first, stop), at in zip(spans, (row, column), strict=True))
            height, width = (max(1, int((stop - first).max())) for first, stop in (rows, columns))
            if not sources or height * width < WHOLE * sides[0] * sides[1]:
                starts = (np.minimum(rows[0], sides[0] - height), np.minimum(columns[0], sides[1] - width))
                made[node] = Windows(*starts, height, width)
        return made

    def work(self, squares: Squares, places: Tensor) -> float:
        """See `Way`: 1 saves nothing."""
        done = plain = 0.0
        for group in self.groups(squares, places):
            for node, windows in self.windows(squares, group).items():
                weight = getattr(getattr(self.kinds[node], "run", None), "keywords", {}).get("weight")
                if weight is not None and (sides := _sides(node)):
                    multiplications = len(group) * weight.numel()
                    plain += multiplications * sides[0] * sides[1]
                    area = windows.height * windows.width if windows else sides[0] * sides[1]
                    done += multiplications * area * self.cost(node)
        return done / plain if plain else 1.0

    def cost(self, node: fx.Node) -> float:
        """Of a multiplication in this convolution, relative to one in float32."""
        return 1.0

    def _reached(
        self, kind: Locality, sources: Sequence[tuple[Spans, Spans] | None], sides: tuple[int, int] | None
    ) -> tuple[Spans, Spans] | None:
        """What of an operation's output, on maps of these sides, is changed where its inputs are changed there."""
        found = [spans for spans in sources if spans is not None]
        if len(found) < len(sources) or sides is None or not isinstance(kind, Window | Pointwise):
            return None
        axes = []
        for axis, side in enumerate(sides):
            first = np.min([spans[axis][0] for spans in found], axis=0)
            stop = np.max([spans[axis][1] for spans in found], axis=0)
            if isinstance(kind, Window):
                k, s, p, d = (pair[axis] for pair in (kind.kernel, kind.stride, kind.padding, kind.dilation))
                first = np.maximum(-(((k - 1) * d - first - p) // s), 0)
                stop = np.minimum((stop - 1 + p) // s + 1, side)
            over = np.maximum(stop - first - math.ceil(self.cap * side), 0)
            axes.append((first + over // 2, stop - (over + 1) // 2))
        return axes[0], axes[1]

    def _run(self, node: fx.Node, windows: dict[fx.Node, Windows | None], values: dict[fx.Node, Any]) -> Any:
        """The node's value inside its windows."""
        kind, here = self.kinds[node], windows[node]
        if isinstance(kind, Window) and here is not None:
            (source,) = (s for s in node.all_input_nodes if s in windows)
            return kind.run(self._spread(source, windows[source], before(here, kind), values, node))

        def argument(source: fx.Node) -> Any:
            return self._spread(source, windows[source], here, values) if source in windows else values[source]

        return self._call(node, argument)

    def _call(self, node: fx.Node, argument: Callable[[fx.Node], Any]) -> Any:
        args, kwargs = fx.map_arg(node.args, argument), fx.map_arg(node.kwargs, argument)
        return getattr(self._runner, node.op)(node.target, args, kwargs)

    def _whole(self, image: Tensor) -> dict[fx.Node, Any]:
        """Every node's value for the whole image."""
        values: dict[fx.Node, Any] = {}
        for node in self.nodes[:-1]:
            values[node] = image if node.op == "placeholder" else self._call(node, values.__getitem__)
        return values

    def _spread(
        self,
        node: fx.Node,
        have: Windows | None,
        want: Windows | None,
        values: dict[fx.Node, Any],
        reader: fx.Node | None = None,
    ) -> Any:
        """The node's value in other windows (None: the whole map): around what has changed, the clean map.

        reader: the convolution or pooling that looks at them; they reach over the map's border as far as it pads.
        """
        value = values[node]
        if not isinstance(value, Tensor) or have is None or (want is not None and want.same_as(have)):
            return value
        want = want or whole(len(value), *self._clean[node].shape[-2:])
        canvas, top, left = self._canvas(node, reader)
        return lay(value, have, gather(canvas, want, top, left), want)

    def _canvas(self, node: fx.Node, reader: fx.Node | None) -> tuple[Tensor, int, int]:
        """The node's clean maps `(1, C, h, w)`, channels last, with the reader's padding around them; and how much of
        it is above and on the left."""
        kind = self.kinds[reader] if reader else None
        top, left = kind.padding if isinstance(kind, Window) else (0, 0)
        if (node, reader) not in self._canvases:
            canvas = self._clean[node]
            if reader and isinstance(kind, Window) and (sides := _sides(reader)):
                seen = before(whole(1, *sides), kind)
                below, right = seen.height - top - canvas.shape[-2], seen.width - left - canvas.shape[-1]
                canvas = F.pad(canvas, (left, max(right, 0), top, max(below, 0)), value=kind.fill)
            self._canvases[node, reader] = canvas.contiguous(memory_format=torch.channels_last)
        return self._canvases[node, reader], top, left


def _sides(*nodes: fx.Node) -> tuple[int, int] | None:
    for node in nodes:
        shape = node.meta.get("shape")
        if shape is not None and len(shape) >= 4:
            return shape[-2], shape[-1]
    return None
