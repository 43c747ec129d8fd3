"""Occlusion (Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2).

A square of one colour moves over the network's input; what the network answers is noted for every place of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

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

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)


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


class Way(Protocol):
    """How the last maps of an image with squares in it are computed. Places are int64 indices into the corners."""

    def groups(self, squares: Squares, places: Tensor) -> Iterable[Tensor]:
        """The places `(P,)`, parted into those that are computed together."""

    def maps(self, image: Tensor, squares: Squares, places: Tensor) -> Tensor:
        """The last maps `(P, C, h, w)` of the image `(1, C, H, W)` with the square at each of the places."""

    def work(self, squares: Squares, places: Tensor) -> float:
        """Multiplications of convolutions for these places, relative to those of the definition."""


@dataclass(frozen=True)
class Plain:
    """The definition: every occluded image goes through the whole trunk."""

    trunk: nn.Module

    def groups(self, squares: Squares, places: Tensor) -> Iterable[Tensor]:
        return places.split(32)

    def maps(self, image: Tensor, squares: Squares, places: Tensor) -> Tensor:
        maps = self.trunk(occluded(image, squares, squares.corners[places]))
        assert isinstance(maps, Tensor)
        return maps

    def work(self, squares: Squares, places: Tensor) -> float:
        return 1.0


def strongest_unit(maps: Tensor) -> int:
    """The unit of the maps `(1, C, h, w)` of the whole image whose total activation is the largest."""
    return int(maps[0].sum((1, 2)).argmax())


def _maps(way: Way, image: Tensor, squares: Squares, places: Tensor) -> Tensor:
    """The way's maps, of half the places at a time where the device's memory is too small for all of them."""
    try:
        return way.maps(image, squares, places)
    except torch.OutOfMemoryError:
        if len(places) == 1:
            raise
    return torch.cat([_maps(way, image, squares, half) for half in places.chunk(2)])


HEAD = 128
"""Places whose maps go through the head together: VGG's reads 400 MB of weights each time."""


@torch.inference_mode()
def occlude(
    way: Way, head: nn.Module, image: Tensor, squares: Squares, unit: int, places: Tensor | None = None
) -> Answers:
    """The answers for these places of the square (None: for all, in the order of `squares.corners`).

    way: `Plain(trunk)`, or `Incremental(trunk)`, which gives the same up to rounding.
    head: the last maps → logits; image: `(1, C, H, W)` normalised; unit: of the last maps.
    """
    places = torch.arange(len(squares)) if places is None else places
    logits: list[Tensor] = []
    totals: list[Tensor] = []
    waiting: list[Tensor] = []
    groups = list(way.groups(squares, places))
    for n, group in enumerate(groups, 1):
        maps = _maps(way, image, squares, group)
        totals.append(maps[:, unit].sum((1, 2)).float())
        waiting.append(maps)
        if sum(map(len, waiting)) >= HEAD or n == len(groups):
            logits.append(head(torch.cat(waiting)).float())
            waiting = []
    back = torch.cat(groups).argsort()[places.argsort().argsort()]
    return Answers(torch.cat(logits)[back], torch.cat(totals)[back])
