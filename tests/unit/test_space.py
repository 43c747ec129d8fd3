"""Measures on nearest neighbours: cases worked by hand and slow versions of the definitions."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.embedding import neighbours as neighbours_module
from reportgen.embedding import rows as rows_module
from reportgen.embedding.map_quality import measure_qualities
from reportgen.embedding.neighbours import Neighbours, nearest_neighbours
from reportgen.embedding.projections import principal_components
from reportgen.embedding.row_matching import row_digests
from reportgen.embedding.rows import PixelRows, mean_row
from reportgen.embedding.space import (
    DUPLICATE_SHARE,
    Space,
    count_same_label,
    count_shared,
    hub_counts,
    knn_accuracy,
    label_outliers,
    majority_label,
    near_duplicates,
    skewness,
)
from reportgen.metrics.intervals import Rate

INDEX = np.array([[1, 2, 3], [0, 2, 3], [3, 1, 0], [2, 1, 0], [-1, -1, -1]])
LABELS = np.array([5, 5, 7, -1, 5])


def test_agreement_and_overlap_count_shared_labels_and_neighbours() -> None:
    assert count_same_label(INDEX, LABELS).tolist() == [1, 1, 0, -1, 0]
    other = np.array([[3, 2, 1], [4, 4, 4], [3, 4, 0], [0, 1, 4], [-1, -1, -1]])
    assert count_shared(INDEX, other).tolist() == [3, 0, 2, 2, 0]


@given(st.integers(1, 30), st.integers(0, 7), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_vote_is_the_most_frequent_label(n: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    index, labels = random.integers(-1, n, (n, k)), random.integers(-1, 4, n)
    for row, winner in zip(index, majority_label(index, labels), strict=True):
        voters = [int(labels[j]) for j in row if j >= 0 and labels[j] >= 0]
        count = Counter(voters)
        expected = min(count, key=lambda label: (-count[label], voters.index(label))) if voters else -1
        assert winner == expected


def test_knn_accuracy_leaves_out_images_that_cannot_be_judged() -> None:
    neighbours = Space.of(np.array([[0.0], [1.0], [10.0], [11.0], [np.nan], [12.0]])).neighbours
    labels = np.array([1, 1, 1, 2, 1, 2])
    assert knn_accuracy(neighbours, labels, 1) == Rate(3, 5)  # image 2's nearest is 3
    assert knn_accuracy(neighbours, np.full(6, -1), 1) is None
    assert knn_accuracy(neighbours, labels, 50) is None


@given(st.integers(1, 12), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_nearest_of_some_rows_is_found_as_by_trying_each(n: int, seed: int) -> None:
    """Small whole numbers, so that distances are equal; some rows are not finite."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 3, (n, 2)).astype(np.float32)
    rows[random.random(n) < 0.2, 0] = np.nan
    candidates = np.flatnonzero(random.random(n) < 0.6)
    for i in range(n):
        best = None
        for j in candidates.tolist():
            distance = sum((float(a) - float(b)) ** 2 for a, b in zip(rows[i], rows[j], strict=True)) ** 0.5
            if j != i and distance == distance and (best is None or distance < best[1]):
                best = (j, distance)
        found = Space(rows, np.empty(0), Neighbours(*(np.empty(0),) * 3), 0.0).nearest_of(i, candidates)
        assert found == (None if best is None else (best[0], pytest.approx(best[1])))


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_nearest_row_with_a_label_is_that_of_a_search_among_all(n: int, k: int, seed: int) -> None:
    """Few known neighbours, so that the label is often not among them; equal distances; rows that are not finite."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 3, (n, 2)).astype(np.float32)
    rows[random.random(n) < 0.2, 0] = np.nan
    labels, wanted = (random.integers(-1, 3, n) for _ in range(2))
    space = Space(rows, np.empty(0), nearest_neighbours(rows, k), 0.0)
    found = space.nearest_with_label(wanted, labels)
    for i in range(n):
        expected = space.nearest_of(i, np.flatnonzero(labels == wanted[i])) if wanted[i] >= 0 else None
        assert (int(found.index[i, 0]), float(found.distance[i, 0])) == (
            expected or (-1, pytest.approx(np.nan, nan_ok=True))
        )


def test_hub_counts_and_skewness_match_values_by_hand() -> None:
    counts = hub_counts(INDEX)
    assert counts.tolist() == [3, 3, 3, 3, 0]
    mean, variance = 2.4, np.mean([(v - 2.4) ** 2 for v in [3, 3, 3, 3, 0]])
    assert skewness(counts) == pytest.approx(np.mean([(v - mean) ** 3 for v in [3, 3, 3, 3, 0]]) / variance**1.5)
    assert skewness(np.full(4, 2)) == 0


def test_spread_is_the_root_mean_square_over_all_pairs() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4))
    squares = [np.square(rows[i] - rows[j]).sum() for i in range(20) for j in range(i)]
    assert Space.of(rows).rms_distance == pytest.approx(np.sqrt(np.mean(squares)))
    assert Space.of(rows[:1]).rms_distance == 0
    assert Space.of(np.full((3, 2), np.nan)).rms_distance == 0


def test_near_duplicates_are_every_close_pair_once() -> None:
    random = np.random.default_rng(1)
    rows = np.repeat(random.normal(size=(12, 6)), 2, 0)
    rows[1::2] += 0.02 * random.normal(size=(12, 6))
    rows[7] += 5
    space = Space.of(rows)
    expected = sorted(
        (float(np.sqrt(np.square(rows[i] - rows[j]).sum())), i, j)
        for j in range(24)
        for i in range(j)
        if np.sqrt(np.square(rows[i] - rows[j]).sum()) <= DUPLICATE_SHARE * space.rms_distance
    )
    assert [(i, j) for i, j, _ in near_duplicates(space)] == [(i, j) for _, i, j in expected]
    assert len(expected) == 11
    assert near_duplicates(Space.of(np.ones((3, 2)))) == [(0, 1, 0.0), (0, 2, 0.0), (1, 2, 0.0)]


def test_odd_ones_have_neighbours_of_other_labels_only() -> None:
    labels = np.array([1, 2, 2, 3, 1, -1])
    index = np.array([[1, 3, 2], [2, 0, 3], [1, 0, 3], [1, 2, 0], [1, 2, 5], [0, 1, 2]])
    assert label_outliers(index, labels).tolist() == [0, 3]  # equally unanimous; 4 has a neighbour without a label
    index[0] = [1, 2, 1]
    index[3] = [0, 1, 4]
    assert label_outliers(index, labels).tolist() == [0, 3]
    index[0], index[3] = [1, 3, 2], [0, 4, 0]
    assert label_outliers(index, labels).tolist() == [3, 0]


def test_pixel_rows_are_flat_and_in_the_unit_interval_however_they_are_indexed() -> None:
    tiny = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3)).astype(np.uint8)
    tiny[1, 0, 0] = [255, 51, 0]
    rows = PixelRows(tiny)
    np.testing.assert_allclose(rows[1][:3], [1, 0.2, 0])
    expected = tiny.reshape(7, 3072).astype(np.float32) / 255
    assert rows.shape == expected.shape
    assert rows[:].dtype == rows.dtype == np.float32
    for index in (3, slice(2, 5), np.array([6, 0, 6])):
        np.testing.assert_array_equal(rows[index], expected[index])
    np.testing.assert_array_equal(rows.only(np.array([2, 5]))[1], expected[5])


def test_products_of_pixel_rows_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of the largest numbers, whose sums fill the 24 bits of float32; compared with whole numbers in Python."""
    pixels = np.random.default_rng(0).choice(np.array([0, 0, 0, 1, 254, 255], np.uint8), (1500, 32, 1, 1))
    pixels[:1100, :3] = 0
    rows, whole = PixelRows(pixels), pixels.reshape(1500, 32).astype(object)
    products = whole.T @ whole * 1500 - np.outer(whole.sum(0), whole.sum(0))
    np.testing.assert_allclose(rows.gram(), products.astype(np.float64) / 1500 / 255**2, rtol=1e-12)
    black_and_white = np.zeros((3, 2500, 1, 1), np.uint8)
    black_and_white[1], black_and_white[2, ::3] = 255, 1
    for small in (pixels[::100], black_and_white):
        flat = small.reshape(len(small), -1).astype(object)
        expected = [[int(np.square(flat[i] - other).sum()) for other in flat] for i in (2, 0)]
        assert PixelRows(small).squared_distances(np.array([2, 0])).tolist() == expected


def test_space_of_pixel_rows_is_that_of_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """In several blocks, with equal numbers: mean, neighbours, components, and quality of a map."""
    monkeypatch.setattr(rows_module, "BLOCK", 16)
    monkeypatch.setattr(neighbours_module, "BLOCK", 16)
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (150, 4, 4, 3)).astype(np.uint8)
    small, values = PixelRows(pixels), PixelRows(pixels)[:]
    np.testing.assert_array_equal(mean_row(small), values.mean(0, dtype=np.float64))
    a, b = Space.of(small), Space.of(values)
    np.testing.assert_array_equal(a.neighbours.distance, b.neighbours.distance)
    assert a.rms_distance == b.rms_distance
    positions = random.normal(size=(150, 2))
    quality, expected = (measure_qualities(space, [positions], np.zeros(150, int))[0] for space in (a, b))
    assert quality.triplets == expected.triplets
    assert quality.trustworthiness == pytest.approx(expected.trustworthiness, abs=1e-12)
    components = [principal_components(one) for one in (small, values)]
    np.testing.assert_allclose(components[0].positions, components[1].positions, atol=1e-5)
    np.testing.assert_array_equal(row_digests(small), row_digests(values))
