"""Occlusion without computing again what the square cannot change: exact, and several times as fast as the definition.

What a square changes is a small window of each map. Layer by layer only that window is computed, for all squares of a
batch at once: the window's input is put together from the changed window of the layer before and, around it, the maps
of the whole image; then the layer runs on it without padding. Windows of one layer have one size, so near a border they
are moved inwards. From the layer on where windows would cover most of the map, whole maps are computed, as they are
behind anything that mixes positions (squeeze-excite, attention). After Krypton's incremental inference (Nakandala,
Kumar and Papakonstantinou, SIGMOD 2019, section 3), over any module graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from reportgen.attribution.occlusion import Squares
from reportgen.models.fused import fused
from reportgen.models.locality import Locality, Pointwise, Window, locality

WHOLE = 0.8
"""Share of a map from which on it is computed whole: the copying around larger windows costs more than it saves."""


@dataclass(frozen=True)
class Windows:
    """Where the changed windows of P squares lie on a map: upper edges, left edges `(P,)`, height and width."""

    rows: Tensor
    columns: Tensor
    height: int
    width: int

    def same_as(self, other: Windows) -> bool:
        return (self.height, self.width) == (other.height, other.width) and all(
            torch.equal(a, b) for a, b in ((self.rows, other.rows), (self.columns, other.columns))
        )


class Incremental:
    """A trunk prepared for occlusion. Errors: TypeError for a trunk that is no graph.

    trunk: a traced module with `meta["shape"]` on its nodes; convolutions and batch normalisations behind them are
    fused in a copy, so results differ from the trunk's by rounding.
    """

    def __init__(self, trunk: nn.Module) -> None:
        if not isinstance(trunk, fx.GraphModule):
            raise TypeError("incremental occlusion needs a traced network")
        self.graph = fused(trunk)
        self._runner = fx.Interpreter(self.graph)
        self.nodes = list(self.graph.graph.nodes)
        self.output = self.nodes[-1].all_input_nodes[0]
        self.kinds: dict[fx.Node, Locality] = {node: locality(self.graph, node) for node in self.nodes}
        self._last_use = {source: node for node in self.nodes for source in node.all_input_nodes}
        self._clean: dict[fx.Node, Any] = {}
        self._image: Tensor | None = None

    def maps(self, image: Tensor, squares: Squares, corners: Tensor) -> Tensor:
        """The last maps `(P, C, h, w)` of the image `(1, C, H, W)` with the square at each of the corners `(P, 2)`."""
        if image is not self._image:
            self._clean, self._image = self._whole(image.to(memory_format=torch.channels_last)), image
        places = self.plan(squares.side, corners)
        values: dict[fx.Node, Any] = {}
        for node in self.nodes:
            if node not in places:  # does not depend on the image, or is the output
                values[node] = self._clean.get(node)
            elif node.op == "placeholder":
                colour = torch.tensor(squares.fill, dtype=image.dtype, device=image.device)[:, None, None]
                window = colour.expand(-1, squares.side, squares.side)
                values[node] = window.expand(len(corners), -1, -1, -1).contiguous(memory_format=torch.channels_last)
            else:
                values[node] = self._run(node, places, values)
            for source in node.all_input_nodes:
                if self._last_use[source] is node and source is not self.output:
                    values.pop(source, None)
        return self._spread(self.output, places[self.output], None, values, 0.0)

    def plan(self, side: int, corners: Tensor) -> dict[fx.Node, Windows | None]:
        """For each node that depends on the image the windows that the squares change; None: the whole map."""
        places: dict[fx.Node, Windows | None] = {}
        for node in self.nodes[:-1]:
            if node.op == "placeholder":
                places[node] = Windows(corners[:, 0], corners[:, 1], side, side)
                continue
            sources = [source for source in node.all_input_nodes if source in places]
            if sources:
                places[node] = _reached(
                    self.kinds[node], [places[s] for s in sources], _sides(node) or _sides(*sources)
                )
        return places

    def work(self, side: int, corners: Tensor) -> float:
        """Multiplications of all squares' convolutions, relative to those of the plain way: 1 saves nothing."""
        places, done, plain = self.plan(side, corners), 0.0, 0.0
        for node, kind in self.kinds.items():
            if isinstance(kind, Window) and node in places and (sides := _sides(node)):
                weight = getattr(kind.run, "keywords", {}).get("weight")
                cost = 0 if weight is None else weight.numel()
                windows = places[node]
                plain += cost * sides[0] * sides[1]
                done += cost * (sides[0] * sides[1] if windows is None else windows.height * windows.width)
        return done / plain if plain else 1.0

    def _run(self, node: fx.Node, places: dict[fx.Node, Windows | None], values: dict[fx.Node, Any]) -> Any:
        """The node's value inside its windows."""
        kind, here = self.kinds[node], places[node]
        if isinstance(kind, Window) and here is not None:
            (source,) = (s for s in node.all_input_nodes if s in places)
            return kind.run(self._spread(source, places[source], _before(here, kind), values, kind.fill))

        def argument(source: fx.Node) -> Any:
            if source not in places:
                return values[source]
            return self._spread(source, places[source], here, values, 0.0)

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
        self, node: fx.Node, have: Windows | None, want: Windows | None, values: dict[fx.Node, Any], fill: float
    ) -> Any:
        """The node's value in larger windows (None: the whole map): around what has changed, the clean map.

        `want` may reach over the map's border, where there is `fill`.
        """
        value = values[node]
        if not isinstance(value, Tensor) or have is None or (want is not None and want.same_as(have)):
            return value
        clean = self._clean[node]
        height, width = clean.shape[-2:]
        p = len(value)
        if want is None:
            want = Windows(torch.zeros(p, dtype=torch.int64), torch.zeros(p, dtype=torch.int64), height, width)
        rows, columns = (_line(start, n) for start, n in ((want.rows, want.height), (want.columns, want.width)))
        inside_y, inside_x = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        outside = ~(inside_y[:, :, None] & inside_x[:, None, :])
        index = (rows * width)[:, :, None] + columns[:, None, :]
        reaches_over = bool(outside.any())
        if reaches_over:
            index[outside] = height * width
        table = _table(clean, fill if reaches_over else None)
        spread = table.index_select(0, index.flatten())

        # where the changed windows lie in the wanted ones
        y = _line(have.rows - want.rows, have.height)
        x = _line(have.columns - want.columns, have.width)
        fits = ((y >= 0) & (y < want.height))[:, :, None] & ((x >= 0) & (x < want.width))[:, None, :]
        target = (torch.arange(p)[:, None] * want.height + y)[:, :, None] * want.width + x[:, None, :]
        changed = _table(value, None)
        if bool(fits.all()):
            spread.index_copy_(0, target.flatten(), changed)
        else:
            kept = fits.flatten().nonzero()[:, 0]
            spread.index_copy_(0, target.flatten()[kept], changed.index_select(0, kept))
        return spread.view(p, want.height, want.width, -1).permute(0, 3, 1, 2)


def _sides(*nodes: fx.Node) -> tuple[int, int] | None:
    for node in nodes:
        shape = node.meta.get("shape")
        if shape is not None and len(shape) >= 4:
            return shape[-2], shape[-1]
    return None


def _line(start: Tensor, n: int) -> Tensor:
    """`(P,)` → `(P, n)`: n consecutive numbers from each start."""
    return start[:, None] + torch.arange(n)


def _table(maps: Tensor, fill: float | None) -> Tensor:
    """Maps `(N, C, h, w)` as `(N h w, C)`, a row a position, and one more row of `fill` where it is given."""
    rows = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    return rows if fill is None else torch.cat((rows, rows.new_full((1, rows.shape[1]), fill)))


def _before(windows: Windows, kind: Window) -> Windows:
    """The windows of its input that an operation looks at, to give these of its output."""
    first = [w * s - p for w, s, p in zip((windows.rows, windows.columns), kind.stride, kind.padding, strict=True)]
    extent = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip((windows.height, windows.width), kind.stride, kind.kernel, kind.dilation, strict=True)
    ]
    return Windows(first[0], first[1], extent[0], extent[1])


def _reached(kind: Locality, sources: Iterable[Windows | None], sides: tuple[int, int] | None) -> Windows | None:
    """The windows of an operation's output, on maps of these sides, that its inputs' windows change."""
    found = [windows for windows in sources if windows is not None]
    if len(found) < len(list(sources)) or sides is None or not isinstance(kind, Window | Pointwise):
        return None
    if isinstance(kind, Window):
        (windows,) = found
        spans = [
            (
                (start + p - (k - 1) * d + s - 1).div(s, rounding_mode="floor").clamp(min=0),
                (start + n - 1 + p).div(s, rounding_mode="floor").clamp(max=side - 1) + 1,
            )
            for start, n, side, k, s, p, d in zip(
                (windows.rows, windows.columns), (windows.height, windows.width), sides, kind.kernel, kind.stride,
                kind.padding, kind.dilation, strict=True,
            )
        ]  # fmt: skip
    else:
        spans = [
            (
                torch.stack([getattr(w, axis) for w in found]).amin(0),
                torch.stack([getattr(w, axis) + getattr(w, extent) for w in found]).amax(0),
            )
            for axis, extent in (("rows", "height"), ("columns", "width"))
        ]
    extents = [min(side, max(1, int((stop - start).max()))) for (start, stop), side in zip(spans, sides, strict=True)]
    if extents[0] * extents[1] >= WHOLE * sides[0] * sides[1]:
        return None
    rows, columns = (start.clamp(max=side - n) for (start, _), side, n in zip(spans, sides, extents, strict=True))
    return Windows(rows, columns, extents[0], extents[1])
