"""The further localization figures: slow versions from their definitions, and hand-worked cases."""

import math

import numpy as np
import pytest
from scipy import ndimage

from reportgen.metrics.bootstrap import bootstrap, intervals
from reportgen.metrics.classification import Classification, classify
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization import controls
from reportgen.metrics.localization.boxes import caffe_boxes, paper_box, paper_boxes, upsample
from reportgen.metrics.localization.evaluation import CURVE, Measured, Place, hold_box, hold_map, measured, outline
from reportgen.metrics.localization.ilsvrc import Localization, localize
from reportgen.metrics.localization.max_box_acc import THRESHOLDS
from reportgen.metrics.localization.pointing import (
    completeness,
    energy_inside,
    inside,
    points_inside,
    pxap,
    score_counts,
)
from reportgen.metrics.localization.study import Study, study

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
def test_boxes_at_all_thresholds_are_those_of_each(side: int) -> None:
    random = np.random.default_rng(side)
    for map_ in (upsample(random.normal(size=(side, side)), 40, 30), random.integers(-2, 4, (side, side)) * 1.0):
        expected = [paper_box(map_, t) for t in CURVE]
        np.testing.assert_array_equal(paper_boxes(map_, CURVE), expected)
    assert np.isnan(paper_boxes(np.full((3, 3), -1.0), CURVE)).all()
    assert np.isnan(paper_boxes(np.array([[np.nan, 1.0]]), CURVE)).all()


def released_caffe(map_: np.ndarray) -> list[list[int]]:
    """The released bounding-box generator step by step: brute-force distances, OpenCV's contours, its way to merge."""
    cv2 = pytest.importorskip("cv2")
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
def test_caffe_boxes_are_the_released_codes(seed: int) -> None:
    random = np.random.default_rng(seed)
    map_ = upsample(random.normal(size=(4, 4)), 26, 22) if seed else np.ones((26, 22))
    found, expected = caffe_boxes(map_).tolist(), released_caffe(map_)
    assert sorted(found) == sorted(expected)  # boxes of one size have no order in the released code
    assert found[0] == expected[0]


def test_maps_without_evidence_have_no_caffe_boxes() -> None:
    assert caffe_boxes(np.zeros((9, 9))).shape == (0, 4)
    assert caffe_boxes(np.full((9, 9), np.nan)).shape == (0, 4)


# --------------------------------------------------------------------------------------------------- pointing


def test_inside_counts_pixel_centres() -> None:
    whole = np.array([0.0, 0, 8, 4])
    mask = inside(np.array([[2.0, 1, 6, 3], [7, 0, 8, 1]]), whole, 4)
    assert mask.astype(int).tolist() == [[0, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert inside(np.array([[0.0, 0, 8, 4]]), np.array([2.0, 0, 6, 4]), 4).all()


def test_pointing_energy_and_completeness_by_hand() -> None:
    map_ = np.array([[4.0, -8, 0], [2, 4, 0], [0, 0, 2]])
    mask = np.array([[True, True, False], [False, False, False], [False, False, True]])
    assert points_inside(map_, mask)  # the first of two maxima is the one
    assert not points_inside(map_, ~mask)
    assert energy_inside(map_, mask) == pytest.approx(6 / 12)
    for nothing in (-map_ * 0, np.full((3, 3), -1.0), np.full((3, 3), np.nan)):
        assert not points_inside(nothing, mask)
        assert energy_inside(nothing, mask) == 0
    assert completeness(np.array([0.0, 0, 4, 4]), np.array([[2.0, 2, 6, 6], [3, 3, 5, 5]])) == 0.25
    assert completeness(np.full(4, np.nan), np.array([[2.0, 2, 6, 6]])) == 0


def test_pxap_by_thresholding_all_pixels_together() -> None:
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
    counts = [score_counts(s, m) for s, m in zip(scores, masks, strict=True)]
    assert pxap(counts) == pytest.approx(area, rel=1e-12)
    perfect = score_counts(masks[0].astype(float), masks[0])
    assert pxap([perfect]) == 1.0


# -------------------------------------------------------------------------------------------------- bootstrap


def test_the_bootstrap_is_the_one_written_with_loops() -> None:
    values = np.random.default_rng(5).random((7, 2))
    random = np.random.default_rng(0)
    drawn = random.integers(0, 7, (1000, 7))
    means = np.array([values[row].mean(0) for row in drawn])
    expected = [tuple(np.quantile(means[:, q], [0.025, 0.975])) for q in range(2)]
    np.testing.assert_allclose(intervals(values), expected, rtol=1e-5)


def test_the_bootstrap_of_a_mean_is_near_its_normal_interval() -> None:
    flags = (np.arange(400) % 4 == 0).astype(float)
    ((low, high),) = intervals(flags[:, None])
    half = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert (low, high) == pytest.approx((0.25 - half, 0.25 + half), abs=0.006)
    assert bootstrap(400, lambda w: w @ flags[:, None].astype(np.float32)).tolist() == [[low, high]]


# --------------------------------------------------------------------------------------------------- controls


def at(true: list, size: tuple, mask: np.ndarray | None = None, input_size: int = 4) -> Place:
    """An image of which the network sees everything."""
    return Place(np.array(true, float), np.array(size), np.array([0.0, 0, *size]), input_size, mask)


def of(control: tuple, rank: list[int]) -> Measured:
    return measured(*control, np.array(rank), 2)


def test_controls_by_hand() -> None:
    places = [at([[25, 25, 75, 75]], (100, 100)), at([[0, 0, 200, 100], [0, 0, 2, 2]], (200, 100))]
    whole = of(controls.whole_image(places), [0, 1])
    assert whole.fits.tolist() == [False, True]
    assert whole.gt_known == Rate(1, 2)
    assert (whole.recipes["paper"].top1, whole.recipes["paper"].top5) == (Rate(2, 2), Rate(1, 2))
    assert whole.pointing.tolist() == [True, True]
    assert whole.energy.tolist() == [0.25, 1]
    assert whole.complete.tolist() == [1, 1]
    assert (whole.v1.value, whole.v2.value) == (0.5, 0.5)
    assert of(controls.centre(places), [0, 0]).fits.all()  # such as 70 % × 71 %: 2500/4970 and 4970/10000
    maps = np.zeros((2, 4, 4))
    maps[:, 1:3, 1:3] = [[[1]], [[5]]]
    mean = of(controls.mean_map(maps, places), [0, 0])
    assert mean.fits.tolist() == [True, False]
    assert mean.energy.tolist() == [1, 1]
    assert mean.complete.tolist() == [1, 0.25]  # the small box in the corner is missed
    nothing = of(controls.mean_map(-maps, places), [0, 0])
    assert nothing.fits.tolist() == [False, False]
    assert (nothing.energy.tolist(), nothing.complete.tolist()) == ([0, 0], [0, 0])
    random = of(controls.random_weights({1: np.ones((4, 4))}, places), [0, 0])
    assert (random.rows.tolist(), random.fits.tolist()) == ([1], [True])
    assert "1 of the images" in random.about


def test_a_box_by_hand() -> None:
    """IoU exactly at the limit; inclusive pixels change it; the box as a map; no box at all."""
    true = [[0.0, 0, 8, 4]]
    mask = np.zeros((224, 224), bool)
    mask[:56, :56] = True  # a quarter of the box below
    held = hold_box(np.array([0.0, 0, 4, 4]), at(true, (8, 8), mask, 8))
    assert held.known.all()  # 16 of 32
    assert held.caffe == (True, False)  # 25 of 45
    assert held.all_.all(1).tolist() == [True, True, False]
    assert held.largest.all()
    assert (held.pointing, held.energy, held.complete) == (True, 1.0, 0.5)
    assert pxap([held.counts]) == pytest.approx(0.25)  # all of the object is in the box, of which it is a quarter
    narrow = hold_box(np.array([0.0, 0, 3.99, 4]), at(true, (8, 8), None, 8))
    assert not narrow.known.any()
    assert narrow.counts is None
    below = hold_box(np.array([0.0, 2, 8, 8]), at(true, (8, 8), None, 8))
    assert not below.pointing  # its middle is at 5 from above
    assert below.energy == pytest.approx(1 / 3)
    none = hold_box(np.full(4, np.nan), at(true, (8, 8), mask, 8))
    assert not any((none.known.any(), none.largest.any(), none.pointing, none.energy, none.complete))


def test_a_map_that_is_a_box_has_the_boxes_figures() -> None:
    """At the network's own size, where a map is not interpolated: the two ways into the figures agree."""
    map_ = np.zeros((224, 224))
    map_[40:160, 20:100] = 3
    place = at([[10, 30, 90, 200], [0, 0, 5, 5]], (224, 224), np.eye(224, dtype=bool), 224)
    by_map, by_box = hold_map(outline(map_, 224), place), hold_box(np.array([20.0, 40, 100, 160]), place)
    assert by_map.known.tolist() == by_box.known.tolist()
    assert by_map.energy == pytest.approx(by_box.energy)
    assert by_map.complete == by_box.complete
    assert by_map.all_[:, :-1].tolist() == by_box.all_[:, :-1].tolist()  # nothing is above 255
    np.testing.assert_array_equal(by_map.counts, by_box.counts)


def test_the_centred_box_is_the_best_of_its_sizes() -> None:
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
    assert of(controls.centre(places), [0] * 12).fits.sum() == best


# ------------------------------------------------------------------------------------------------------ study


@pytest.fixture(scope="module")
def case() -> tuple[Study, Localization, Classification, dict]:
    """Fourteen images, twelve of them judged, maps of 4×4, an input of 32×32; one map is flat, one not a number."""
    random = np.random.default_rng(4)
    n = 14
    labels = random.integers(0, 7, n)
    labels[3] = -1
    logits = random.normal(size=(n, 7)).astype(np.float32)
    logits[np.arange(n), labels] += 2
    named = classify(logits, labels)
    maps = random.normal(size=(n, 6, 4, 4)).astype(np.float32) + 0.5
    classes = np.concatenate((named.top, labels[:, None]), 1)
    for i, j in np.argwhere(named.top == labels[:, None]):
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
    where = localize(maps, classes, true, sizes, windows, SIDE)
    assert where is not None
    given = {"maps": maps, "classes": classes, "true_boxes": true, "sizes": sizes, "windows": windows}
    mask = {0: np.random.default_rng(0).random((224, 224)) < 0.3}
    found = study(where, named, **given, input_size=SIDE, random_maps={0: maps[1, -1], 4: maps[2, -1]}, masks=mask)
    return found, where, named, given


def test_the_error_curve_and_its_thresholds(case: tuple) -> None:
    found, where, _, given = case
    assert found.images.tolist() == [i for i in range(14) if i not in (3, 8)]
    right = np.zeros((12, 100), bool)
    for j, i in enumerate(found.images):
        map_ = upsample(given["maps"][i, -1], SIDE, SIDE)
        scale = np.tile(given["sizes"][i], 2) / SIDE
        for t, threshold in enumerate(CURVE):
            box = paper_box(map_, threshold) * scale
            right[j, t] = not np.isnan(box).any() and max(overlap(box, b) for b in given["true_boxes"][i]) >= 0.5
    np.testing.assert_allclose(found.curve, 1 - right.mean(0))
    assert found.curve[19] == pytest.approx(where.gt_known.value)  # the fixed 20 %
    assert found.oracle.gt_known.value == found.curve.min()
    chosen = int(np.argmax(right[[0, 2, 4, 6, 8, 10]].sum(0)))
    assert found.heldout is not None
    assert found.heldout.threshold == CURVE[chosen]
    assert found.heldout.gt_known == Rate(int((~right[1::2, chosen]).sum()), 6)


def test_the_recipes(case: tuple) -> None:
    found, where, named, given = case
    paper, caffe, v2 = (found.own.recipes[name] for name in ("paper", "caffe", "v2"))
    assert (paper.top1, paper.top5, paper.gt_known) == (where.top1, where.top5, where.gt_known)
    wrong1 = wrong5 = wrong = 0
    for i in found.images:
        map_ = upsample(given["maps"][i, -1], SIDE, SIDE)
        boxes = [b * np.tile(given["sizes"][i], 2) / SIDE for b in caffe_boxes(map_)[:2]]
        fits = [max(overlap(b, t, 1) for t in given["true_boxes"][i]) >= 0.5 for b in boxes] + [False, False]
        label = given["classes"][i, -1]
        guesses = [(c, b) for c, b in zip(named.top[i, [0, 0, 1, 1, 2]], (0, 1, 0, 1, 0), strict=True)]
        wrong1 += not (named.top[i, 0] == label and fits[0])
        wrong5 += not any(c == label and fits[b] for c, b in guesses)
        wrong += not fits[0]
    assert (caffe.top1, caffe.top5, caffe.gt_known) == (Rate(wrong1, 12), Rate(wrong5, 12), Rate(wrong, 12))
    assert v2.gt_known.value == pytest.approx(1 - found.own.v2.best[1])
    assert v2.top1.value >= v2.top5.value >= v2.gt_known.value
    assert found.own.v1.value <= found.own.v2.best[1]


def test_shares_controls_and_groups(case: tuple) -> None:
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
        assert found.controls["whole_image"].energy[j] == pytest.approx(mask.mean())
        if np.isfinite(map_).all() and map_.max() > 0:
            positive = np.maximum(map_, 0)
            assert found.own.energy[j] == pytest.approx((positive * mask).sum() / positive.sum())
            assert found.own.pointing[j] == mask[ndimage.maximum_position(map_)]
    assert found.own.energy[list(found.images).index(5)] == 0
    assert found.controls["whole_image"].gt_known == where.whole
    assert found.controls["random_weights"].rows.tolist() == [0, 3]  # image 4 is the fourth that is judged
    assert list(found.controls) == ["whole_image", "centre", "mean_map", "random_weights"]
    for rows in found.groups.values():
        assert sum(row.gt_known.n for row in rows) == 12
        assert sum(row.gt_known.count for row in rows) == where.gt_known.count
        assert sum(row.whole.count for row in rows) == where.whole.count
    assert [row.name for row in found.groups["True boxes"]] == ["1", "2", "3 to 4"]
    assert found.own.masked == 1
    assert found.own.pxap is not None


def test_intervals_hold_their_figures(case: tuple) -> None:
    found, where, _, _ = case
    figures = {
        "top1_error": where.top1.value,
        "top5_error": where.top5.value,
        "gt_known_error": where.gt_known.value,
        "pointing_game": found.own.pointing.mean(),
        "energy": found.own.energy.mean(),
        "completeness": found.own.complete.mean(),
        "max_box_acc": found.own.v1.value,
        "max_box_acc_v2": found.own.v2.value,
    }
    assert set(figures) == set(found.own.ci95)
    for name, value in figures.items():
        low, high = found.own.ci95[name]
        assert 0 <= low <= value + 1e-6, name
        assert value - 1e-6 <= high <= 1, name
