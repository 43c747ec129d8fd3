"""The component tree, compared with labelling each level by itself; maps with their holes filled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from reportgen.metrics.localization.component_tree import Neighbours, component_regions, fill_holes, holes, invert

STRUCTURE = {4: ndimage.generate_binary_structure(2, 1), 8: np.ones((3, 3))}
Row = tuple[int, ...]


def slow_regions(levels: np.ndarray, neighbours: int) -> set[Row]:
    """(level, x0, y0, x1, y1, pixels, first pixel) of every component of every level, each level labelled by itself."""
    rows = set()
    for level in range(1, int(levels.max()) + 1):
        components, count = ndimage.label(levels >= level, STRUCTURE[neighbours])
        for k in range(1, count + 1):
            ys, xs = np.nonzero(components == k)
            first = int(np.flatnonzero(components == k)[0])
            rows.add((level, int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1, len(xs), first))
    return rows


def slow_holes(levels: np.ndarray) -> set[Row]:
    """(level, x0, y0, x1, y1) of the 4-connected parts of the complement that a frame around the map is not part of."""
    rows = set()
    for level in range(1, int(levels.max()) + 1):
        components, count = ndimage.label(np.pad(levels < level, 1, constant_values=True), STRUCTURE[4])
        for k in set(range(1, count + 1)) - {components[0, 0]}:
            ys, xs = np.nonzero(components == k)
            rows.add((level, int(xs.min()) - 1, int(ys.min()) - 1, int(xs.max()), int(ys.max())))
    return rows


@st.composite
def maps(draw: st.DrawFn) -> np.ndarray:
    height, width, top = draw(st.integers(1, 8)), draw(st.integers(1, 8)), draw(st.integers(0, 5))
    cells = draw(st.lists(st.integers(0, top), min_size=height * width, max_size=height * width))
    return np.array(cells).reshape(height, width)


@given(maps(), st.sampled_from([4, 8]))
@settings(max_examples=150, deadline=None)
def test_tree_regions_equal_those_labelled_at_each_level(levels: np.ndarray, neighbours: Neighbours) -> None:
    found = component_regions(levels, None, neighbours)
    rows = list(
        zip(
            found.level.tolist(),
            *found.boxes.T.tolist(),
            found.area.astype(int).tolist(),
            found.first.tolist(),
            strict=True,
        )
    )
    assert len(set(rows)) == len(rows)
    assert set(rows) == slow_regions(levels, neighbours)


@given(maps())
@settings(max_examples=150, deadline=None)
def test_tree_holes_equal_those_labelled_at_each_level(levels: np.ndarray) -> None:
    found = holes(levels, invert(levels, levels))
    assert set(zip(found.level.tolist(), *found.boxes.T.tolist(), strict=True)) == slow_holes(levels)


@given(maps())
@settings(max_examples=150, deadline=None)
def test_hole_filling_commutes_with_the_threshold(levels: np.ndarray) -> None:
    filled = fill_holes(levels, invert(levels, levels))
    for level in range(1, int(levels.max()) + 1):
        np.testing.assert_array_equal(filled >= level, ndimage.binary_fill_holes(levels >= level))


@pytest.mark.parametrize("side", [5, 12])
def test_finer_levels_change_no_region(side: int) -> None:
    fine = ndimage.zoom(np.random.default_rng(side).random((side, side)), 40 / side, order=3)
    fine = np.clip(fine, 0, 1) * 255
    levels = fine.astype(np.uint8).astype(np.int64)
    with_order, without = component_regions(levels, fine), component_regions(levels)
    for name in ("level", "boxes", "area", "first"):
        pair = []
        for found in (with_order, without):
            order = np.lexsort((found.first, found.level))
            pair.append(getattr(found, name)[order])
        np.testing.assert_array_equal(*pair)
    np.testing.assert_array_equal(fill_holes(levels, invert(levels, fine)), fill_holes(levels, invert(levels, levels)))


def test_map_without_positive_values_has_no_regions() -> None:
    found = component_regions(np.zeros((3, 4), int))
    assert (len(found.level), found.boxes.shape) == (0, (0, 4))
    assert found.largest(5).tolist() == [-1] * 6
    assert len(holes(np.zeros((3, 4), int), invert(np.zeros((3, 4), int), np.zeros((3, 4)))).level) == 0


def test_largest_region_of_each_level_matches_values_by_hand() -> None:
    levels = np.array([[2, 0, 1, 1], [2, 0, 1, 0], [0, 0, 0, 3]])
    found = component_regions(levels)
    first, last = found.largest(4), found.largest(4, last=True)
    assert found.boxes[first[1]].tolist() == [
        2,
        0,
        4,
        3,
    ]  # four pixels, not two: the 3 touches at a corner
    assert found.boxes[first[2]].tolist() == [0, 0, 1, 2]
    assert found.boxes[first[3]].tolist() == [3, 2, 4, 3]
    assert first[4] == -1
    assert found.boxes[last[1]].tolist() == [2, 0, 4, 3]
    two = component_regions(np.array([[1, 0, 1]]))
    assert (two.boxes[two.largest(1)[1]].tolist(), two.boxes[two.largest(1, last=True)[1]].tolist()) == (
        [0, 0, 1, 1],
        [2, 0, 3, 1],
    )
