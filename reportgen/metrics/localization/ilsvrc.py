"""Localization errors as in ILSVRC: top-1, top-5 and GT-known, with boxes by the recipe of the CAM paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.boxes import iou, paper_box, to_image, upsample
from reportgen.parallel import parallel_map
from reportgen.store.results_cache import Arrays, ResultsCache, row_keys

RECIPE = "paper"
THRESHOLD = 0.2
"""Threshold of the recipe, as a share of the map's maximum."""
IOU = 0.5
"""Least IoU of a correct box."""


@dataclass(frozen=True)
class Localization:
    """Boxes of every image's maps, and the errors over the judged images: those with a label and boxes.

    boxes:    `(N, M, 4)` in pixels of the image, in the order of the maps: the top classes, then the label; NaN: none.
    best_iou: `(N, M)` largest IoU with a ground-truth box; 0 for images without boxes.
    judged:   `(N,)` bool.
    top1_correct: `(N,)` bool: the top class is the label, and its box is correct (IoU ≥ 0.5).
    top5_correct: `(N,)` bool: one of the top classes is the label, and the box of its map is correct.
    gt_known_correct: `(N,)` bool: the box of the label's map is correct, whatever was predicted.
    whole_image_error: GT-known error of a box around the whole image: a control.
    """

    boxes: np.ndarray
    best_iou: np.ndarray
    judged: np.ndarray
    top1_correct: np.ndarray
    top5_correct: np.ndarray
    gt_known_correct: np.ndarray
    top1_error: Rate
    top5_error: Rate
    gt_known_error: Rate
    whole_image_error: Rate


def localize(
    maps: np.ndarray,
    classes: np.ndarray,
    true_boxes: Sequence[np.ndarray],
    sizes: np.ndarray,
    windows: np.ndarray,
    input_size: tuple[int, int],
    groups: np.ndarray | None = None,
    cache: ResultsCache | None = None,
) -> Localization | None:
    """Return boxes and errors; None if no image has both a label and a box.

    maps: `(N, M, h, w)` of the top classes and, as the last, the label; classes: `(N, M)`, −1 for no label;
    true_boxes: N arrays `(B, 4)`; sizes: `(N, 2)`; windows: `(N, 4)`, the network's input in the image;
    input_size: its height and width; groups: `(N,)` of images that are not independent; cache: where boxes are kept.
    """
    n, m = classes.shape
    judged = np.array([len(b) > 0 for b in true_boxes]) & (classes[:, -1] >= 0)
    if not judged.any():
        return None

    boxes = np.full((n, m, 4), np.nan)
    for i, found in enumerate(_boxes_in_input(maps, classes >= 0, input_size, cache)):
        boxes[i] = to_image(found, windows[i], input_size, sizes[i])
    best_iou = np.zeros((n, m))
    whole_image_correct = np.zeros(n, bool)
    for i in np.flatnonzero(judged).tolist():
        best_iou[i] = iou(boxes[i][:, None], true_boxes[i]).max(1)
        whole_image_correct[i] = iou(np.array([0, 0, *sizes[i]], np.float64), true_boxes[i]).max() >= IOU
    is_label = (classes[:, :-1] == classes[:, -1:]) & judged[:, None]
    is_correct = best_iou >= IOU
    both = is_label & is_correct[:, :-1]
    top1_correct, top5_correct, gt_known_correct = both[:, 0], both.any(1), is_correct[:, -1] & judged
    flags = (top1_correct, top5_correct, gt_known_correct, whole_image_correct)
    own_groups = None if groups is None else groups[judged]
    rates = [Rate.of(~correct[judged], own_groups) for correct in flags]
    top1_error, top5_error, gt_known_error, whole_image_error = (rate for rate in rates if rate is not None)
    return Localization(
        boxes=boxes,
        best_iou=best_iou,
        judged=judged,
        top1_correct=top1_correct,
        top5_correct=top5_correct,
        gt_known_correct=gt_known_correct,
        top1_error=top1_error,
        top5_error=top5_error,
        gt_known_error=gt_known_error,
        whole_image_error=whole_image_error,
    )


def _boxes_in_input(
    maps: np.ndarray, has_map: np.ndarray, input_size: tuple[int, int], cache: ResultsCache | None
) -> np.ndarray:
    """Return the boxes `(N, M, 4)` float64 of maps in pixels of the network's input; has_map: `(N, M)`."""

    def boxes_of(i: int) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # an infinite value becomes NaN, and the map has no box
            upsampled = upsample(maps[i], *input_size)
        boxes = np.full((len(has_map[i]), 4), np.nan)
        for j in np.flatnonzero(has_map[i]):
            boxes[j] = paper_box(upsampled[j], THRESHOLD)
        return boxes

    def compute(rows: np.ndarray) -> Arrays:
        return {"boxes": np.stack(parallel_map(boxes_of, rows.tolist()))}

    if cache is None:
        return compute(np.arange(len(maps)))["boxes"]
    keys = row_keys((map_, has, input_size, THRESHOLD) for map_, has in zip(maps, has_map, strict=True))
    return cache.get_rows("boxes", keys, compute)["boxes"]
