"""MaxBoxAccV2 at 1,000 thresholds on 2,000 score maps of 224 x 224, compared with a loop over thresholds with OpenCV.

The maps are bicubic enlargements of seeded noise, half of 7 x 7 (as ResNet's) and half of 14 x 14 (as the CAM paper's
networks), in [0, 1]; each image has one to three true boxes. Both contestants get the same maps and boxes.

- `reportgen`: the component trees of `LevelSets` and `MaxBoxAcc`.
- `opencv`: the steps of wsolevaluation: at each threshold `threshold`, `findContours` with RETR_TREE and `boundingRect`
  of every contour; then the IoU of all boxes with all true boxes, and the best of each threshold. OpenCV's own threads
  are left on. The IoUs are taken for all thresholds at once, and the best by `np.maximum.reduceat`: the released code
  takes the maximum over all boxes again for each threshold, which would cost it as much again.

Each round takes other maps, so that all rounds together see every map once; the warm-up sees some of them before.
Gate: the accuracy of every threshold at every IoU limit is the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.timing import OURS, Result, measure, table
from reportgen.metrics.localization.boxes import INCLUSIVE, iou
from reportgen.metrics.localization.max_box_acc import (
    IOU_LIMITS,
    SIDE,
    THRESHOLDS,
    LevelSets,
    MaxBoxAcc,
    score_map,
)

Case = tuple[list[np.ndarray], list[np.ndarray]]


def run(quick: bool) -> Result:
    """2,000 maps in 4 rounds; `quick`: 60 maps in 3."""
    images, rounds = (60, 3) if quick else (2000, 4)
    cases = [case(images // rounds, seed) for seed in range(rounds)]
    few: Case = (cases[0][0][:4], cases[0][1][:4])
    results: dict[str, list[np.ndarray]] = {OURS: [], "opencv": []}

    def contestant(name: str, accuracy: Callable[[Case], np.ndarray]) -> Callable[[], None]:
        coming = itertools.chain([few], cases)
        return lambda: results[name].append(accuracy(next(coming)))

    timings = measure({OURS: contestant(OURS, ours), "opencv": contestant("opencv", opencv)}, rounds)
    same = all(np.array_equal(a, b) for a, b in zip(*results.values(), strict=True))
    lines = [f"{images} maps in {rounds} rounds", *table(timings)]
    return Result({"opencv": timings.ratio("opencv")}, same, lines)


def case(images: int, seed: int) -> Case:
    """Score maps `(224, 224)` in [0, 1], and int boxes `(B, 4)`, inclusive, in their pixels."""
    random = np.random.default_rng(seed)
    maps = [score_map(random.normal(size=(side, side))) for side in (7, 14) * (images // 2)]
    boxes = []
    for _ in maps:
        corners = np.sort(random.integers(0, SIDE, (int(random.integers(1, 4)), 2, 2)), axis=1)
        boxes.append(corners.reshape(-1, 4))
    return maps, boxes


def ours(given: Case) -> np.ndarray:
    """`(3, 1000)` accuracy at each IoU limit and threshold."""
    ious = np.array([LevelSets(map_).contour_ious(true) for map_, true in zip(*given, strict=True)])
    return MaxBoxAcc.of(np.stack([ious >= limit for limit in IOU_LIMITS], 1), IOU_LIMITS).accuracy


def opencv(given: Case) -> np.ndarray:
    """The same with a loop over the thresholds."""
    best = np.array([opencv_ious(map_, true) for map_, true in zip(*given, strict=True)])
    return np.stack([(best >= limit).mean(0) for limit in IOU_LIMITS])


def opencv_ious(map_: np.ndarray, true: np.ndarray) -> np.ndarray:
    """`(1000,)` best IoU at each threshold."""
    height, width = map_.shape
    image = (map_ * 255).astype(np.uint8)
    peak = image.max()
    boxes, starts = [], []
    for threshold in THRESHOLDS:
        starts.append(len(boxes))
        _, binary = cv2.threshold(image, int(threshold * peak), 255, cv2.THRESH_BINARY)
        for contour in cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0]:
            x, y, w, h = cv2.boundingRect(contour)
            boxes.append((x, y, min(x + w, width - 1), min(y + h, height - 1)))
    return np.maximum.reduceat(iou(np.array(boxes)[:, None], true, INCLUSIVE).max(1), starts)
