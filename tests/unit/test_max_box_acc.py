"""MaxBoxAcc and MaxBoxAccV2, compared with the released evaluation: OpenCV's contours at each threshold."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import boxes as benchmark
from reportgen.metrics.localization.boxes import INCLUSIVE, iou
from reportgen.metrics.localization.max_box_acc import (
    IOU_LIMITS,
    LEVEL_OF_THRESHOLD,
    THRESHOLDS,
    LevelSets,
    MaxBoxAcc,
    bicubic_matrix,
    boxes_in_view,
    score_map,
)


def slow_iou(a: list[int], b: list[int]) -> float:
    """Inclusive pixels, counted one by one."""
    mine, theirs = ({(x, y) for x in range(box[0], box[2] + 1) for y in range(box[1], box[3] + 1)} for box in (a, b))
    return len(mine & theirs) / len(mine | theirs)


def released_boxes(score: np.ndarray, threshold: float, largest: bool) -> list[list[int]]:
    """wsolevaluation's boxes of one map at one threshold, with OpenCV."""
    height, width = score.shape
    image = (score * 255).astype(np.uint8)
    _, binary = cv2.threshold(image, int(threshold * np.max(image)), 255, cv2.THRESH_BINARY)
    contours = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0]
    if not contours:
        return [[0, 0, 0, 0]]
    if largest:
        contours = [max(contours, key=cv2.contourArea)]
    rects = [cv2.boundingRect(contour) for contour in contours]
    return [[x, y, min(x + w, width - 1), min(y + h, height - 1)] for x, y, w, h in rects]


def released(score: np.ndarray, true: list[list[int]], largest: bool, thresholds: np.ndarray) -> list[float]:
    """The best IoU at each threshold, box by box."""
    return [
        max(slow_iou(box, other) for box in released_boxes(score, t, largest) for other in true) for t in thresholds
    ]


@st.composite
def scores(draw: st.DrawFn) -> np.ndarray:
    height, width = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    cells = draw(st.lists(st.sampled_from([0, 0, 60, 61, 130, 255]), min_size=height * width, max_size=height * width))
    score = np.array(cells).reshape(height, width) / 255
    score.flat[0] = 0
    score.flat[-1] = 1
    return score


@pytest.mark.parametrize("largest", [False, True], ids=["V2", "V1"])
@given(score=scores())
@settings(max_examples=120, deadline=None)
def test_small_maps_with_ties_holes_and_nesting_agree_with_opencv(score: np.ndarray, largest: bool) -> None:
    true = [[0, 0, score.shape[1] // 2, score.shape[0] // 2], [1, 1, score.shape[1] - 1, score.shape[0] - 1]]
    thresholds = THRESHOLDS[[0, 235, 236, 300, 600, 999]]
    sets = LevelSets(score)
    ious = (sets.largest_contour_ious if largest else sets.contour_ious)(np.array(true))
    found = ious[(thresholds * 255).astype(int)]
    np.testing.assert_allclose(found, released(score, true, largest, thresholds), rtol=1e-12)


@pytest.mark.parametrize("largest", [False, True], ids=["V2", "V1"])
@pytest.mark.parametrize("side", [3, 7, 14])
def test_whole_maps_agree_with_opencv_at_every_eighth_threshold(side: int, largest: bool) -> None:
    score = score_map(np.random.default_rng(side).normal(size=(side, side)))
    true = [[20, 30, 120, 200], [100, 0, 223, 90]]
    thresholds = THRESHOLDS[::40]
    sets = LevelSets(score)
    ious = (sets.largest_contour_ious if largest else sets.contour_ious)(np.array(true))
    boxes = [np.array(released_boxes(score, t, largest)) for t in thresholds]
    expected = [iou(b[:, None], np.array(true), INCLUSIVE).max() for b in boxes]
    np.testing.assert_array_equal(ious[LEVEL_OF_THRESHOLD][::40], expected)


def test_bicubic_matrix_resizes_as_opencv_does() -> None:
    map_ = np.random.default_rng(0).normal(size=(7, 5))
    expected = cv2.resize(map_, (30, 28), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(bicubic_matrix(7, 28) @ map_ @ bicubic_matrix(5, 30).T, expected, atol=1e-5)


def test_constant_and_non_finite_maps_have_no_contours() -> None:
    true = np.array([[0, 0, 1, 1]])
    for map_ in (np.full((3, 3), 5.0), np.full((3, 3), np.nan), np.array([[np.inf, 0.0]])):
        score = score_map(map_, 8)
        assert not score.any()
        sets = LevelSets(score)
        assert set(sets.contour_ious(true)) == set(sets.largest_contour_ious(true)) == {0.25}  # of the box 0 0 0 0


def test_squashed_boxes_are_whole_pixels_of_the_network_input() -> None:
    boxes = np.array([[10.0, 20, 399, 301], [0, 0, 500, 375]])
    whole = np.array([0.0, 0, 500, 375])
    assert boxes_in_view(boxes, whole).tolist() == [[4, 11, 178, 179], [0, 0, 224, 224]]
    assert boxes_in_view(boxes, np.array([62.5, 0, 437.5, 375])).tolist()[1] == [-37, 0, 261, 224]


def test_max_box_acc_takes_the_best_threshold_of_each_iou_limit() -> None:
    """Two images, IoUs that hold from one 8-bit threshold to another; 0.5 exactly counts."""
    ious = np.zeros((2, 256))
    ious[0, 10:100] = 0.7
    ious[1, 50:200] = 0.5
    found = MaxBoxAcc.of(np.stack([ious >= limit for limit in IOU_LIMITS], 1), IOU_LIMITS)
    assert found.best.tolist() == [1.0, 1.0, 0.5]
    assert found.value == pytest.approx(2.5 / 3)
    first = [int(np.argmax([int(t * 255) >= low for t in THRESHOLDS])) for low in (50, 50, 10)]
    assert found.thresholds.tolist() == THRESHOLDS[first].tolist()
    ious[0] = 0.25  # a map without contours has one value throughout
    flat = MaxBoxAcc.of((ious >= 0.5)[:, None], (0.5,))
    assert flat.best.tolist() == [0.5]


def test_benchmark_computes_the_same_boxes_as_opencv() -> None:
    given = benchmark.case(4, 9)
    np.testing.assert_array_equal(benchmark.ours(given), benchmark.opencv(given))
