"""Image grids: every image has a cell of its own, at the least cost or close to it."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from reportgen.embedding import grid
from reportgen.embedding.grid import assign_cells, grid_shape, nearest_points, place_in_free_cells


def cost(points: np.ndarray, cell: np.ndarray, rows: int, columns: int) -> float:
    """Sum of the squared distances from each point to its cell's centre, both in the unit square."""
    low, high = points.min(0), points.max(0)
    total = 0.0
    for (x, y), c in zip((points - low) / np.where(high > low, high - low, 1), cell, strict=True):
        total += (x - (c % columns + 0.5) / columns) ** 2 + (y - (c // columns + 0.5) / rows) ** 2
    return total


def cloud(n: int) -> np.ndarray:
    random = np.random.default_rng(n)
    return random.normal(size=(6, 2))[random.integers(0, 6, n)] + 0.2 * random.normal(size=(n, 2))


def test_grid_of_four_points_matches_values_by_hand() -> None:
    points = np.array([[9.0, 9], [0, 0], [9, 0], [0, 9]])
    assert assign_cells(points, 2, 2).tolist() == [3, 0, 1, 2]


def test_grid_of_few_points_has_the_least_cost_of_all_permutations() -> None:
    points = cloud(6)
    least = min(cost(points, np.array(order), 2, 3) for order in permutations(range(6)))
    assert cost(points, assign_cells(points, 2, 3), 2, 3) == pytest.approx(least)


@given(st.integers(1, 90), st.integers(0, 7), st.booleans())
@settings(max_examples=60, deadline=None)
def test_grid_gives_every_point_a_cell_of_its_own(n: int, spare: int, alike: bool) -> None:
    rows, columns = grid_shape(n + spare)
    points = np.zeros((n, 2)) if alike else cloud(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "MAX_EXACT", 10)
        patch.setattr(grid, "TILE_SIDE", 4)
        cell = assign_cells(points, rows, columns)
    assert len(set(cell.tolist())) == n
    assert cell.min() >= 0
    assert cell.max() < rows * columns


def test_tiled_grid_comes_close_to_the_least_cost() -> None:
    points = cloud(600)
    rows, columns = grid_shape(600)
    low, high = points.min(0), points.max(0)
    cells = np.array([[(c % columns + 0.5) / columns, (c // columns + 0.5) / rows] for c in range(rows * columns)])
    squares = np.square(((points - low) / (high - low))[:, None] - cells[None]).sum(2)
    least = squares[linear_sum_assignment(squares)].sum()
    assert cost(points, assign_cells(points, rows, columns), rows, columns) <= 1.05 * least


def test_new_points_get_the_free_cells_at_the_least_cost_and_no_other_one_moves() -> None:
    points, rows, columns = cloud(18), 4, 5
    cell = assign_cells(points, rows, columns)
    new = [3, 8, 15]
    points[new] = cloud(40)[:3]
    known = cell.copy()
    known[new] = -1
    placed = place_in_free_cells(points, known, rows, columns)
    np.testing.assert_array_equal(np.delete(placed, new), np.delete(cell, new))
    assert len(set(placed.tolist())) == 18
    free = sorted({*range(20)} - {*np.delete(cell, new).tolist()})
    tries = []
    for cells in permutations(free, 3):
        placed_so = placed.copy()
        placed_so[new] = cells
        tries.append(cost(points, placed_so, rows, columns))
    assert cost(points, placed, rows, columns) == pytest.approx(min(tries))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 17, 1000])
def test_grid_shapes_are_as_square_as_possible(n: int) -> None:
    rows, columns = grid_shape(n)
    assert rows * columns >= n > (rows - 1) * columns
    assert abs(rows - columns) <= 1


def test_grid_point_shows_its_nearest_image() -> None:
    points = cloud(40)
    low, high = points.min(0), points.max(0)
    unit = (points - low) / (high - low)
    found = nearest_points(points, 4, 5)
    for row in range(4):
        for column in range(5):
            apart = np.square(unit - [(column + 0.5) / 5, (row + 0.5) / 4]).sum(1)
            assert found[row, column] == apart.argmin()
