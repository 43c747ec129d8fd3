"""Occlusion sensitivity by its definition.

A square of one colour moves over the network's input, and the network's output is recorded for each position of it.
Source: Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

HEAD_BATCH = 128
"""Number of positions whose feature maps go through the head together: VGG's head reads 400 MB of weights each time."""
DIRECT_BATCH = 32
"""Number of occluded images that `DirectOcclusion` computes together."""


@dataclass(frozen=True)
class SquareGrid:
    """The positions of the occluding square, in pixels of the network's input.

    side: of the square; rows, columns: upper and left edges of the positions; fill: `(C,)` the normalized colour.
    """

    side: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    fill: tuple[float, ...]

    @property
    def corners(self) -> Tensor:
        """`(P, 2)` int64 upper and left edge of every position, row by row."""
        return torch.cartesian_prod(torch.tensor(self.rows), torch.tensor(self.columns))

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)


def square_grid(height: int, width: int, side: int, stride: int, fill: tuple[float, ...]) -> SquareGrid:
    """Return the positions 0, stride, 2 stride, … inside the input, and one at the far edge if there is a remainder.

    Errors: ValueError if the square is larger than the input.
    """
    if not 0 < side <= min(height, width):
        raise ValueError(f"a square of {side} pixels does not fit into {height} × {width}")

    def positions(extent: int) -> tuple[int, ...]:
        return tuple(sorted({*range(0, extent - side + 1, stride), extent - side}))

    return SquareGrid(side, positions(height), positions(width), fill)


def occlude_image(image: Tensor, grid: SquareGrid, corners: Tensor) -> Tensor:
    """Return copies `(P, C, H, W)` of the image `(1, C, H, W)`, each with the square at one of the corners `(P, 2)`."""
    copies = image.repeat(len(corners), 1, 1, 1)
    colour = torch.tensor(grid.fill, dtype=image.dtype, device=image.device)[:, None, None]
    for copy, (y, x) in zip(copies, corners.tolist(), strict=True):
        copy[:, y : y + grid.side, x : x + grid.side] = colour
    return copies


@dataclass(frozen=True)
class OcclusionResult:
    """The network's output with the square at each of P positions.

    logits: `(P, K)`; unit_total: `(P,)` sum over the feature map of one unit.
    """

    logits: Tensor
    unit_total: Tensor


class OcclusionBackend(Protocol):
    """Computes the feature maps of occluded images. Positions are int64 indices into the grid's corners."""

    def batches(self, grid: SquareGrid, positions: Tensor) -> Iterable[Tensor]:
        """Divide the positions `(P,)` into those that are computed together."""

    def feature_maps(self, image: Tensor, grid: SquareGrid, positions: Tensor) -> Tensor:
        """Return feature maps `(P, C, h, w)` of the image `(1, C, H, W)` with the square at each of the positions."""

    def relative_cost(self, grid: SquareGrid, positions: Tensor) -> float:
        """Return the cost of the convolutions for these positions, relative to that of `DirectOcclusion`."""


@dataclass(frozen=True)
class DirectOcclusion:
    """The definition: every occluded image goes through the whole trunk.

    cost: of the trunk, relative to PyTorch's.
    """

    trunk: nn.Module
    cost: float = 1.0

    def batches(self, grid: SquareGrid, positions: Tensor) -> Iterable[Tensor]:
        return torch.split(positions, DIRECT_BATCH)

    def feature_maps(self, image: Tensor, grid: SquareGrid, positions: Tensor) -> Tensor:
        maps = self.trunk(occlude_image(image, grid, grid.corners[positions]))
        assert isinstance(maps, Tensor)
        return maps

    def relative_cost(self, grid: SquareGrid, positions: Tensor) -> float:
        return self.cost


def strongest_unit(maps: Tensor) -> int:
    """Return the unit of feature maps `(1, C, h, w)` with the largest sum."""
    return int(maps[0].sum((1, 2)).argmax())


@torch.inference_mode()
def occlude(
    backend: OcclusionBackend,
    head: nn.Module,
    image: Tensor,
    grid: SquareGrid,
    unit: int,
    positions: Tensor | None = None,
) -> OcclusionResult:
    """Return the network's output for the given positions of the square, or for all, in the order of `grid.corners`.

    head: feature maps → logits; image: `(1, C, H, W)` normalized; unit: channel of the feature maps.
    """
    positions = torch.arange(len(grid)) if positions is None else positions
    logits: list[Tensor] = []
    totals: list[Tensor] = []
    pending: list[Tensor] = []
    batches = list(backend.batches(grid, positions))
    for n, batch in enumerate(batches, 1):
        maps = _feature_maps(backend, image, grid, batch)
        totals.append(maps[:, unit].sum((1, 2)).float())
        pending.append(maps)
        if sum(map(len, pending)) >= HEAD_BATCH or n == len(batches):
            logits.append(head(torch.cat(pending)).float())
            pending = []
    original_order = torch.cat(batches).argsort()[positions.argsort().argsort()]
    return OcclusionResult(torch.cat(logits)[original_order], torch.cat(totals)[original_order])


def _feature_maps(backend: OcclusionBackend, image: Tensor, grid: SquareGrid, positions: Tensor) -> Tensor:
    """Return the backend's feature maps, computed in halves if the device's memory is too small for all of them."""
    try:
        return backend.feature_maps(image, grid, positions)
    except torch.OutOfMemoryError:
        if len(positions) == 1:
            raise
    return torch.cat([_feature_maps(backend, image, grid, half) for half in positions.chunk(2)])
