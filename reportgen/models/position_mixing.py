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
    channels, height, width = shape
    count = height * width
    positions = sorted({0, count // 2 + width // 2, count - 1})
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(1, channels, count, generator=generator).repeat(len(positions) + 1, 1, 1)
    for row, position in enumerate(positions, 1):
        maps[row, :, position] = torch.randn(channels, generator=generator)
    watched = _Mixing(head, positions, (height, width))
    try:
        with torch.inference_mode():
            watched.run(maps.view(-1, channels, height, width))
    except Exception as error:
        raise batch_refused(len(maps), error) from error
    return watched.found


class _Mixing(fx.Interpreter):
    """Runs a head on maps that differ from the first ones in one position each. found: the first node that mixes."""

    def __init__(self, head: fx.GraphModule, positions: Sequence[int], shape: tuple[int, int]) -> None:
        super().__init__(head)
        self.positions, self.shape = positions, shape
        self.found: fx.Node | None = None

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if self.found is None and isinstance(result, Tensor) and n.op != "get_attr" and self._mixes(result):
            self.found = n
        return result

    def _mixes(self, values: Tensor) -> bool:
        """Whether, however the dimensions are read, other positions changed than the one that was changed."""
        is_row = values[:1].squeeze().ndim < 2  # of pooled channels, which may be as many as there are positions
        if is_row or len(values) != len(self.positions) + 1 or not values.is_floating_point():
            return False
        difference = (values[1:] - values[:1]).abs()
        changed = difference > TOLERANCE * values.abs().max()
        readings = list(_readings(changed, self.shape))
        return bool(readings) and all(self._is_elsewhere(by_position) for by_position in readings)

    def _is_elsewhere(self, changed: Tensor) -> bool:
        """changed: `(changed position, position)`."""
        own = torch.zeros_like(changed)
        own[range(len(self.positions)), self.positions] = True
        return bool((changed & ~own).any())


def _readings(changed: Tensor, shape: tuple[int, int]) -> Iterator[Tensor]:
    """Yield `(N, h * w)` for each dimension, or pair of dimensions, that may be the positions."""
    count = math.prod(shape)
    for d in range(1, changed.ndim):
        size = changed.shape[d]
        if count <= size <= count + MAX_EXTRA_TOKENS:  # extra tokens stand first; they are no positions
            yield changed.narrow(d, size - count, count).movedim(d, 1).flatten(2).any(2)
        if d + 1 < changed.ndim and changed.shape[d : d + 2] == shape:
            yield changed.flatten(d, d + 1).movedim(d, 1).flatten(2).any(2)
