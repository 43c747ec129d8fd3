"""Quadrants, the ranking of part failures, peaks and mean maps: by hand, and counted slowly."""

from types import SimpleNamespace

import numpy as np
import pytest

from reportgen.gallery.core import labels as words
from reportgen.metrics.failures import PartTest, mean_maps, peaks, quadrants, ranked_parts
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.boxes import to_image, to_input
from reportgen.metrics.localization.ilsvrc import Localization


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


def test_parts_are_ranked_by_how_small_and_how_inside() -> None:
    true = [np.array([[0.0, 0, 10, 10]])] * 4
    boxes = [[0.0, 0, 10, 4], [1.0, 1, 3, 3], [0.0, 0, 5, 5], [8.0, 0, 11, 2]]
    rows, scores = ranked_parts(["part", "part", "right", "part"], located(boxes, [0] * 4, [True] * 4), true)
    assert rows.tolist() == [1, 3, 0]
    np.testing.assert_allclose(scores, [0.96, 4 / 6 * 0.96, 0.6])
    assert len(ranked_parts(["right"], None, true)[0]) == 0


def test_confirmed_is_a_larger_drop_without_the_box() -> None:
    test = PartTest(
        np.arange(4), np.ones(4), np.array([[0.9, 0.1, 0.8], [0.9, 0.8, 0.1], [0.9, 0.9, 0.9], [0.9, 0.81, 0.9]])
    )
    np.testing.assert_allclose(test.drops[0], [0.8, 0.1])
    assert test.confirmed.tolist() == [True, False, False, False]


def test_peaks_count_the_cells_of_the_maxima() -> None:
    maps = np.zeros((12, 3, 3))
    maps[:7, 2, 1] = 1
    maps[7:10, 0, 0] = 2
    maps[10] = np.nan
    found = peaks(maps)
    assert found is not None
    assert (found.share, found.n, found.row, found.column) == (0.7, 10, 2, 1)
    assert found.alarming
    few = peaks(maps[:9])
    assert few is not None
    assert not few.alarming  # too few to say
    assert peaks(np.ones((20, 1, 1))) is None
    assert peaks(-np.ones((20, 3, 3))) is None


def test_mean_maps_are_of_shares() -> None:
    maps = np.array([[[1.0, 0], [0, 0]], [[0, 4.0], [0, 0]], [[-1, -1], [-1, -1]], [[2.0, 2], [2, 2]]])
    found = mean_maps(maps, np.array([5, 5, 5, -1]))
    assert list(found) == [5]
    assert found[5].tolist() == [[0.5, 0.5], [0, 0]]


@pytest.mark.parametrize("window", [[0.0, 0, 640, 480], [80.0, 0, 560, 480]])
def test_a_box_goes_to_the_input_and_back(window: list[float]) -> None:
    size, frame = np.array([640, 480]), np.array(window)
    for box in ([10, 20, 100, 200], [0, 0, 224, 224], [3, 4, 5, 6]):
        there = to_image(np.array(box, float), frame, 224, size)
        assert to_input(there, frame, 224).tolist() == box
    assert to_input(np.array([0.0, 0, 3, 3]), np.array([0.0, 0, 640, 480]), 224).tolist() == [0, 0, 2, 2]


def test_alarms_in_words() -> None:
    audit = SimpleNamespace(cams=np.zeros((12, 2, 3, 3)))
    audit.cams[:, 0, 1, 2] = 1
    assert words.peak_alarm(audit).startswith(
        "100 % of the 12 top-1 maps peak in the same cell (row 2, column 3 of 3 ×"
    )
    audit.cams[np.arange(12), 0, np.arange(12) % 3, 0] = 2
    assert words.peak_alarm(audit) == ""

    def model(known: Rate, control: Rate) -> SimpleNamespace:
        study = SimpleNamespace(controls={"centre": SimpleNamespace(gt_known=control)})
        where = SimpleNamespace(gt_known=known)
        return SimpleNamespace(study=study, localization=where, card=SimpleNamespace(name="net"))

    for control, told in ((Rate(4, 10), False), (Rate(3, 10), True), (Rate(2, 10), True)):
        found = words.control_alerts(SimpleNamespace(models=[model(Rate(3, 10), control)]))
        assert bool(found) is told
        assert not told or "net do not beat" in found[0]
