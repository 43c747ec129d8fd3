"""Density of the points of a map, as contours that enclose given shares of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

CELLS = 192
"""Cells along each side of the grid that the density is computed on."""
MARGIN = 0.1
"""How far the grid extends beyond the unit square on every side."""
BANDWIDTH = 0.1
"""Standard deviation of the kernel for one image, in sides of the map; for N images it is divided by N^(1/6)."""
SHARES = (0.25, 0.5, 0.75, 0.95)
"""Shares of the images that the contours enclose."""


def kernel_density(unit: np.ndarray) -> np.ndarray:
    """Return the density `(CELLS, CELLS)` of finite points `(N, 2)` in the unit square; rows are y.

    A Gaussian kernel, whose width falls with the number of points as in Scott's rule (1992); the factor is smaller than
    his, because embedding maps have several modes.
    """
    from scipy.ndimage import gaussian_filter

    step = (1 + 2 * MARGIN) / CELLS
    edges = np.linspace(-MARGIN, 1 + MARGIN, CELLS + 1)
    counts = np.histogram2d(unit[:, 1], unit[:, 0], [edges, edges])[0]
    width = BANDWIDTH * len(unit) ** (-1 / 6) / step
    density: np.ndarray = gaussian_filter(counts, width, mode="constant", truncate=6) / (len(unit) * step**2)
    return density


def density_contours(unit: np.ndarray, shares: Sequence[float] = SHARES) -> list[list[np.ndarray]]:
    """Return, for each share, closed lines `(P, 2)` in the coordinates of the points around the densest part of a map.

    The part inside an odd number of lines has this share of the points, those where the density is highest (Hyndman,
    The American Statistician 50, 1996). unit: `(N, 2)` in [0, 1]; those that are not finite are left out.
    """
    import contourpy
    from scipy.ndimage import map_coordinates

    points = unit[np.isfinite(unit).all(1)]
    if not len(points):
        return [[] for _ in shares]
    density = kernel_density(points)
    at_points = map_coordinates(density, (to_cells(points)[:, ::-1]).T, order=1)
    generator = contourpy.contour_generator(z=np.pad(density, 1))  # a margin of zeros closes every line
    levels = np.quantile(at_points, 1 - np.array(shares)).tolist()
    return [[_from_cells(line - 1) for line in cast(list[np.ndarray], generator.lines(level))] for level in levels]


def to_cells(unit: np.ndarray) -> np.ndarray:
    """Convert positions in the unit square to cells of the grid, whose centres are whole numbers."""
    return (unit + MARGIN) / (1 + 2 * MARGIN) * CELLS - 0.5


def _from_cells(cells: np.ndarray) -> np.ndarray:
    return np.asarray((cells + 0.5) / CELLS * (1 + 2 * MARGIN) - MARGIN)
