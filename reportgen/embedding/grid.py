"""Image grids: every image of a map at a cell of its own (PROTOCOLS: maps; after Karpathy's cnnembed)."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

EXACT = 512
"""Images up to which one assignment of all is solved."""
TILE = 12
"""Cells along one side of the squares in which a larger grid is improved."""
SWEEPS = 12
"""Times that the whole grid is gone over, at most."""
ENOUGH = 0.001
"""A sweep that lowers the cost by less than this share is the last."""


def grid_shape(n: int, aspect: float = 1.0) -> tuple[int, int]:
    """Rows and columns of the smallest grid of about this width to height that has n cells."""
    columns = max(1, math.ceil(math.sqrt(n * aspect)))
    return math.ceil(n / columns), columns


def assign(points: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The cell of each point `(N,)`: row × columns + column, all different; N ≤ rows × columns.

    Points and cell centres are both stretched to the unit square, each axis by itself, and the sum of the squared
    distances is made small: up to `EXACT` points the smallest there is (linear assignment), beyond that by exact
    assignments within overlapping squares of cells, from a start that halves points and cells together.
    """
    places = _unit(points)
    y, x = np.divmod(np.arange(rows * columns), columns)
    cells = np.column_stack(((x + 0.5) / columns, (y + 0.5) / rows))
    if len(points) <= EXACT:
        _, cell = linear_sum_assignment(cdist(places, cells, "sqeuclidean"))
        return cell
    owner = np.full(rows * columns, -1)
    _halve(places, np.arange(len(points)), owner.reshape(rows, columns))
    cost = _cost(places, cells, owner)
    for sweep in range(SWEEPS):
        for tile in _tiles(rows, columns, sweep):
            _improve(places, cells, owner, tile)
        before, cost = cost, _cost(places, cells, owner)
        if sweep > 1 and cost > (1 - ENOUGH) * before:
            break
    taken = np.flatnonzero(owner >= 0)
    cell = np.empty(len(points), int)
    cell[owner[taken]] = taken
    return cell


def _unit(points: np.ndarray) -> np.ndarray:
    low = points.min(0)
    span = points.max(0) - low
    return (points - low) / np.where(span > 0, span, 1)


def _cost(places: np.ndarray, cells: np.ndarray, owner: np.ndarray) -> float:
    taken = owner >= 0
    return float(np.square(places[owner[taken]] - cells[taken]).sum())


def _halve(places: np.ndarray, points: np.ndarray, owner: np.ndarray) -> None:
    """Shares out the points over a view of the grid: cut across its longer side, each half gets its share in order."""
    rows, columns = owner.shape
    if not len(points):
        return
    if owner.size == 1:
        owner[0, 0] = points[0]
        return
    across = int(rows > columns)
    first, second = np.array_split(owner, 2, axis=1 - across)
    share = round(len(points) * first.size / owner.size)
    share = min(max(share, len(points) - second.size), first.size)
    order = points[np.lexsort((points, places[points, across]))]
    _halve(places, order[:share], first)
    _halve(places, order[share:], second)


def _tiles(rows: int, columns: int, sweep: int) -> list[np.ndarray]:
    """Squares of cells that cover the grid, moved by a third of their side from sweep to sweep."""
    shift = (sweep * TILE // 3) % TILE
    numbers = np.arange(rows * columns).reshape(rows, columns)
    edges = [[0, *range(shift or TILE, length, TILE), length] for length in (rows, columns)]
    return [
        numbers[top:bottom, left:right].ravel()
        for top, bottom in zip(edges[0], edges[0][1:], strict=False)
        for left, right in zip(edges[1], edges[1][1:], strict=False)
    ]


def _improve(places: np.ndarray, cells: np.ndarray, owner: np.ndarray, tile: np.ndarray) -> None:
    """Assigns the points within one tile anew, at the least cost."""
    inside = owner[tile][owner[tile] >= 0]
    if len(inside):
        _, cell = linear_sum_assignment(cdist(places[inside], cells[tile], "sqeuclidean"))
        owner[tile] = -1
        owner[tile[cell]] = inside


def nearest_at(points: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The point nearest to each grid point `(rows, columns)`, as cnnembed's other form shows it: images may recur."""
    y, x = np.divmod(np.arange(rows * columns), columns)
    cells = np.column_stack(((x + 0.5) / columns, (y + 0.5) / rows))
    return cKDTree(_unit(points)).query(cells)[1].reshape(rows, columns)
