"""Boxes, localization errors, failure types, MaxBoxAcc and the other localization metrics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.metrics.localization.max_box_acc import LevelSets, boxes_in_view, score_map
from tests.fidelity.case import SIDE, Case
from tests.fidelity.comparison import Comparison, compare, needs


def overlap(a: np.ndarray, b: np.ndarray, inclusive: int = 0) -> float:
    """Intersection over union of two boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + inclusive)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + inclusive)
    areas = [(box[2] - box[0] + inclusive) * (box[3] - box[1] + inclusive) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def plain_box(map_: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The box around the largest region above 20 % of the maximum, in pixels of the image."""
    import cv2

    large = cv2.resize(map_.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    if not large.max() > 0:
        return np.full(4, np.nan)
    n, _, stats, _ = cv2.connectedComponentsWithStats((large >= 0.2 * large.max()).astype(np.uint8), connectivity=8)
    x, y, w, h, _ = stats[1 + int(stats[1:n, cv2.CC_STAT_AREA].argmax())]
    return np.array([x, y, x + w, y + h]) * np.tile(np.array(size) / SIDE, 2)


@needs("cv2")
def boxes_and_errors(case: Case) -> Iterator[Comparison]:
    own, sizes = case.figures.localization, [image.size for _, image in case.photographs]
    assert own is not None
    maps, classes = case.array("cam/map"), case.array("cam/class")
    boxes = [[plain_box(m, size) for m in each] for each, size in zip(maps, sizes, strict=True)]
    yield compare(
        "Boxes of the recipe `paper`, pixels", "opencv: resize and connected components", own.boxes, boxes, 1e-3
    )
    ious = [[max(overlap(b, t) for t in true) if b[0] >= 0 else 0.0 for b in each]
            for each, true in zip(boxes, case.true_boxes, strict=True)]  # fmt: skip
    yield compare("IoU", "plain loops", own.best_iou, ious, 1e-6)
    right = np.array(ious) >= 0.5
    is_label = classes[:, :-1] == classes[:, -1:]
    wrong = (
        1 - (right[:, 0] & is_label[:, 0]).mean(),
        1 - (right[:, :-1] & is_label).any(1).mean(),
        1 - right[:, -1].mean(),
    )
    rates = own.top1_error.value, own.top5_error.value, own.gt_known_error.value
    yield compare("Localization errors: top-1, top-5, GT-known", "plain loops", rates, wrong, 1e-12)
    names = ("class", "right", "multi-instance", "part", "more", "other")
    kinds = [
        kind(bool(label), each[0], true)
        for label, each, true in zip(is_label[:, 0], boxes, case.true_boxes, strict=True)
    ]
    pair = ([names.index(name) for name in each] for each in (case.figures.outcomes, kinds))
    yield compare("Outcome of each image", "TS-CAM's rules, written out", *pair)


def kind(right_class: bool, box: np.ndarray, true: np.ndarray) -> str:
    """The rules of TS-CAM's released code, with IoU ≥ 0.5."""
    if not right_class:
        return "class"
    ious = [overlap(box, t) for t in true] if box[0] >= 0 else [0.0]
    if max(ious) >= 0.5:
        return "right"
    if np.isnan(box).any():
        return "other"

    def inside(t: np.ndarray) -> float:
        return max(0, min(box[2], t[2]) - max(box[0], t[0])) * max(0, min(box[3], t[3]) - max(box[1], t[1]))

    def area(b: np.ndarray) -> float:
        return float((b[2] - b[0]) * (b[3] - b[1]))

    if sum(inside(t) > 0.3 * area(t) for t in true) >= 2:
        return "multi-instance"
    best = true[int(np.argmax(ious))]
    if inside(best) > 0.5 * area(box):
        return "part"
    return "more" if inside(best) >= 0.7 * area(best) else "other"


def released_boxes(gray: np.ndarray, level: int, several: bool) -> list[list[int]]:
    """The boxes at one 8-bit threshold, as in wsolevaluation's `compute_bboxes_from_scoremaps`."""
    import cv2

    _, mask = cv2.threshold(gray, level, 255, cv2.THRESH_BINARY)
    contours = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
    if not len(contours):
        return [[0, 0, 0, 0]]
    chosen = contours if several else [max(contours, key=cv2.contourArea)]
    rectangles = [cv2.boundingRect(contour) for contour in chosen]
    return [[x, y, min(x + w, SIDE - 1), min(y + h, SIDE - 1)] for x, y, w, h in rectangles]


@needs("cv2")
def max_box_acc(case: Case) -> Iterator[Comparison]:
    import cv2

    study, found, expected = case.figures.localization_study, [], []
    assert study is not None
    limits, by_limit, single = (0.3, 0.5, 0.7), [], []
    for map_, (_, image), true in zip(case.array("cam/map")[:, -1], case.photographs, case.true_boxes, strict=True):
        large = cv2.resize(map_.astype(np.float64), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        gray = ((large - large.min()) / (large.max() - large.min()) * 255).astype(np.uint8)
        squashed = (true * SIDE / np.tile(image.size, 2)).astype(int)
        ious = np.array(
            [
                [
                    max(overlap(b, t, 1) for b in released_boxes(gray, level, several) for t in squashed)
                    for level in range(256)
                ]
                for several in (True, False)
            ]
        )
        sets = LevelSets(score_map(map_))
        view = boxes_in_view(true, np.array([0, 0, *image.size], float))
        found.append(np.stack((sets.contour_ious(view), sets.largest_contour_ious(view))))
        expected.append(ious)
        level_of = [int(t * gray.max()) for t in np.arange(0, 1, 0.001)]
        by_limit.append([[iou >= limit for iou in ious[0][level_of]] for limit in limits])
        single.append(ious[1][level_of] >= 0.5)
    yield compare(
        "IoU of any and of the largest contour at each 8-bit threshold",
        "opencv's contours, as in wsolevaluation",
        found,
        expected,
        1e-3,
    )
    v2 = np.mean(by_limit, 0).max(1)
    ours = [
        study.label_map.max_box_acc.value,
        *study.label_map.max_box_acc_v2.best,
        study.label_map.max_box_acc_v2.value,
    ]
    yield compare(
        "MaxBoxAcc and MaxBoxAccV2",
        "1,000 thresholds, as in wsolevaluation",
        ours,
        [np.mean(single, 0).max(), *v2, v2.mean()],
        1e-9,
    )


@needs("cv2")
def pointing_energy_completeness(case: Case) -> Iterator[Comparison]:
    import cv2

    study, own = case.figures.localization_study, case.figures.localization
    assert study is not None
    assert own is not None
    rows = []
    for i, (map_, (_, image), true) in enumerate(
        zip(case.array("cam/map")[:, -1], case.photographs, case.true_boxes, strict=True)
    ):
        large = cv2.resize(map_.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.float64)
        x, y = ((np.arange(SIDE) + 0.5) * side / SIDE for side in image.size)
        mask = np.zeros((SIDE, SIDE), bool)
        for x0, y0, x1, y1 in true:
            mask |= ((y0 <= y) & (y < y1))[:, None] & ((x0 <= x) & (x < x1))[None]
        positive = np.maximum(large, 0)
        box = own.boxes[i, -1]
        covered = [
            max(0, min(box[2], t[2]) - max(box[0], t[0])) * max(0, min(box[3], t[3]) - max(box[1], t[1]))
            / ((t[2] - t[0]) * (t[3] - t[1])) for t in true
        ]  # fmt: skip
        rows.append([mask.flat[large.argmax()], positive[mask].sum() / positive.sum(), max(covered)])
    found = np.column_stack(
        (study.label_map.pointing_hits, study.label_map.energy_in_boxes, study.label_map.completeness)
    )
    yield compare("Pointing game, energy, completeness", "plain loops", found, rows, 1e-5)


ALL = (boxes_and_errors, max_box_acc, pointing_energy_completeness)
