"""Localization metrics that do not need a predicted box: pointing game, energy, pixel average precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.metrics.localization.boxes import area, intersection
from reportgen.metrics.localization.max_box_acc import THRESHOLDS

EDGES = np.append(THRESHOLDS, 1.0)
"""Lower edges of the score bins. As in the released code, the highest score has its own bin."""


def box_mask(true_boxes: np.ndarray, window: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return whether the centre of each pixel of the network's input lies in one of the boxes: bool of its size.

    true_boxes: `(B, 4)` in pixels of the image; window: `(4,)` of the input in the image; size: height and width.
    """
    x0, y0, x1, y1 = window.astype(np.float64)
    height, width = size
    x = x0 + (np.arange(width) + 0.5) * (x1 - x0) / width
    y = y0 + (np.arange(height) + 0.5) * (y1 - y0) / height
    columns = (true_boxes[:, None, 0] <= x) & (x < true_boxes[:, None, 2])
    rows = (true_boxes[:, None, 1] <= y) & (y < true_boxes[:, None, 3])
    mask: np.ndarray = (rows[:, :, None] & columns[:, None, :]).any(0)
    return mask


def pointing_hit(map_: np.ndarray, mask: np.ndarray) -> bool:
    """Whether the map's maximum, the first of equals, lies in the mask (pointing game without tolerance).

    map_, mask: `(H, W)`. False for a map that has no positive maximum or is not finite. Source: Zhang et al. 2016.
    """
    return bool(np.isfinite(map_).all() and map_.max() > 0 and mask.flat[map_.argmax()])


def energy_in_mask(map_: np.ndarray, mask: np.ndarray) -> float:
    """Return the share of the map's positive values that lies in the mask; 0 without positive values.

    Source: Wang et al., Score-CAM, 2020.
    """
    positive = np.maximum(map_, 0)
    total = positive.sum()
    return float(positive[mask].sum() / total) if np.isfinite(total) and total > 0 else 0.0


def completeness(box: np.ndarray, true_boxes: np.ndarray) -> float:
    """Return the largest share of a ground-truth box `(B, 4)` that the box `(4,)` covers; 0 for NaN."""
    return float(np.nan_to_num(intersection(box, true_boxes) / area(true_boxes)).max())


def count_scores(score: np.ndarray, mask: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    """Return the number of pixels in the mask and outside of it, by score: `(2, 1001)` int32, for bins at `EDGES`.

    score: `(H, W)` in [0, 1]; mask: `(H, W)` bool; ignored: `(H, W)` bool, pixels that do not count, or None.
    """
    bins = np.searchsorted(EDGES, score.ravel(), "right") - 1 + len(EDGES) * ~mask.ravel()
    counts = np.bincount(bins if ignored is None else bins[~ignored.ravel()], minlength=2 * len(EDGES))
    return counts.reshape(2, len(EDGES)).astype(np.int32)  # stored for every image


def pxap(counts: Sequence[np.ndarray]) -> float:
    """Return PxAP: the area under the precision-recall curve of all pixels of all images.

    counts: of `count_scores`, one for each image. The area is Σ precision · Δrecall over decreasing thresholds.
    Source: Choe et al. 2020.
    """
    total = np.stack(counts).sum(0, dtype=np.int64)
    true, false = total[:, ::-1].cumsum(1)
    known = true + false > 0
    precision = np.divide(true, true + false, out=np.zeros(len(true)), where=known)
    return float((precision * np.diff(true, prepend=0)).sum() / true[-1])
