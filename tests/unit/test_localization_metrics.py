"""Classification and localization errors: cases worked by hand and slow versions of the definitions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from reportgen.metrics.classification import classify
from reportgen.metrics.failures import OUTCOMES, outcome_of, outcomes_of
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.boxes import area, intersection, iou, paper_box, to_image, upsample
from reportgen.metrics.localization.ilsvrc import localize

NAN_BOX = np.full(4, np.nan)
Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def grid(*rows: str) -> np.ndarray:
    """A map drawn with digits; a dot is 0."""
    return np.array([[0.0 if c == "." else float(c) for c in row] for row in rows])


# ------------------------------------------------------------------------------------------------------- boxes


def slow_box(map_: np.ndarray, threshold: float = 0.2) -> list[int] | None:
    """The box of the largest 8-connected component of map ≥ threshold × maximum, by flood fill in reading order."""
    height, width = map_.shape
    if not np.isfinite(map_).all() or map_.max() <= 0:
        return None
    keep = {(y, x) for y in range(height) for x in range(width) if map_[y, x] >= threshold * map_.max()}
    largest: set[tuple[int, int]] = set()
    while keep:
        component, border = set(), [min(keep)]
        while border:
            y, x = border.pop()
            if (y, x) in keep:
                keep.remove((y, x))
                component.add((y, x))
                border += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        if len(component) > len(largest):
            largest = component
    ys, xs = [y for y, _ in largest], [x for _, x in largest]
    return [min(xs), min(ys), max(xs) + 1, max(ys) + 1]


@pytest.mark.parametrize(
    ("map_", "box"),
    [
        pytest.param(grid(".....", ".99..", ".99..", "....."), [1, 1, 3, 3], id="one square"),
        pytest.param(grid("9....", ".....", "...88", "...88"), [3, 2, 5, 4], id="largest by pixels, not by value"),
        pytest.param(grid("99...", ".....", "...99"), [0, 0, 2, 1], id="equal sizes: the first in reading order"),
        pytest.param(grid("9...", ".9..", "..9."), [0, 0, 3, 3], id="corners connect"),
        pytest.param(grid("....9", "....."), [4, 0, 5, 1], id="at the border"),
        pytest.param(grid("333", "333"), [0, 0, 3, 2], id="constant"),
        pytest.param(np.array([[10.0, 2.0, 1.9]]), [0, 0, 2, 1], id="exactly 20 % is kept, less is not"),
        pytest.param(np.array([[5.0, -9.0]]), [0, 0, 1, 1], id="negative evidence is no evidence"),
        pytest.param(grid("...", "..."), None, id="nothing"),
        pytest.param(-grid("123", "456"), None, id="negative"),
        pytest.param(np.array([[1.0, np.nan]]), None, id="not a number"),
        pytest.param(np.array([[1.0, np.inf]]), None, id="infinite"),
    ],
)
def test_paper_box_matches_values_by_hand(map_: np.ndarray, box: list[int] | None) -> None:
    assert slow_box(map_) == box
    found = paper_box(map_)
    assert np.isnan(found).all() if box is None else found.tolist() == box


@given(st.integers(1, 7), st.integers(1, 7), st.data())
@settings(max_examples=120, deadline=None)
def test_paper_box_equals_a_flood_fill(height: int, width: int, data: st.DataObject) -> None:
    cells = data.draw(
        st.lists(st.sampled_from([-3, 0, 0, 1, 2, 9, 10]), min_size=height * width, max_size=height * width)
    )
    map_ = np.array(cells, float).reshape(height, width)
    expected, found = slow_box(map_), paper_box(map_)
    assert np.isnan(found).all() if expected is None else found.tolist() == expected


@pytest.mark.parametrize(
    ("source", "target"), [((7, 7), (224, 224)), ((13, 13), (227, 227)), ((1, 1), (5, 6)), ((3, 5), (4, 2))]
)
def test_upsampling_equals_bilinear_interpolation_of_torch(source: tuple[int, int], target: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, *source))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(maps), target, mode="bilinear", align_corners=False, antialias=False
    )
    np.testing.assert_allclose(upsample(maps, *target), expected.numpy(), atol=1e-12)


def test_box_in_the_input_is_mapped_to_the_image() -> None:
    size = np.array([400, 300])
    whole = np.array([0.0, 0, 400, 300])
    assert to_image(np.array([0.0, 0, 224, 224]), whole, (224, 224), size).tolist() == [0, 0, 400, 300]
    assert to_image(np.array([56.0, 112, 112, 224]), whole, (224, 224), size).tolist() == [100, 150, 200, 300]
    centre = np.array([100.0, 50, 300, 250])
    assert to_image(np.array([0.0, 56, 112, 224]), centre, (224, 224), size).tolist() == [100, 100, 200, 250]
    beyond = np.array([-20.0, -10, 420, 310])
    assert to_image(np.array([0.0, 0, 224, 224]), beyond, (224, 224), size).tolist() == [0, 0, 400, 300]
    assert np.isnan(to_image(NAN_BOX, whole, (224, 224), size)).all()
    assert to_image(np.array([32.0, 8, 64, 32]), whole, (32, 128), size).tolist() == [100, 75, 200, 300]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),  # half-open: they touch and share nothing
        ([0, 0, 10, 10], [20, 20, 30, 30], 0.0),
        ([0, 0, 10, 10], [0, 0, 10, 5], 0.5),
        ([0, 0, 10, 10], [5, 5, 15, 15], 25 / 175),
        ([2, 2, 4, 4], [0, 0, 10, 10], 4 / 100),
        ([np.nan] * 4, [0, 0, 1, 1], 0.0),
    ],
)
def test_iou_matches_values_by_hand(a: list[float], b: list[float], expected: float) -> None:
    assert iou(np.array(a, float), np.array([b], float)).tolist() == [expected]


def test_iou_with_several_boxes_equals_counted_pixels() -> None:
    random = np.random.default_rng(3)
    corners = np.sort(random.integers(0, 20, (30, 2, 2)), axis=1)
    boxes = np.concatenate([corners[:, 0], corners[:, 1] + 1], 1).astype(float)
    pixels = np.zeros((30, 21, 21), bool)
    for mask, (x0, y0, x1, y1) in zip(pixels, boxes.astype(int), strict=True):
        mask[y0:y1, x0:x1] = True
    for i in range(30):
        expected = [(pixels[i] & p).sum() / (pixels[i] | p).sum() for p in pixels]
        np.testing.assert_allclose(iou(boxes[i], boxes), expected, rtol=1e-12)
        np.testing.assert_array_equal(intersection(boxes[i], boxes), [(pixels[i] & p).sum() for p in pixels])
    np.testing.assert_array_equal(area(boxes), pixels.sum((1, 2)))


# ---------------------------------------------------------------------------------------------- classification


def test_classification_errors_match_values_by_hand() -> None:
    logits = np.array(
        [
            [9, 1, 2, 3, 4, 5, 0],  # label 0: right
            [9, 1, 2, 3, 4, 5, 0],  # label 2: among the five (0 5 4 3 2)
            [9, 1, 2, 3, 4, 5, 0],  # label 1: not among the five
            [9, 1, 2, 3, 4, 5, 0],  # no label
        ],
        np.float32,
    )
    found = classify(logits, np.array([0, 2, 1, -1]))
    assert found.top_classes[0].tolist() == [0, 5, 4, 3, 2]
    assert found.labelled.tolist() == [True, True, True, False]
    assert found.top1_correct.tolist() == [True, False, False, False]
    assert found.top5_correct.tolist() == [True, True, False, False]
    assert (found.top1_error, found.top5_error) == (Rate(2, 3), Rate(1, 3))
    e = [math.exp(v) for v in logits[0].tolist()]
    np.testing.assert_allclose(found.scores[0], sorted((v / sum(e) for v in e), reverse=True)[:5])


def test_equal_logits_rank_the_lower_class_first() -> None:
    found = classify(np.zeros((3, 8), np.float32), np.array([0, 4, 5]))
    assert found.top_classes.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert found.top1_correct.tolist() == [True, False, False]
    assert found.top5_correct.tolist() == [True, True, False]


def test_classification_without_labels_has_no_error() -> None:
    found = classify(np.ones((2, 3), np.float32), np.array([-1, -1]))
    assert found.top1_error is None
    assert found.top5_error is None
    assert not found.top5_correct.any()


def test_classification_takes_one_image_and_fewer_than_five_classes() -> None:
    only = classify(np.array([[0.5]], np.float32), np.array([0]))
    assert (only.top_classes.tolist(), only.scores.tolist(), only.top1_error) == ([[0]], [[1.0]], Rate(0, 1))
    three = classify(np.array([[1, 3, 2]], np.float32), np.array([0]))
    assert three.top_classes.tolist() == [[1, 2, 0]]
    assert (three.top1_error, three.top5_error) == (Rate(1, 1), Rate(0, 1))


def test_label_outside_of_the_classes_is_never_right() -> None:
    found = classify(np.array([[1, 3, 2]], np.float32), np.array([3]))
    assert (found.top1_error, found.top5_error) == (Rate(1, 1), Rate(1, 1))


def test_softmax_of_huge_logits_does_not_overflow() -> None:
    found = classify(np.array([[1e30, 0, -1e30]], np.float32), np.array([0]))
    assert found.scores.tolist() == [[1.0, 0.0, 0.0]]


def test_nan_logits_are_never_right() -> None:
    logits = np.array([[np.nan, np.nan, np.nan], [np.nan, 1, 2]], np.float32)
    found = classify(logits, np.array([0, 0]), k=3)
    assert found.top_classes.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert not found.top5_correct.any()


# ------------------------------------------------------------------------------------------------ localization


def place(*box: int, size: int = 8) -> np.ndarray:
    """A map of the network's input size that is 1 inside `box`: its own box is `box`."""
    map_ = np.zeros((size, size), np.float32)
    map_[box[1] : box[3], box[0] : box[2]] = 1
    return map_


def test_localization_errors_match_values_by_hand() -> None:
    """Input 8×8, images of 80×40: a box of the input is ten times as wide and five times as high in the image.

    IoU is with the image's true boxes; `whole` is 3200 pixels.
    | image | label | top 2 | true boxes (input cells) | top-1 | top-5 | GT-known | whole |
    |---|---|---|---|---|---|---|---|
    | 0 | 3 | 3 1 | its box | right | right | right | 16 of 64 cells: no |
    | 1 | 3 | 1 3 | the box of class 3's map | wrong class | right | right | no |
    | 2 | 3 | 1 2 | label not among the top; its map fits | no | no | right | no |
    | 3 | 3 | 3 1 | far from 3's map, but where 1's map is | wrong box | that box is another class's | no | no |
    | 4 | 3 | 3 1 | two: the second fits | right | right | right | the first is the whole image |
    | 5 | 3 | 3 1 | no boxes: not judged | | | | |
    | 6 | none | 3 1 | not judged | | | | |
    """
    here, there = (0, 0, 4, 4), (4, 4, 8, 8)
    rows = [
        ([3, 1, 3], [here, there, here], [here]),
        ([1, 3, 3], [there, here, here], [here]),
        ([1, 2, 3], [there, there, here], [here]),
        ([3, 1, 3], [here, there, here], [there]),
        ([3, 1, 3], [here, there, here], [(0, 0, 8, 8), (0, 0, 4, 3)]),
        ([3, 1, 3], [here, there, here], []),
        ([3, 1, -1], [here, there, here], []),
    ]
    classes = np.array([row[0] for row in rows])
    maps = np.array([[place(*box) for box in row[1]] for row in rows])
    true = [np.array(row[2], float).reshape(-1, 4) * [10, 5, 10, 5] for row in rows]
    sizes = np.array([[80, 40]] * 7)
    windows = np.array([[0.0, 0, 80, 40]] * 7)
    found = localize(maps, classes, true, sizes, windows, (8, 8))
    assert found is not None
    assert found.judged.tolist() == [True] * 5 + [False] * 2
    assert found.top1_correct.tolist() == [True, False, False, False, True, False, False]
    assert found.top5_correct.tolist() == [True, True, False, False, True, False, False]
    assert found.gt_known_correct.tolist() == [True, True, True, False, True, False, False]
    assert (found.top1_error, found.top5_error, found.gt_known_error) == (Rate(3, 5), Rate(2, 5), Rate(1, 5))
    assert found.whole_image_error == Rate(4, 5)
    assert found.boxes[0, 0].tolist() == [0, 0, 40, 20]
    assert found.boxes[0, 1].tolist() == [40, 20, 80, 40]
    assert found.best_iou[:4].tolist() == [[1, 0, 1], [0, 1, 1], [0, 0, 1], [0, 1, 0]]
    np.testing.assert_allclose(found.best_iou[4], [0.75, 0.25, 0.75])
    assert not found.best_iou[5:].any()
    assert np.isnan(found.boxes[6, 2]).all()


def test_iou_of_exactly_one_half_counts_as_correct() -> None:
    maps = np.array([[place(0, 0, 4, 8), place(0, 0, 4, 8)]])
    arguments = (np.array([[8, 8]]), np.array([[0.0, 0, 8, 8]]), (8, 8))
    exactly = localize(maps, np.array([[0, 0]]), [np.array([[0.0, 0, 8, 8]])], *arguments)
    assert exactly is not None
    assert exactly.best_iou.tolist() == [[0.5, 0.5]]
    assert (exactly.top1_error, exactly.gt_known_error) == (Rate(0, 1), Rate(0, 1))
    less = localize(maps, np.array([[0, 0]]), [np.array([[0.0, 0, 8.01, 8]])], *arguments)
    assert less is not None
    assert (less.top1_error, less.gt_known_error) == (Rate(1, 1), Rate(1, 1))


def test_localization_without_boxes_is_none() -> None:
    maps, sizes, windows = np.ones((1, 2, 2, 2)), np.array([[4, 4]]), np.array([[0.0, 0, 4, 4]])
    box = np.array([[0.0, 0, 4, 4]])
    assert localize(maps, np.array([[0, 0]]), [np.zeros((0, 4))], sizes, windows, (4, 4)) is None
    assert localize(maps, np.array([[0, -1]]), [box], sizes, windows, (4, 4)) is None


@pytest.mark.filterwarnings("error")
def test_maps_without_evidence_have_no_box_and_count_as_errors() -> None:
    maps = np.stack([np.full((2, 4, 4), value) for value in (-1.0, 0.0, np.nan, np.inf, -np.inf)])
    box = [np.array([[0.0, 0, 4, 4]])] * 5
    found = localize(maps, np.zeros((5, 2), int), box, np.full((5, 2), 4), np.array([[0.0, 0, 4, 4]] * 5), (4, 4))
    assert found is not None
    assert np.isnan(found.boxes).all()
    assert (found.top1_error, found.top5_error, found.gt_known_error, found.whole_image_error) == (
        Rate(5, 5),
        Rate(5, 5),
        Rate(5, 5),
        Rate(0, 5),
    )


# --------------------------------------------------------------------------------------------------- failures

TRUE = [[0.0, 0, 10, 10]]


@pytest.mark.parametrize(
    ("box", "true", "kind"),
    [
        pytest.param([0, 0, 10, 10], TRUE, "right", id="right"),
        pytest.param([0, 0, 10, 5], TRUE, "right", id="an IoU of exactly one half is right"),
        pytest.param([0, 0, 10, 4.99], TRUE, "part", id="inside the object"),
        pytest.param([0, 0, 21, 10], TRUE, "more", id="all of the object, and as much again"),
        pytest.param([0, 3, 10, 11], [[0.0, 0, 10, 10], [50, 50, 60, 60]], "right", id="one of two"),
        pytest.param([5, 0, 25, 10], [[0.0, 0, 10, 10], [20, 0, 30, 10]], "multi-instance", id="half of both"),
        pytest.param([0, 0, 32, 10], [[0.0, 0, 10, 10], [20, 0, 30, 10]], "multi-instance", id="all of both"),
        pytest.param([7, 0, 23, 10], [[0.0, 0, 10, 10], [20, 0, 30, 10]], "other", id="0.3 of both is not over 0.3"),
        pytest.param([6, 0, 14, 10], TRUE, "other", id="half of the box exactly is not over half"),
        pytest.param([6.01, 0, 13.99, 10], TRUE, "other", id="just under half of the box"),
        pytest.param([6, 0, 13.9, 10], TRUE, "part", id="just over half of the box"),
        pytest.param([3, 0, 30, 10], TRUE, "more", id="0.7 of the object exactly spills over"),
        pytest.param([3.01, 0, 30, 10], TRUE, "other", id="less than 0.7 of it does not"),
        pytest.param([20, 20, 30, 30], TRUE, "other", id="elsewhere"),
        pytest.param([np.nan] * 4, TRUE, "other", id="no box"),
    ],
)
def test_outcome_follows_the_rules_of_ts_cam(box: list[float], true: list[list[float]], kind: str) -> None:
    assert outcome_of(True, np.array(box, float), np.array(true, float)) == kind
    assert outcome_of(False, np.array(box, float), np.array(true, float)) == "class"
    assert kind in OUTCOMES


def test_outcomes_without_boxes_or_labels_tell_the_class_only() -> None:
    right, labels = np.array([True, False, False]), np.array([2, 2, -1])
    assert outcomes_of(right, labels, None, [np.zeros((0, 4))] * 3) == ["right", "class", "unlabelled"]


# --------------------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize(
    ("count", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (7, 60), (500, 1000), (1, 50_000)]
)
def test_wilson_interval_is_where_the_score_test_does_not_reject(count: int, n: int) -> None:
    """The ends solve |p̂ − p| = z √(p(1 − p)/n) (Wilson 1927), found by bisection."""

    def score(p: float) -> float:
        return (count / n - p) ** 2 - Z95**2 * p * (1 - p) / n

    share, nearby = count / n, 1e-9  # at 0 and 1 the share itself is a root
    low = 0.0 if count == 0 else brentq(score, 0, share - nearby, xtol=1e-15)
    high = 1.0 if count == n else brentq(score, share + nearby, 1, xtol=1e-15)
    np.testing.assert_allclose(Rate(count, n).interval, (low, high), atol=1e-12)
    assert math.erf(Z95 / math.sqrt(2)) == pytest.approx(0.95, abs=1e-15)


def test_rate_of_no_images_is_none() -> None:
    assert Rate.of(np.zeros(0, bool)) is None
    assert Rate.of(np.array([True, False, False, True])) == Rate(2, 4)
    assert Rate(2, 4).value == 0.5
