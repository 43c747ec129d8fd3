"""Failures: quadrants, the ranking of part-only failures, peaks and mean maps, by hand or counted slowly."""

import numpy as np
import pytest
from scipy import stats

from reportgen.audit.findings.control import control_sentence
from reportgen.audit.findings.maps import peak_sentence
from reportgen.metrics.failures import PartOnlyTest, mean_class_maps, peak_concentration, quadrants, rank_part_failures
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.boxes import to_image, to_input
from reportgen.metrics.localization.ilsvrc import Localization
from reportgen.pipeline.part_test import occluding_masks
from tests.support.factories import make_model_audit


def located(boxes: list[list[float]], best: list[float], judged: list[bool]) -> Localization:
    """A localization of which only boxes, best and judged are asked."""
    n, nothing = len(boxes), Rate(0, 1)
    flags = np.zeros(n, bool)
    return Localization(
        np.array(boxes)[:, None], np.array(best)[:, None], np.array(judged), flags, flags, flags, *[nothing] * 4
    )


def test_quadrants_split_the_judged_images() -> None:
    where = located([[0.0, 0, 1, 1]] * 5, [0.5, 0.49, 0.9, 0.0, 1.0], [True, True, True, True, False])
    found = quadrants(np.array([True, True, False, False, True]), where)
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "right-right": [0],
        "right-wrong": [1],
        "wrong-right": [2],
        "wrong-wrong": [3],
    }


def test_part_failures_are_ranked_by_how_small_and_how_far_inside() -> None:
    true = [np.array([[0.0, 0, 10, 10]])] * 4
    boxes = [[0.0, 0, 10, 4], [1.0, 1, 3, 3], [0.0, 0, 5, 5], [8.0, 0, 11, 2]]
    rows, scores, left_out = rank_part_failures(
        ["part", "part", "right", "part"], located(boxes, [0] * 4, [True] * 4), true
    )
    assert rows.tolist() == [1, 3, 0]
    np.testing.assert_allclose(scores, [0.96, 4 / 6 * 0.96, 0.6])
    np.testing.assert_allclose(left_out, [0.96, 0.96, 0.6])
    assert len(rank_part_failures(["right"], None, true)[0]) == 0


def test_boxes_that_cover_the_object_are_ranked_last() -> None:
    """The hammer: its box holds 96 % of the object, and a little less than half of the box is beside it."""
    true = [np.array([[0.0, 0, 10, 10]])] * 3
    boxes = [[0.0, 0, 19, 9.6], [0.0, 0, 12, 7.4], [0.0, 0, 16, 7.5]]
    rows, _, left_out = rank_part_failures(["part"] * 3, located(boxes, [0] * 3, [True] * 3), true)
    np.testing.assert_allclose(left_out, [0.26, 0.25, 0.04])
    assert rows.tolist() == [1, 2, 0]


def part_only_test(whole: float, box: list[float], rest: list[float]) -> PartOnlyTest:
    return PartOnlyTest(np.array([0]), np.ones(1), np.array([whole]), np.array([[box, rest]]), 1)


@pytest.mark.parametrize(
    ("box", "rest", "confirmed"),
    [
        ([0.1, 0.2, 0.15], [0.8, 0.8, 0.9], True),
        ([0.8, 0.8, 0.9], [0.1, 0.2, 0.15], False),
        ([0.9, 0.9, 0.9], [0.9, 0.9, 0.9], False),
        ([0.82, 0.83, 0.81], [0.9, 0.9, 0.9], False),  # a drop below 0.1
        ([0.0, 0.8, 0.3], [0.7, 0.5, 0.6], False),  # more on average, but not beyond the spread of the draws
    ],
)
def test_part_is_confirmed_if_the_interval_of_the_difference_is_above_zero(
    box: list[float], rest: list[float], confirmed: bool
) -> None:
    test = part_only_test(0.9, box, rest)
    assert test.confirmed.tolist() == [confirmed]
    np.testing.assert_allclose(test.drops, [[0.9 - np.mean(box), 0.9 - np.mean(rest)]])
    if len(set(np.subtract(rest, box))) > 1:
        interval = stats.ttest_rel(rest, box).confidence_interval()
        np.testing.assert_allclose(test.intervals, [[interval.low, interval.high]])


def test_part_is_confirmed_by_chance_in_few_images() -> None:
    """1,000 images whose probability does not depend on which region is occluded: at most 2.5 % but for the spread."""
    random = np.random.default_rng(0)
    n = 1000
    test = PartOnlyTest(np.arange(n), np.ones(n), np.full(n, 0.9), random.beta(2, 2, (n, 2, 10)), n)
    assert test.confirmed.mean() <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / n)


def test_occluded_areas_are_equal_and_each_in_its_region() -> None:
    predicted, true = np.array([20, 30, 90, 160]), np.array([10, 20, 200, 200])
    masks = occluding_masks(predicted, true, (224, 224))
    assert masks is not None
    areas = masks.sum((2, 3))
    assert (areas == areas[0, 0]).all()
    y, x = np.mgrid[:14, :14] * 16 + 8
    in_box = (x >= 20) & (x < 90) & (y >= 30) & (y < 160)
    on_object = (x >= 10) & (x < 200) & (y >= 20) & (y < 200)
    centres = masks[:, :, 8::16, 8::16]
    assert not (centres[0] & ~(in_box & on_object)).any()
    assert not (centres[1] & (in_box | ~on_object)).any()
    assert areas[0, 0] == min((in_box & on_object).sum(), (on_object & ~in_box).sum()) // 2 * 256
    assert len({mask.tobytes() for half in masks for mask in half}) == 20
    assert (
        occluding_masks(np.array([10, 20, 200, 197]), true, (224, 224)) is None
    )  # the rest of the object is too small


def test_peaks_count_the_maxima_of_each_cell() -> None:
    maps = np.zeros((12, 3, 3))
    maps[:7, 2, 1] = 1
    maps[7:10, 0, 0] = 2
    maps[10] = np.nan
    found = peak_concentration(maps)
    assert found is not None
    assert (found.share, found.n, found.row, found.column) == (0.7, 10, 2, 1)
    assert found.is_concentrated
    few = peak_concentration(maps[:9])
    assert few is not None
    assert not few.is_concentrated  # too few to say
    assert peak_concentration(np.ones((20, 1, 1))) is None
    assert peak_concentration(-np.ones((20, 3, 3))) is None


def test_mean_maps_average_maps_divided_by_their_maximum() -> None:
    maps = np.array([[[1.0, 0], [0, 0]], [[0, 4.0], [0, 0]], [[-1, -1], [-1, -1]], [[2.0, 2], [2, 2]]])
    found = mean_class_maps(maps, np.array([5, 5, 5, -1]))
    assert list(found) == [5]
    assert found[5].tolist() == [[0.5, 0.5], [0, 0]]


@pytest.mark.parametrize("window", [[0.0, 0, 640, 480], [80.0, 0, 560, 480]])
def test_box_goes_to_the_input_and_back_unchanged(window: list[float]) -> None:
    size, frame = np.array([640, 480]), np.array(window)
    for box in ([10, 20, 100, 200], [0, 0, 224, 224], [3, 4, 5, 6]):
        there = to_image(np.array(box, float), frame, (224, 224), size)
        assert to_input(there, frame, (224, 224)).tolist() == box
    assert to_input(np.array([100.0, 75, 200, 300]), np.array([0.0, 0, 400, 300]), (32, 128)).tolist() == [
        32,
        8,
        64,
        32,
    ]
    assert to_input(np.array([0.0, 0, 3, 3]), np.array([0.0, 0, 640, 480]), (224, 224)).tolist() == [0, 0, 2, 2]


def test_peak_sentence_names_the_cell_that_most_maps_peak_in() -> None:
    maps = np.zeros((12, 2, 3, 3))
    maps[:, 0, 1, 2] = 1
    text = peak_sentence(make_model_audit([0] * 12, maps=maps))
    assert text.startswith("100 % of the 12 top-1 maps")
    assert "(row 2, column 3 of 3 × 3)" in text
    maps[np.arange(12), 0, np.arange(12) % 3, 0] = 2
    assert peak_sentence(make_model_audit([0] * 12, maps=maps)) == ""


@pytest.mark.parametrize(("fitting", "expected"), [(20, False), (6, False), (5, True)])
def test_control_sentence_appears_unless_the_maps_clearly_beat_the_control(fitting: int, expected: bool) -> None:
    """Twenty images, half with the object in one corner, half in the other: no control is right on any. McNemar's test
    of 6 images against none gives p = 0.03, of 5 against none 0.06."""
    maps = np.zeros((20, 2, 2, 2))
    for i in range(20):
        at = i % 2 if i < fitting else 1 - i % 2
        maps[i, :, at, at] = 1
    corners = [np.array([[0.0, 0, 4, 4]]), np.array([[4.0, 4, 8, 8]])]
    model = make_model_audit([0] * 20, maps=maps, boxes=[corners[i % 2] for i in range(20)])
    assert model.localization is not None
    assert model.localization.gt_known_error == Rate(20 - fitting, 20)
    found = control_sentence(model)
    assert bool(found) is expected
    assert not expected or "net do not clearly beat" in found
