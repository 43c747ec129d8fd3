"""Nearest neighbours equal a float64 brute force written from the definition, whatever the rounding of float32."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.embedding import neighbours as module
from reportgen.embedding.neighbours import nearest_neighbours


def brute_force(rows: np.ndarray, k: int, gallery: np.ndarray | None = None) -> list[list[int]]:
    """For each row the k nearest others, one by one; of equal distances the lower index first."""
    found = []
    for i, row in enumerate(rows.astype(np.float64)):
        others = rows if gallery is None else gallery
        squares = [
            (float(np.square(row - other).sum()), j)
            for j, other in enumerate(others.astype(np.float64))
            if np.isfinite(other).all() and not (gallery is None and i == j)
        ]
        found.append([j for _, j in sorted(squares)[:k]] if np.isfinite(row).all() else [])
    return found


def assert_exact(rows: np.ndarray, k: int, gallery: np.ndarray | None = None) -> None:
    found = nearest_neighbours(rows, k, gallery)
    expected = brute_force(rows, k, gallery)
    for i, order in enumerate(expected):
        assert found.index[i].tolist() == (order or [-1] * found.index.shape[1])
        if order:
            others = rows if gallery is None else gallery
            apart = rows[i].astype(np.float64) - others[order].astype(np.float64)
            np.testing.assert_array_equal(found.distance[i], np.sqrt(np.square(apart).sum(1)))
    assert found.left_out.tolist() == [i for i, row in enumerate(rows) if not np.isfinite(row).all()]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that small inputs have several of."""
    monkeypatch.setattr(module, "BLOCK", 32)


def test_neighbours_of_four_points_match_values_by_hand() -> None:
    found = nearest_neighbours(np.array([[0.0], [1.0], [3.0], [7.0]]), 2)
    assert found.index.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert found.distance.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]


@pytest.mark.parametrize("n", [33, 64, 150])
@pytest.mark.parametrize("k", [1, 7])
def test_neighbours_of_random_clouds_equal_brute_force(n: int, k: int) -> None:
    random = np.random.default_rng(n)
    assert_exact(random.normal(size=(n, 24)).astype(np.float32), k)
    assert_exact(np.maximum(0, random.normal(size=(n, 24))) + 1000, k)


def test_neighbours_are_exact_where_float32_distances_are_equal() -> None:
    """Far from the origin, and apart by less than float32's roundoff: only float64 has the order."""
    random = np.random.default_rng(0)
    rows = 1e3 + 1e-6 * random.normal(size=(100, 12))
    assert len(np.unique(rows.astype(np.float32), axis=0)) < 100
    assert_exact(rows, 9)
    outlier = random.normal(size=(100, 12)) * 1e-4
    outlier[7] = 1e6  # every bound holds row by row: one long row does not blur the rest
    assert_exact(outlier, 9)


@given(st.integers(1, 60), st.integers(1, 3), st.integers(1, 80), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_equal_distances_go_to_the_lower_index(n: int, columns: int, k: int, seed: int) -> None:
    assert_exact(np.random.default_rng(seed).integers(0, 3, (n, columns)).astype(np.float32), k)


def test_neighbours_of_identical_rows_and_constant_columns_are_exact() -> None:
    assert_exact(np.ones((80, 5), np.float32), 6)
    rows = np.random.default_rng(1).normal(size=(80, 5))
    rows[:, 2] = 4.0
    rows[40:] = rows[:40]
    assert_exact(rows, 6)
    assert nearest_neighbours(rows, 1).distance.max() == 0


def test_non_finite_rows_have_no_neighbours_and_are_none() -> None:
    rows = np.random.default_rng(2).normal(size=(50, 4))
    rows[3, 1], rows[49, 0], rows[20] = np.nan, np.inf, -np.inf
    assert_exact(rows, 5)
    found = nearest_neighbours(rows, 5)
    assert found.left_out.tolist() == [3, 20, 49]
    assert np.isnan(found.distance[20]).all()


@pytest.mark.parametrize(("n", "k", "columns"), [(1, 5, 0), (0, 5, 0), (4, 10, 3), (5, 0, 0)])
def test_fewer_rows_than_k_give_fewer_neighbours(n: int, k: int, columns: int) -> None:
    found = nearest_neighbours(np.arange(2.0 * n).reshape(n, 2), k)
    assert found.index.shape == found.distance.shape == (n, columns)


def test_neighbours_in_another_gallery_equal_brute_force() -> None:
    random = np.random.default_rng(4)
    rows, gallery = random.normal(size=(70, 6)), random.normal(size=(90, 6))
    rows[5] = gallery[11]
    gallery[12] = np.nan
    assert_exact(rows, 4, gallery)
    assert nearest_neighbours(rows, 1, gallery).distance[5] == 0
    assert_exact(rows, 5, gallery[:3])
