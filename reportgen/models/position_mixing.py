"""Whether a head mixes the positions of its feature maps before it pools them, decided by measurement.

Attention, a convolution or a recurrent layer after the feature maps carries values from one position to another. What a
map of such a head shows at a position is then not what the network found there. How the layers are called does not
decide this: a vision transformer can be written by hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, fx

from reportgen.models.batch_size import batch_refused

MAX_EXTRA_TOKENS = 8
"""Tokens in addition to one a position, such as that of the class."""
TOLERANCE = 1e-5
"""Change of a value that counts, relative to the largest."""


def mixing_node(head: fx.GraphModule, shape: Sequence[int]) -> fx.Node | None:
    """Return the first node of a head in which a position depends on another one; None if there is none.

    shape: `(C, h, w)` of the feature maps. One position of random maps is changed, at the first, the last and a central
    position in turn, and the positions of all later values are compared. Errors: ModelError if the head does not run on
    several images.
    """
    channels, *grid = shape
    maps = maps_with_changes(channels, (grid[0], grid[1]))
    return next(iter(mixing_nodes(head, maps, (grid[0], grid[1]))), None)


def mixing_nodes(head: fx.GraphModule, values: Tensor, grid: tuple[int, int]) -> dict[fx.Node, float]:
    """Return the nodes of a head in which a position of the grid depends on another one, in order.

    Each has the share of the other positions that depend on the one that was changed: small after a convolution.

    values: the head's input, from `tokens_with_changes` or `maps_with_changes`. Errors as in `mixing_node`.
    """
    watched = _Mixing(head, grid)
    try:
        with torch.inference_mode():
            watched.run(values)
    except Exception as error:
        raise batch_refused(len(watched.positions) + 1, error) from error
    return watched.found


def maps_with_changes(channels: int, grid: tuple[int, int]) -> Tensor:
    """Return random maps `(N, channels, h, w)`; all but the first are changed, at one position each."""
    tokens = tokens_with_changes(channels, grid)
    return tokens.transpose(1, 2).reshape(len(tokens), channels, *grid)


def tokens_with_changes(channels: int, grid: tuple[int, int], before: int = 0, after: int = 0) -> Tensor:
    """Return random tokens `(N, before + h · w + after, channels)`; all but the first have one that is changed.

    before, after: numbers of tokens that are no positions.
    """
    positions, generator = _changed_positions(grid), torch.Generator().manual_seed(0)
    length = before + math.prod(grid) + after
    tokens = torch.randn(1, length, channels, generator=generator).repeat(len(positions) + 1, 1, 1)
    for row, position in enumerate(positions, 1):
        tokens[row, before + position] = torch.randn(channels, generator=generator)
    return tokens


def _changed_positions(grid: tuple[int, int]) -> list[int]:
    count = math.prod(grid)
    return sorted({0, count // 2 + grid[1] // 2, count - 1})


class _Mixing(fx.Interpreter):
    """Runs a head on values that differ from the first ones in one position each. found: see `mixing_nodes`."""

    def __init__(self, head: fx.GraphModule, grid: tuple[int, int]) -> None:
        super().__init__(head)
        self.positions, self.shape = _changed_positions(grid), grid
        self.found: dict[fx.Node, float] = {}

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if isinstance(result, Tensor) and n.op != "get_attr" and (share := self._share_elsewhere(result)):
            self.found[n] = share
        return result

    def _share_elsewhere(self, values: Tensor) -> float:
        """Share of the other positions that changed, however the dimensions are read."""
        if values.ndim > 2 and values.shape[1] == len(self.positions) + 1 != len(values):  # `(tokens, N, C)`
            values = values.transpose(0, 1)
        is_row = values[:1].squeeze().ndim < 2  # of pooled channels, which may be as many as there are positions
        if is_row or len(values) != len(self.positions) + 1 or not values.is_floating_point():
            return 0.0
        difference = (values[1:] - values[:1]).abs()
        changed = difference > TOLERANCE * values.abs().max()
        shares = [self._share(by_position) for by_position in _readings(changed, self.shape)]
        return min(shares, default=0.0)

    def _share(self, changed: Tensor) -> float:
        """changed: `(changed position, position)`."""
        others = torch.ones_like(changed)
        others[range(len(self.positions)), self.positions] = False
        return float(changed[others].float().mean())


def _readings(changed: Tensor, shape: tuple[int, int]) -> Iterator[Tensor]:
    """Yield `(N, h * w)` for each dimension, or pair of dimensions, that may be the positions."""
    count = math.prod(shape)
    for d in range(1, changed.ndim):
        size = changed.shape[d]
        if count <= size <= count + MAX_EXTRA_TOKENS:  # extra tokens stand first; they are no positions
            yield changed.narrow(d, size - count, count).movedim(d, 1).flatten(2).any(2)
        if d + 1 < changed.ndim and changed.shape[d : d + 2] == shape:
            yield changed.flatten(d, d + 1).movedim(d, 1).flatten(2).any(2)
