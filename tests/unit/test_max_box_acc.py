"""MaxBoxAcc and V2 against the released evaluation's own steps: OpenCV's contours at each threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.metrics.localization.boxes import INCLUSIVE, iou
from reportgen.metrics.localization.max_box_acc import (
    LEVEL_OF,
    THRESHOLDS,
    bicubic_matrix,
    ious_of_all,
    ious_of_largest,
    max_box_acc,
    score_map,
    squashed_boxes,
)


def slow_iou(a: list[int], b: list[int]) -> float:
    """Inclusive pixels, counted one by one."""
    mine, theirs = ({(x, y) for x in range(box[0], box[2] + 1) for y in range(box[1], box[3] + 1)} for box in (a, b))
    return len(mine & theirs) / len(mine | theirs)


def released_boxes(score: np.ndarray, threshold: float, largest: bool) -> list[list[int]]:
    """wsolevaluation's boxes of one map at one threshold, with OpenCV."""
    cv2 = pytest.importorskip("cv2")
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
    ious = ious_of_largest(score, np.array(true)) if largest else ious_of_all(score, np.array(true))
    found = ious[(thresholds * 255).astype(int)]
    np.testing.assert_allclose(found, released(score, true, largest, thresholds), rtol=1e-12)


@pytest.mark.parametrize("largest", [False, True], ids=["V2", "V1"])
@pytest.mark.parametrize("side", [3, 7, 14])
def test_whole_maps_agree_with_opencv_at_every_eighth_threshold(side: int, largest: bool) -> None:
    score = score_map(np.random.default_rng(side).normal(size=(side, side)))
    true = [[20, 30, 120, 200], [100, 0, 223, 90]]
    thresholds = THRESHOLDS[::40]
    ious = (ious_of_largest if largest else ious_of_all)(score, np.array(true))
    boxes = [np.array(released_boxes(score, t, largest)) for t in thresholds]
    expected = [iou(b[:, None], np.array(true), INCLUSIVE).max() for b in boxes]
    np.testing.assert_array_equal(ious[LEVEL_OF][::40], expected)


def test_bicubic_is_opencvs() -> None:
    cv2 = pytest.importorskip("cv2")
    map_ = np.random.default_rng(0).normal(size=(7, 5))
    expected = cv2.resize(map_, (30, 28), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(bicubic_matrix(7, 28) @ map_ @ bicubic_matrix(5, 30).T, expected, atol=1e-5)


def test_constant_and_broken_maps_have_no_contours() -> None:
    true = np.array([[0, 0, 1, 1]])
    for map_ in (np.full((3, 3), 5.0), np.full((3, 3), np.nan), np.array([[np.inf, 0.0]])):
        score = score_map(map_, 8)
        assert not score.any()
        assert set(ious_of_all(score, true)) == set(ious_of_largest(score, true)) == {0.25}  # of the box 0 0 0 0


def test_boxes_are_squashed_and_cut_to_whole_pixels() -> None:
    boxes = np.array([[10.0, 20, 399, 301], [0, 0, 500, 375]])
    whole = np.array([0.0, 0, 500, 375])
    assert squashed_boxes(boxes, whole).tolist() == [[4, 11, 178, 179], [0, 0, 224, 224]]
    assert squashed_boxes(boxes, np.array([62.5, 0, 437.5, 375])).tolist()[1] == [-37, 0, 261, 224]


def test_accuracies_by_hand() -> None:
    """Two images, IoUs that hold from one 8-bit threshold to another; 0.5 exactly counts."""
    ious = np.zeros((2, 256))
    ious[0, 10:100] = 0.7
    ious[1, 50:200] = 0.5
    found = max_box_acc(ious)
    assert found.best.tolist() == [1.0, 1.0, 0.5]
    assert found.value == pytest.approx(2.5 / 3)
    first = [int(np.argmax([int(t * 255) >= low for t in THRESHOLDS])) for low in (50, 50, 10)]
    assert found.thresholds.tolist() == THRESHOLDS[first].tolist()
    ious[0] = 0.25  # a map without contours has one value throughout
    flat = max_box_acc(ious, (0.5,))
    assert flat.best.tolist() == [0.5]


def test_the_benchmarks_contestants_agree() -> None:
    pytest.importorskip("cv2")
    boxes = pytest.importorskip("benchmarks.boxes")
    given = boxes.case(4, 9)
    np.testing.assert_array_equal(boxes.ours(given), boxes.opencv(given))
