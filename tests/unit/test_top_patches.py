"""Top patches and statistics of units, compared with a plain sort and with the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reportgen.metrics.top_patches import TopPatches, differs_when_recomputed, summarize_units


def by_hand(maxima: np.ndarray, unit: int, k: int) -> list[int]:
    """The k images of the highest maximum; ties go to the earlier image."""
    return sorted(range(len(maxima)), key=lambda i: (-maxima[i, unit], i))[:k]


@given(
    arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.integers(-3, 3).map(float)),
    st.integers(1, 5),
    st.integers(1, 7),
)
def test_top_patches_of_batches_equal_one_stable_sort(maxima: np.ndarray, k: int, batch: int) -> None:
    where = np.arange(maxima.size, dtype=np.int32).reshape(maxima.shape)
    top = TopPatches(maxima.shape[1], k)
    for start in range(0, len(maxima), batch):
        top.update(start, maxima[start : start + batch], where[start : start + batch])
    for u in range(maxima.shape[1]):
        images = by_hand(maxima, u, k)
        missing = k - len(images)
        assert top.image[u].tolist() == images + [-1] * missing
        assert top.value[u].tolist() == maxima[images, u].tolist() + [-np.inf] * missing
        assert top.where[u].tolist() == where[images, u].tolist() + [-1] * missing


def test_non_finite_maximum_is_never_a_top_patch() -> None:
    top = TopPatches(1, 2)
    top.update(0, np.array([[np.nan], [1.0], [np.inf], [-2.0]], np.float32), np.zeros((4, 1), np.int32))
    assert top.image.tolist() == [[1, 3]]


@pytest.mark.parametrize(("values", "dead"), [((7, 7, 7.000001), True), ((0, 0, 1e-9), False), ((7, 7, 7.001), False)])
def test_unit_is_dead_if_its_maxima_differ_by_rounding_alone(values: tuple, dead: bool) -> None:
    maxima = np.array(values, np.float32)[:, None]
    (unit,) = summarize_units(maxima, np.zeros((3, 1), np.int32), np.full(3, -1), k=2)
    assert unit.is_dead is dead


def test_single_image_does_not_make_a_unit_dead() -> None:
    for images, dead in ((1, False), (2, True)):
        maxima = np.ones((images, 1), np.float32)
        (unit,) = summarize_units(maxima, np.zeros((images, 1), np.int32), np.zeros(images, np.int64), 2)
        assert unit.is_dead is dead


def test_unit_statistics_match_values_by_hand() -> None:
    labels = np.array([0, 1, 1, -1])
    maxima = np.array([[1, 2], [4, 2], [3, 2], [-1, 2]], np.float32)
    first, dead = summarize_units(maxima, np.array([[0, 1], [2, 3], [4, 5], [6, 7]], np.int32), labels, k=3)
    assert (first.images.tolist(), first.where.tolist()) == ([1, 2, 0], [2, 4, 0])
    assert (first.active_share, first.histogram.sum(), first.bin_edges[0], first.bin_edges[-1]) == (0.75, 4, -1, 4)
    assert not first.is_dead
    assert dead.is_dead
    assert dead.images.tolist() == [0, 1, 2]
    assert dead.histogram.sum() == 4


def test_maximum_that_its_image_alone_does_not_reach_differs() -> None:
    stored, alone = np.array([1.0, 1.0, 0.0, 2.0]), np.array([1.0005, 1.01, 0.0, np.nan])
    assert differs_when_recomputed(stored, alone).tolist() == [False, True, False, True]


def test_rounding_near_zero_counts_as_equal() -> None:
    """Noise of 5e-6 on terms of size 5 is rounding, also where the terms cancel to 1e-3; 1e-3 of the unit's is not."""
    stored, alone = np.array([5.0, 1e-3, 1e-3]), np.array([5.0, 1e-3 + 5e-6, 2e-3])
    assert differs_when_recomputed(stored, alone).tolist() == [False, False, True]
