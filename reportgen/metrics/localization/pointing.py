"""Figures of a map against boxes and masks that need no box of its own: pointing, energy, pixel precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.metrics.localization.boxes import area, intersection
from reportgen.metrics.localization.max_box_acc import THRESHOLDS

EDGES = np.append(THRESHOLDS, 1.0)
"""Lower ends of the bins of scores: as released, the highest score has one of its own."""


def inside(true_boxes: np.ndarray, window: np.ndarray, side: int) -> np.ndarray:
    """`(side, side)` bool: the centre of the pixel of the network's view lies in one of the boxes `(B, 4)`."""
    x0, y0, x1, y1 = window.astype(np.float64)
    x = x0 + (np.arange(side) + 0.5) * (x1 - x0) / side
    y = y0 + (np.arange(side) + 0.5) * (y1 - y0) / side
    columns = (true_boxes[:, None, 0] <= x) & (x < true_boxes[:, None, 2])
    rows = (true_boxes[:, None, 1] <= y) & (y < true_boxes[:, None, 3])
    return (rows[:, :, None] & columns[:, None, :]).any(0)


def points_inside(map_: np.ndarray, mask: np.ndarray) -> bool:
    """The pointing game (Zhang et al. 2016), without tolerance: the map's maximum, the first of equals, is in the mask.

    map_, mask: `(H, W)`. A map without a positive maximum, or not finite, points nowhere.
    """
    return bool(np.isfinite(map_).all() and map_.max() > 0 and mask.flat[map_.argmax()])


def energy_inside(map_: np.ndarray, mask: np.ndarray) -> float:
    """Share of the map's positive values that is in the mask (Wang et al., Score-CAM, 2020); 0 where there are none."""
    positive = np.maximum(map_, 0)
    total = positive.sum()
    return float(positive[mask].sum() / total) if np.isfinite(total) and total > 0 else 0.0


def completeness(box: np.ndarray, true_boxes: np.ndarray) -> float:
    """Largest share of a true box `(B, 4)` that the box `(4,)` covers; 0 for a NaN box."""
    return float(np.nan_to_num(intersection(box, true_boxes) / area(true_boxes)).max())


def score_counts(score: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`(2, 1001)`: how many pixels in the mask, and outside, have a score `(H, W)` from each edge up to the next."""
    place = np.searchsorted(EDGES, score.ravel(), "right") - 1
    counts = np.bincount(place + len(EDGES) * ~mask.ravel(), minlength=2 * len(EDGES))
    return counts.reshape(2, len(EDGES)).astype(np.int32)  # one an image is kept


def pxap(counts: Sequence[np.ndarray]) -> float:
    """PxAP (Choe et al. 2020): area under the precision-recall curve of all pixels of all images together.

    counts: of `score_counts`, one an image. Σ precision · Δrecall over falling thresholds, each pixel counting once.
    """
    total = np.stack(counts).sum(0, dtype=np.int64)
    true, false = total[:, ::-1].cumsum(1)
    known = true + false > 0
    precision = np.divide(true, true + false, out=np.zeros(len(true)), where=known)
    return float((precision * np.diff(true, prepend=0)).sum() / true[-1])
