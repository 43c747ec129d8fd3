"""Image grids: every image of an embedding map gets a cell of its own (after Karpathy's cnnembed)."""

from __future__ import annotations

import math

import numpy as np

MAX_EXACT = 512
"""Most images whose assignment is solved exactly."""
TILE_SIDE = 12
"""Side in cells of the squares in which larger grids are improved."""
MAX_SWEEPS = 12
"""Most passes over the whole grid."""
MIN_IMPROVEMENT = 0.001
"""The pass that lowers the cost by less than this share is the last one."""


def grid_shape(n: int, aspect: float = 1.0) -> tuple[int, int]:
    """Return rows and columns of the smallest grid with n cells and about this ratio of width to height."""
    columns = max(1, math.ceil(math.sqrt(n * aspect)))
    return math.ceil(n / columns), columns


def full_grid_shape(n: int, aspect: float) -> tuple[int, int]:
    """Return rows and columns of a grid with n cells and few empty ones, whose width is about `aspect` × its height.

    Of all numbers of columns within 15 % of the ideal one, that with the fewest empty cells, and of these the nearest.
    """
    ideal = max(1.0, math.sqrt(n * aspect))
    columns = min(
        range(max(1, math.floor(0.85 * ideal)), math.ceil(1.15 * ideal) + 1),
        key=lambda count: (-n % count, abs(count - ideal)),
    )
    return max(1, math.ceil(n / columns)), columns


def assign_cells(points: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return a different cell for each of N ≤ rows × columns points: `(N,)`, row × columns + column.

    Points and cell centres are scaled to the unit square, each axis separately, and the sum of the squared distances is
    minimized: exactly for up to `MAX_EXACT` points (linear assignment). Larger grids start from a recursive bisection
    of points and cells, and are improved by exact assignments within overlapping squares of cells.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    positions, cells = _unit(points), _cell_centres(rows, columns)
    if len(points) <= MAX_EXACT:
        return np.asarray(linear_sum_assignment(cdist(positions, cells, "sqeuclidean"))[1])
    owner = np.full(rows * columns, -1)
    _bisect(positions, np.arange(len(points)), owner.reshape(rows, columns))
    cost = _cost(positions, cells, owner)
    solved: dict[tuple[int, int], np.ndarray] = {}  # first and last cell of a square → owners that are the best
    for sweep in range(MAX_SWEEPS):
        for tile in _tiles(rows, columns, sweep):
            square = int(tile[0]), int(tile[-1])
            if not np.array_equal(owner[tile], solved.get(square, ())):
                _improve(positions, cells, owner, tile)
                solved[square] = owner[tile]
        previous, cost = cost, _cost(positions, cells, owner)
        if sweep > 1 and cost > (1 - MIN_IMPROVEMENT) * previous:
            break
    taken = np.flatnonzero(owner >= 0)
    cell = np.empty(len(points), int)
    cell[owner[taken]] = taken
    return cell


def place_in_free_cells(points: np.ndarray, cell: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return the cells `(N,)` of a grid in which some points stay, and the others get free cells.

    cell: `(N,)` of the points that stay, −1 for the others, at most `MAX_EXACT`. Of these, the sum of the squared
    distances is minimized as in `assign_cells`.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    new = np.flatnonzero(cell < 0)
    free = np.setdiff1d(np.arange(rows * columns), cell)
    distances = cdist(_unit(points)[new], _cell_centres(rows, columns)[free], "sqeuclidean")
    placed = cell.copy()
    placed[new] = free[linear_sum_assignment(distances)[1]]
    return placed


def _cell_centres(rows: int, columns: int) -> np.ndarray:
    """Return the centres `(rows × columns, 2)` of a grid's cells in the unit square, x and y, row by row."""
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.column_stack(((x + 0.5) / columns, (y + 0.5) / rows))


def _unit(points: np.ndarray) -> np.ndarray:
    """Scale points `(N, 2)` to [0, 1], each axis separately."""
    low = points.min(0)
    span = points.max(0) - low
    return np.asarray((points - low) / np.where(span > 0, span, 1))


def _cost(positions: np.ndarray, cells: np.ndarray, owner: np.ndarray) -> float:
    """Return the sum of the squared distances. owner: `(rows × columns,)` the point in each cell, −1 for none."""
    taken = owner >= 0
    return float(np.square(positions[owner[taken]] - cells[taken]).sum())


def _bisect(positions: np.ndarray, points: np.ndarray, owner: np.ndarray) -> None:
    """Distribute the points over a view of the grid: it is halved along its longer side, and so are the points."""
    rows, columns = owner.shape
    if not len(points):
        return
    if owner.size == 1:
        owner[0, 0] = points[0]
        return
    axis = int(rows > columns)
    first, second = np.array_split(owner, 2, axis=1 - axis)
    share = round(len(points) * first.size / owner.size)
    share = min(max(share, len(points) - second.size), first.size)
    order = points[np.lexsort((points, positions[points, axis]))]
    _bisect(positions, order[:share], first)
    _bisect(positions, order[share:], second)


def _tiles(rows: int, columns: int, sweep: int) -> list[np.ndarray]:
    """Return squares of cells that cover the grid; they are shifted by a third of their side in each pass."""
    shift = (sweep * TILE_SIDE // 3) % TILE_SIDE
    cells = np.arange(rows * columns).reshape(rows, columns)
    edges = [[0, *range(shift or TILE_SIDE, length, TILE_SIDE), length] for length in (rows, columns)]
    return [
        cells[top:bottom, left:right].ravel()
        for top, bottom in zip(edges[0], edges[0][1:], strict=False)
        for left, right in zip(edges[1], edges[1][1:], strict=False)
    ]


def _improve(positions: np.ndarray, cells: np.ndarray, owner: np.ndarray, tile: np.ndarray) -> None:
    """Assign the points within one square again, at the least cost."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    inside = owner[tile][owner[tile] >= 0]
    if len(inside):
        _, cell = linear_sum_assignment(cdist(positions[inside], cells[tile], "sqeuclidean"))
        owner[tile] = -1
        owner[tile[cell]] = inside


def nearest_points(points: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return the point nearest to each cell centre `(rows, columns)`; points may recur (cnnembed's other form)."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(_unit(points)).query(_cell_centres(rows, columns))[1].reshape(rows, columns))
