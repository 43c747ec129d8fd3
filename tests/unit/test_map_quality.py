"""Random triplet accuracy and density contours, compared with their definitions."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from reportgen.embedding.density import CELLS, MARGIN, SHARES, density_contours, kernel_density
from reportgen.embedding.triplets import N_TRIPLETS, RandomTriplets


def all_triplets(rows: np.ndarray, positions: np.ndarray) -> float:
    """The share over all triplets, from the definition; triplets without an order are left out."""
    agree = n = 0
    for i, j, k in permutations(range(len(rows)), 3):
        a = np.linalg.norm(rows[i] - rows[j]) - np.linalg.norm(rows[i] - rows[k])
        b = np.linalg.norm(positions[i] - positions[j]) - np.linalg.norm(positions[i] - positions[k])
        if a and b:
            agree, n = agree + ((a > 0) == (b > 0)), n + 1
    return agree / n


@pytest.mark.parametrize("seed", range(6))
def test_triplet_accuracy_is_an_estimate_of_that_of_all_triplets(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(18, 4))
    positions = rows[:, :2] + seed * random.normal(size=(18, 2))
    found = RandomTriplets(rows, seed).accuracy(positions)
    assert found is not None
    assert found.n == N_TRIPLETS
    assert found.value == pytest.approx(all_triplets(rows, positions), abs=4 * 0.5 / N_TRIPLETS**0.5)


def test_interval_covers_the_share_of_all_triplets_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(15, 4))
    truth = all_triplets(rows, rows[:, :2])
    covered = 0
    for seed in range(100):
        low, high = RandomTriplets(rows, seed).accuracy(rows[:, :2]).interval
        covered += low <= truth <= high
    assert covered >= 89  # 95 expected; the probability of fewer than 89 is 1 %


def test_triplet_accuracy_of_the_space_itself_is_one_and_of_unrelated_positions_is_at_chance() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(300, 2))
    assert RandomTriplets(rows).accuracy(3 * rows + 1).value == 1
    values = [RandomTriplets(rows, seed).accuracy(random.normal(size=(300, 2))).value for seed in range(10)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)


def test_triplets_without_an_order_are_left_out() -> None:
    rows = np.array([[0.0], [1], [-1], [3]])
    assert RandomTriplets(rows).accuracy(rows).n < N_TRIPLETS  # 1 and −1 are equally far from 0
    assert RandomTriplets(np.ones((9, 3))).accuracy(np.ones((9, 2))) is None
    assert RandomTriplets(np.ones((2, 3))).accuracy(np.ones((2, 2))) is None


# -------------------------------------------------------------------------------------------------- density


def is_inside(lines: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    """Even-odd rule, from its definition: how often a ray to the right crosses the lines."""
    crossings = np.zeros(len(points), int)
    for line in lines:
        for (ax, ay), (bx, by) in pairwise(line):
            is_between = (ay > points[:, 1]) != (by > points[:, 1])
            with np.errstate(divide="ignore", invalid="ignore"):
                x = (bx - ax) * (points[:, 1] - ay) / (by - ay) + ax
            crossings += is_between & (points[:, 0] < x)
    return crossings % 2 == 1


@pytest.mark.parametrize("n", [60, 3000])
def test_contours_enclose_their_shares_of_the_points(n: int) -> None:
    random = np.random.default_rng(n)
    unit = np.clip([[0.3, 0.3], [0.7, 0.6]] + 0.06 * random.normal(size=(n, 1, 2)), 0, 1).reshape(-1, 2)
    contours = density_contours(np.vstack((unit, [[np.nan, 0]])))
    for share, lines in zip(SHARES, contours, strict=True):
        assert all((line[0] == line[-1]).all() for line in lines)
        assert is_inside(lines, unit).mean() == pytest.approx(share, abs=0.02)
    assert len(contours[1]) >= 2  # both clusters have one


def test_density_is_the_mean_of_the_kernels() -> None:
    """A Gaussian with a standard deviation of 0.1 / N^(1/6) at each point, summed at some cell centres."""
    unit = np.random.default_rng(0).random((50, 2))
    found, width = kernel_density(unit), 0.1 / 50 ** (1 / 6)
    centres = -MARGIN + (np.arange(CELLS) + 0.5) * (1 + 2 * MARGIN) / CELLS
    for row, column in ((20, 20), (96, 100), (150, 60), (100, 170)):
        square = np.square(unit - [centres[column], centres[row]]).sum(1)
        expected = np.mean(np.exp(-square / (2 * width**2)) / (2 * np.pi * width**2))
        assert found[row, column] == pytest.approx(expected, rel=0.05, abs=0.01)


def test_contours_of_no_points_are_empty_and_of_equal_points_are_finite() -> None:
    assert density_contours(np.full((3, 2), np.nan)) == [[], [], [], []]
    for lines in density_contours(np.full((30, 2), 0.5)):
        assert all(np.isfinite(line).all() for line in lines)
