"""Weak localization: is the box of a class's map on the object (PROTOCOLS: localization, after ILSVRC)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.boxes import iou, paper_box, to_image, upsample
from reportgen.parallel import each

RECIPE = "paper"
THRESHOLD = 0.2
IOU = 0.5


@dataclass(frozen=True)
class Localization:
    """Boxes of every image's maps, and the errors over the images that have a label and boxes.

    boxes:  `(N, M, 4)` in image pixels, in the order of the maps: the top classes, then the label; NaN for no box.
    best:   `(N, M)` largest IoU with any true box; 0 where there are none.
    judged: `(N,)` bool: the images that the errors are taken over.
    right1: `(N,)` bool: the top class is the label and its box fits (IoU ≥ 0.5).
    right5: `(N,)` bool: one of the top classes is the label and its own map's box fits.
    known:  `(N,)` bool: the box of the label's map fits, whatever was predicted (GT-known).
    whole:  a box around the whole image fits: the control.
    """

    boxes: np.ndarray
    best: np.ndarray
    judged: np.ndarray
    right1: np.ndarray
    right5: np.ndarray
    known: np.ndarray
    top1: Rate
    top5: Rate
    gt_known: Rate
    whole: Rate


def localize(
    maps: np.ndarray,
    classes: np.ndarray,
    true_boxes: Sequence[np.ndarray],
    sizes: np.ndarray,
    windows: np.ndarray,
    input_size: int,
) -> Localization | None:
    """None where no image has both a label and a box.

    maps: `(N, M, h, w)`, the top classes' and last the label's; classes: `(N, M)`, −1 for no label;
    true_boxes: N arrays `(B, 4)`; sizes: `(N, 2)`; windows: `(N, 4)`, what the network saw of the image.
    """
    n, m = classes.shape
    judged = np.array([len(b) > 0 for b in true_boxes]) & (classes[:, -1] >= 0)
    if not judged.any():
        return None

    def boxes_of(i: int) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # infinite maps give NaN, and those no box
            large = upsample(maps[i], input_size, input_size)
        found = np.full((m, 4), np.nan)
        for j in np.flatnonzero(classes[i] >= 0):
            found[j] = to_image(paper_box(large[j], THRESHOLD), windows[i], input_size, sizes[i])
        return found

    boxes = np.stack(each(boxes_of, range(n)))
    best = np.zeros((n, m))
    whole = np.zeros(n, bool)
    for i in np.flatnonzero(judged).tolist():
        best[i] = iou(boxes[i][:, None], true_boxes[i]).max(1)
        whole[i] = iou(np.array([0, 0, *sizes[i]], np.float64), true_boxes[i]).max() >= IOU
    is_label = (classes[:, :-1] == classes[:, -1:]) & judged[:, None]
    fits = best >= IOU
    right = is_label & fits[:, :-1]
    right1, right5, known = right[:, 0], right.any(1), fits[:, -1] & judged
    rates = [Rate.of(~flags[judged]) for flags in (right1, right5, known, whole)]
    top1, top5, gt_known, whole_rate = (rate for rate in rates if rate is not None)
    return Localization(boxes, best, judged, right1, right5, known, top1, top5, gt_known, whole_rate)
