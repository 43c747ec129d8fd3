"""Occlusion (Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2).

A square of one colour moves over the network's input; what the network answers is noted for every place of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Squares:
    """Where the square stands. Pixels are those of the network's input.

    side: of the square; rows, columns: upper and left edges of its places; fill: `(C,)` its normalised colour.
    """

    side: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    fill: tuple[float, ...]

    @property
    def corners(self) -> Tensor:
        """`(P, 2)` int64 upper and left edge of every place, row by row."""
        return torch.cartesian_prod(torch.tensor(self.rows), torch.tensor(self.columns))

    def tiles(self, n: int) -> list[Tensor]:
        """The places in groups of n × n neighbours, as int64 indices into `corners`: what goes through in one batch."""
        index = torch.arange(len(self.rows) * len(self.columns)).view(len(self.rows), -1)
        return [tile.flatten() for band in index.split(n) for tile in band.split(n, 1)]


def squares_over(height: int, width: int, side: int, stride: int, fill: tuple[float, ...]) -> Squares:
    """The places 0, stride, 2 stride, … inside the input, and one more at the far edge where they leave a rest.

    Errors: ValueError where the square is larger than the input.
    """
    if not 0 < side <= min(height, width):
        raise ValueError(f"a square of {side} pixels does not fit into {height} × {width}")

    def places(extent: int) -> tuple[int, ...]:
        return tuple(sorted({*range(0, extent - side + 1, stride), extent - side}))

    return Squares(side, places(height), places(width), fill)


def occluded(image: Tensor, squares: Squares, corners: Tensor) -> Tensor:
    """Copies `(P, C, H, W)` of the image `(1, C, H, W)`, each with the square at one of the corners `(P, 2)`."""
    copies = image.repeat(len(corners), 1, 1, 1)
    colour = torch.tensor(squares.fill, dtype=image.dtype, device=image.device)[:, None, None]
    for copy, (y, x) in zip(copies, corners.tolist(), strict=True):
        copy[:, y : y + squares.side, x : x + squares.side] = colour
    return copies


@dataclass(frozen=True)
class Answers:
    """What the network answers with the square at each of P places.

    logits: `(P, K)`; total: `(P,)` sum over the last map of one unit.
    """

    logits: Tensor
    total: Tensor


MapsOf = Callable[[Tensor, Squares, Tensor], Tensor]
"""The last maps `(P, C, h, w)` of an image `(1, C, H, W)` with the square at each corner `(P, 2)`."""


def plain_maps(trunk: nn.Module) -> MapsOf:
    """The definition: every occluded image goes through the whole trunk."""
    return lambda image, squares, corners: trunk(occluded(image, squares, corners))


def strongest_unit(maps: Tensor) -> int:
    """The unit of the maps `(1, C, h, w)` of the whole image whose total activation is the largest."""
    return int(maps[0].sum((1, 2)).argmax())


@torch.inference_mode()
def occlude(maps_of: MapsOf, head: nn.Module, image: Tensor, squares: Squares, unit: int, tile: int = 5) -> Answers:
    """The answers for every place of the square, in the order of `squares.corners`.

    maps_of: `plain_maps(trunk)`, or `Incremental(trunk).maps`, which gives the same up to rounding.
    head: the last maps → logits; image: `(1, C, H, W)` normalised; unit: of the last maps.
    tile: places in one batch, squared. Neighbours change like windows, so small tiles keep those small.
    """
    corners, tiles = squares.corners, squares.tiles(tile)
    logits, totals = [], []
    for places in tiles:
        maps = maps_of(image, squares, corners[places])
        logits.append(head(maps).float())
        totals.append(maps[:, unit].sum((1, 2)).float())
    back = torch.cat(tiles).argsort()
    return Answers(torch.cat(logits)[back], torch.cat(totals)[back])
