"""The further localization figures: slow versions of their definitions and cases worked by hand."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy import ndimage

from reportgen.metrics.bootstrap import intervals
from reportgen.metrics.classification import Classification, classify
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization import controls
from reportgen.metrics.localization.boxes import caffe_boxes, paper_box, paper_boxes, upsample
from reportgen.metrics.localization.evaluation import Errors, Evaluation, summarize
from reportgen.metrics.localization.ilsvrc import Localization, localize
from reportgen.metrics.localization.image_evaluation import (
    CURVE_THRESHOLDS,
    ImageGroundTruth,
    boxes_of_map,
    evaluate_box,
    evaluate_map,
)
from reportgen.metrics.localization.max_box_acc import THRESHOLDS
from reportgen.metrics.localization.pointing import (
    box_mask,
    completeness,
    count_scores,
    energy_in_mask,
    pointing_hit,
    pxap,
)
from reportgen.metrics.localization.study import LocalizationStudy, add_intervals, study_localization

SIDE = 32


def overlap(a: np.ndarray, b: np.ndarray, plus: int = 0) -> float:
    """IoU of two boxes, written out."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + plus
    height = min(a[3], b[3]) - max(a[1], b[1]) + plus
    shared = max(width, 0) * max(height, 0)
    both = sum((c[2] - c[0] + plus) * (c[3] - c[1] + plus) for c in (a, b))
    return shared / (both - shared)


# ------------------------------------------------------------------------------------------------------ boxes


@pytest.mark.parametrize("side", [2, 4, 9])
def test_boxes_at_all_thresholds_equal_those_of_each(side: int) -> None:
    random = np.random.default_rng(side)
    for map_ in (upsample(random.normal(size=(side, side)), 40, 30), random.integers(-2, 4, (side, side)) * 1.0):
        expected = [paper_box(map_, t) for t in CURVE_THRESHOLDS]
        np.testing.assert_array_equal(paper_boxes(map_, CURVE_THRESHOLDS), expected)
    assert np.isnan(paper_boxes(np.full((3, 3), -1.0), CURVE_THRESHOLDS)).all()
    assert np.isnan(paper_boxes(np.array([[np.nan, 1.0]]), CURVE_THRESHOLDS)).all()


def released_caffe(map_: np.ndarray) -> list[list[int]]:
    """The released bounding-box generator step by step: brute-force distances, OpenCV's contours, its way to merge."""
    height, width = map_.shape
    gray = np.round(255 * np.maximum(map_, 0) / map_.max()).astype(np.uint8)
    rects = []
    for threshold in (20, 100, 110):
        binary = np.where(gray > threshold, 255, 0)
        background = np.argwhere(binary == 0)
        if len(background) and len(background) < binary.size:
            distance = np.array(
                [[min(math.dist((y, x), p) for p in background) for x in range(width)] for y in range(height)]
            )
            binary = np.floor(distance * (255 / distance.max()) + 0.5)
        mask = np.where(binary > 10, 255, 0).astype(np.uint8)
        for contour in cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]:
            x, y, w, h = cv2.boundingRect(contour)
            rects.append([min(x, width - 5), min(y, height - 5), min(w, width - x - 5), min(h, height - y - 5)])
    rects.sort(key=lambda r: -r[2] * r[3])
    i = 0
    while i < len(rects):
        j = i + 1
        while j < len(rects):
            a, b = rects[i], rects[j]
            across = max(0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
            down = max(0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
            if across * down > int(max(a[2] * a[3], b[2] * b[3]) * 0.5):
                del rects[j]
            j += 1
        i += 1
    return [[min(x, x + w), min(y, y + h), max(x, x + w), max(y, y + h)] for x, y, w, h in rects]


@pytest.mark.parametrize("seed", range(6))
def test_caffe_boxes_equal_those_of_the_released_code(seed: int) -> None:
    random = np.random.default_rng(seed)
    map_ = upsample(random.normal(size=(4, 4)), 26, 22) if seed else np.ones((26, 22))
    found, expected = caffe_boxes(map_).tolist(), released_caffe(map_)
    assert sorted(found) == sorted(expected)  # boxes of one size have no order in the released code
    assert found[0] == expected[0]


def test_maps_without_evidence_have_no_caffe_boxes() -> None:
    assert caffe_boxes(np.zeros((9, 9))).shape == (0, 4)
    assert caffe_boxes(np.full((9, 9), np.nan)).shape == (0, 4)


# --------------------------------------------------------------------------------------------------- pointing


def test_inside_counts_pixel_centres_in_the_box() -> None:
    whole = np.array([0.0, 0, 8, 4])
    mask = box_mask(np.array([[2.0, 1, 6, 3], [7, 0, 8, 1]]), whole, (4, 4))
    assert mask.astype(int).tolist() == [[0, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert box_mask(np.array([[0.0, 0, 8, 4]]), np.array([2.0, 0, 6, 4]), (4, 4)).all()
    wide = box_mask(np.array([[2.0, 1, 6, 3]]), np.array([0.0, 0, 8, 4]), (2, 4))
    assert wide.astype(int).tolist() == [[0, 1, 1, 0], [0, 0, 0, 0]]


def test_pointing_energy_and_completeness_match_values_by_hand() -> None:
    map_ = np.array([[4.0, -8, 0], [2, 4, 0], [0, 0, 2]])
    mask = np.array([[True, True, False], [False, False, False], [False, False, True]])
    assert pointing_hit(map_, mask)  # the first of two maxima is the one
    assert not pointing_hit(map_, ~mask)
    assert energy_in_mask(map_, mask) == pytest.approx(6 / 12)
    for nothing in (-map_ * 0, np.full((3, 3), -1.0), np.full((3, 3), np.nan)):
        assert not pointing_hit(nothing, mask)
        assert energy_in_mask(nothing, mask) == 0
    assert completeness(np.array([0.0, 0, 4, 4]), np.array([[2.0, 2, 6, 6], [3, 3, 5, 5]])) == 0.25
    assert completeness(np.full(4, np.nan), np.array([[2.0, 2, 6, 6]])) == 0


def test_pxap_equals_thresholding_all_pixels_together() -> None:
    random = np.random.default_rng(1)
    masks = random.random((3, 9, 9)) < 0.4
    scores = np.clip(random.random((3, 9, 9)) * 0.7 + 0.3 * masks, 0, 1)
    scores[:, 0, 0], scores[:, 8, 8] = 0, 1
    area, recall = 0.0, 0.0
    for threshold in np.append(THRESHOLDS, 1.0)[::-1]:
        kept = scores >= threshold
        now = (kept & masks).sum() / masks.sum()
        area += (kept & masks).sum() / kept.sum() * (now - recall)
        recall = now
    counts = [count_scores(s, m) for s, m in zip(scores, masks, strict=True)]
    assert pxap(counts) == pytest.approx(area, rel=1e-12)
    perfect = count_scores(masks[0].astype(float), masks[0])
    assert pxap([perfect]) == 1.0


# -------------------------------------------------------------------------------------------------- bootstrap


def test_bootstrap_equals_one_written_with_loops() -> None:
    values = np.random.default_rng(5).random((7, 2))
    random = np.random.default_rng(0)
    drawn = random.integers(0, 7, (1000, 7))
    means = np.array([values[row].mean(0) for row in drawn])
    expected = [tuple(np.quantile(means[:, q], [0.025, 0.975])) for q in range(2)]
    np.testing.assert_allclose(intervals(values), expected, rtol=1e-5)


def test_bootstrap_interval_of_a_mean_is_close_to_the_normal_one() -> None:
    flags = (np.arange(400) % 4 == 0).astype(float)
    ((low, high),) = intervals(flags[:, None])
    half = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert (low, high) == pytest.approx((0.25 - half, 0.25 + half), abs=0.006)


# --------------------------------------------------------------------------------------------------- controls


def at(true: list, size: tuple, mask: np.ndarray | None = None, side: int = 4) -> ImageGroundTruth:
    """An image of which the network sees everything."""
    return ImageGroundTruth(np.array(true, float), np.array(size), np.array([0.0, 0, *size]), (side, side), mask)


def of(control: tuple, rank: list[int]) -> Evaluation:
    return summarize(*control, np.array(rank), 2)


def test_controls_match_values_by_hand() -> None:
    places = [at([[25, 25, 75, 75]], (100, 100)), at([[0, 0, 200, 100], [0, 0, 2, 2]], (200, 100))]
    whole = of(controls.whole_image(places), [0, 1])
    assert whole.gt_known_correct.tolist() == [False, True]
    assert whole.gt_known == Rate(1, 2)
    assert (whole.recipes["paper"].top1, whole.recipes["paper"].top5) == (Rate(2, 2), Rate(1, 2))
    assert whole.pointing_hits.tolist() == [True, True]
    assert whole.energy_in_boxes.tolist() == [0.25, 1]
    assert whole.completeness.tolist() == [1, 1]
    assert (whole.max_box_acc.value, whole.max_box_acc_v2.value) == (0.5, 0.5)
    assert of(
        controls.centred_box(places), [0, 0]
    ).gt_known_correct.all()  # such as 70 % × 71 %: 2500/4970 and 4970/10000
    maps = np.zeros((2, 4, 4))
    maps[:, 1:3, 1:3] = [[[1]], [[5]]]
    mean = of(controls.mean_map(maps, places), [0, 0])
    assert mean.gt_known_correct.tolist() == [True, False]
    assert mean.energy_in_boxes.tolist() == [1, 1]
    assert mean.completeness.tolist() == [1, 0.25]  # the small box in the corner is missed
    nothing = of(controls.mean_map(-maps, places), [0, 0])
    assert nothing.gt_known_correct.tolist() == [False, False]
    assert (nothing.energy_in_boxes.tolist(), nothing.completeness.tolist()) == ([0, 0], [0, 0])
    random = of(controls.random_weights([{1: np.ones((4, 4))}, {}], places), [0, 0])
    assert (random.rows.tolist(), random.gt_known_correct.tolist()) == ([1], [True])
    assert "1 of the images" in random.description
    corner = np.zeros((4, 4))
    corner[3, 3] = 1
    random = of(controls.random_weights([{1: np.ones((4, 4))}, {0: corner}], places), [0, 0])
    assert (random.rows.tolist(), random.gt_known_correct.tolist()) == ([0, 1], [False, True])
    assert "one of 2 draws of the weights, whose GT-known errors are 0.0 %, 100.0 %" in random.description


def test_evaluation_of_a_box_matches_values_by_hand() -> None:
    """IoU exactly at the limit; inclusive pixels change it; the box as a map; no box at all."""
    true = [[0.0, 0, 8, 4]]
    mask = np.zeros((224, 224), bool)
    mask[:56, :56] = True  # a quarter of the box below
    held = evaluate_box(np.array([0.0, 0, 4, 4]), at(true, (8, 8), mask, 8))
    assert held.correct_by_threshold.all()  # 16 of 32
    assert held.caffe_correct == (True, False)  # 25 of 45
    assert held.any_contour_correct.all(1).tolist() == [True, True, False]
    assert held.largest_contour_correct.all()
    assert (held.pointing_hit, held.energy_in_boxes, held.completeness) == (True, 1.0, 0.5)
    assert pxap([held.pixel_counts]) == pytest.approx(0.25)  # all of the object is in the box, of which it is a quarter
    narrow = evaluate_box(np.array([0.0, 0, 3.99, 4]), at(true, (8, 8), None, 8))
    assert not narrow.correct_by_threshold.any()
    assert narrow.pixel_counts is None
    below = evaluate_box(np.array([0.0, 2, 8, 8]), at(true, (8, 8), None, 8))
    assert not below.pointing_hit  # its middle is at 5 from above
    assert below.energy_in_boxes == pytest.approx(1 / 3)
    none = evaluate_box(np.full(4, np.nan), at(true, (8, 8), mask, 8))
    assert not any(
        (
            none.correct_by_threshold.any(),
            none.largest_contour_correct.any(),
            none.pointing_hit,
            none.energy_in_boxes,
            none.completeness,
        )
    )


def test_map_that_is_a_box_has_the_figures_of_the_box() -> None:
    """At the network's own size, where a map is not interpolated: the two ways into the figures agree."""
    map_ = np.zeros((224, 224))
    map_[40:160, 20:100] = 3
    place = at([[10, 30, 90, 200], [0, 0, 5, 5]], (224, 224), np.eye(224, dtype=bool), 224)
    by_map, by_box = (
        evaluate_map(boxes_of_map(map_, (224, 224)), place),
        evaluate_box(np.array([20.0, 40, 100, 160]), place),
    )
    assert by_map.correct_by_threshold.tolist() == by_box.correct_by_threshold.tolist()
    assert by_map.energy_in_boxes == pytest.approx(by_box.energy_in_boxes)
    assert by_map.completeness == by_box.completeness
    assert (
        by_map.any_contour_correct[:, :-1].tolist() == by_box.any_contour_correct[:, :-1].tolist()
    )  # nothing is above 255
    np.testing.assert_array_equal(by_map.pixel_counts, by_box.pixel_counts)


def test_centred_box_control_has_the_best_size() -> None:
    random = np.random.default_rng(2)
    sizes = random.integers(50, 90, (12, 2))
    true = [np.array([[x, y, x + w, y + h]]) * 1.0 for x, y, w, h in random.integers(1, 40, (12, 4))]
    best = 0
    for width in range(1, 21):
        for height in range(1, 21):
            shares = np.array([10 - width / 2, 10 - height / 2, 10 + width / 2, 10 + height / 2]) / 20
            hits = sum(overlap(shares * [*s, *s], t[0]) >= 0.5 for s, t in zip(sizes, true, strict=True))
            best = max(best, hits)
    places = [at(t, (int(s[0]), int(s[1]))) for s, t in zip(sizes, true, strict=True)]
    assert of(controls.centred_box(places), [0] * 12).gt_known_correct.sum() == best


# ------------------------------------------------------------------------------------------------------ study


@pytest.fixture(scope="module")
def case() -> tuple[LocalizationStudy, Localization, Classification, dict]:
    """Fourteen images, twelve of them judged, maps of 4×4, an input of 32×32; one map is flat, one not a number."""
    random = np.random.default_rng(4)
    n = 14
    labels = random.integers(0, 7, n)
    labels[3] = -1
    logits = random.normal(size=(n, 7)).astype(np.float32)
    logits[np.arange(n), labels] += 2
    named = classify(logits, labels)
    maps = random.normal(size=(n, 6, 4, 4)).astype(np.float32) + 0.5
    classes = np.concatenate((named.top_classes, labels[:, None]), 1)
    for i, j in np.argwhere(named.top_classes == labels[:, None]):
        maps[i, j] = maps[i, -1]
    maps[5, :] = 0
    maps[6, -1, 0, 0] = np.nan
    sizes = random.integers(40, 90, (n, 2))
    windows = np.concatenate((np.zeros((n, 2)), sizes), 1)
    true = []
    for i in range(n):
        x, y = random.integers(0, 15, (2, 1 + i % 3))
        true.append(np.stack((x, y, x + random.integers(9, 25), y + random.integers(9, 25)), 1) * 1.0)
    true[8] = np.zeros((0, 4))
    where = localize(maps, classes, true, sizes, windows, (SIDE, SIDE))
    assert where is not None
    given = {"maps": maps, "classes": classes, "true_boxes": true, "sizes": sizes, "windows": windows}
    mask = {0: np.random.default_rng(0).random((224, 224)) < 0.3}
    found = study_localization(
        where, named, **given, input_size=(SIDE, SIDE), random_maps=[{0: maps[1, -1]}, {4: maps[2, -1]}], masks=mask
    )
    return found, where, named, given


def test_error_curve_has_the_oracle_and_held_out_thresholds(case: tuple) -> None:
    found, where, _, given = case
    assert found.images.tolist() == [i for i in range(14) if i not in (3, 8)]
    right = np.zeros((12, 100), bool)
    for j, i in enumerate(found.images):
        map_ = upsample(given["maps"][i, -1], SIDE, SIDE)
        scale = np.tile(given["sizes"][i], 2) / SIDE
        for t, threshold in enumerate(CURVE_THRESHOLDS):
            box = paper_box(map_, threshold) * scale
            right[j, t] = not np.isnan(box).any() and max(overlap(box, b) for b in given["true_boxes"][i]) >= 0.5
    np.testing.assert_allclose(found.error_curve, 1 - right.mean(0))
    assert found.error_curve[19] == pytest.approx(where.gt_known_error.value)  # the fixed 20 %
    assert found.oracle_threshold.gt_known.value == found.error_curve.min()
    chosen = int(np.argmax(right[[0, 2, 4, 6, 8, 10]].sum(0)))
    assert found.held_out_threshold is not None
    assert found.held_out_threshold.threshold == CURVE_THRESHOLDS[chosen]
    assert found.held_out_threshold.gt_known == Rate(int((~right[1::2, chosen]).sum()), 6)


def test_recipes_of_the_study_match_their_functions(case: tuple) -> None:
    found, where, named, given = case
    paper, caffe, v2 = (found.label_map.recipes[name] for name in ("paper", "caffe", "v2"))
    assert (paper.top1, paper.top5, paper.gt_known) == (where.top1_error, where.top5_error, where.gt_known_error)
    wrong1 = wrong5 = wrong = 0
    for i in found.images:
        map_ = upsample(given["maps"][i, -1], SIDE, SIDE)
        boxes = [b * np.tile(given["sizes"][i], 2) / SIDE for b in caffe_boxes(map_)[:2]]
        fits = [max(overlap(b, t, 1) for t in given["true_boxes"][i]) >= 0.5 for b in boxes] + [False, False]
        label = given["classes"][i, -1]
        guesses = [(c, b) for c, b in zip(named.top_classes[i, [0, 0, 1, 1, 2]], (0, 1, 0, 1, 0), strict=True)]
        wrong1 += not (named.top_classes[i, 0] == label and fits[0])
        wrong5 += not any(c == label and fits[b] for c, b in guesses)
        wrong += not fits[0]
    assert (caffe.top1, caffe.top5, caffe.gt_known) == (Rate(wrong1, 12), Rate(wrong5, 12), Rate(wrong, 12))
    assert v2.gt_known.value == pytest.approx(1 - found.label_map.max_box_acc_v2.best[1])
    assert v2.top1.value >= v2.top5.value >= v2.gt_known.value
    assert found.label_map.max_box_acc.value <= found.label_map.max_box_acc_v2.best[1]


def test_study_has_controls_and_groups_over_all_images(case: tuple) -> None:
    found, where, _, given = case
    for j, i in enumerate(found.images):
        map_ = upsample(given["maps"][i, -1], SIDE, SIDE)
        width, height = given["sizes"][i]
        mask = np.array(
            [
                [
                    any(b[0] <= (x + 0.5) * width / SIDE < b[2] and b[1] <= (y + 0.5) * height / SIDE < b[3]
                        for b in given["true_boxes"][i])
                    for x in range(SIDE)
                ]
                for y in range(SIDE)
            ]
        )  # fmt: skip
        assert found.controls["whole_image"].energy_in_boxes[j] == pytest.approx(mask.mean())
        if np.isfinite(map_).all() and map_.max() > 0:
            positive = np.maximum(map_, 0)
            assert found.label_map.energy_in_boxes[j] == pytest.approx((positive * mask).sum() / positive.sum())
            assert found.label_map.pointing_hits[j] == mask[ndimage.maximum_position(map_)]
    assert found.label_map.energy_in_boxes[list(found.images).index(5)] == 0
    assert found.controls["whole_image"].gt_known == where.whole_image_error
    assert found.controls["random_weights"].rows.tolist() == [0, 3]  # image 4 is the fourth that is judged
    assert list(found.controls) == ["whole_image", "centre", "mean_map", "random_weights"]
    for rows in found.breakdowns.values():
        assert sum(row.gt_known.n for row in rows) == 12
        assert sum(row.gt_known.count for row in rows) == where.gt_known_error.count
        assert sum(row.whole_image.count for row in rows) == where.whole_image_error.count
    assert [row.name for row in found.breakdowns["Ground-truth boxes"]] == ["1", "2", "3 to 4"]
    assert found.label_map.n_masks == 1
    assert found.label_map.pxap is not None


def test_intervals_of_shares_are_wilsons_also_at_their_ends(case: tuple) -> None:
    found, where, _, _ = case
    for name, rate in (("top1", where.top1_error), ("top5", where.top5_error), ("gt_known", where.gt_known_error)):
        assert found.label_map.ci95[f"{name}_error"] == rate.interval
    none_wrong = np.ones(len(found.images), bool)
    right = replace(found.label_map, recipes={"paper": Errors(none_wrong, none_wrong, none_wrong)})
    low, high = add_intervals(right).ci95["gt_known_error"]
    assert low == 0
    assert high == pytest.approx(1.96**2 / (len(right.rows) + 1.96**2), rel=1e-3)  # Wilson at 0


def test_intervals_contain_their_figures(case: tuple) -> None:
    found, where, _, _ = case
    figures = {
        "top1_error": where.top1_error.value,
        "top5_error": where.top5_error.value,
        "gt_known_error": where.gt_known_error.value,
        "pointing_game": found.label_map.pointing_hits.mean(),
        "energy": found.label_map.energy_in_boxes.mean(),
        "completeness": found.label_map.completeness.mean(),
        "max_box_acc": found.label_map.max_box_acc.value,
        "max_box_acc_v2": found.label_map.max_box_acc_v2.value,
    }
    assert set(figures) == set(found.label_map.ci95)
    for name, value in figures.items():
        low, high = found.label_map.ci95[name]
        assert 0 <= low <= value + 1e-6, name
        assert value - 1e-6 <= high <= 1, name
