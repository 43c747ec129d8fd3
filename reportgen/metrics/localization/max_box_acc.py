"""MaxBoxAcc and MaxBoxAccV2 (Choe et al., Evaluating weakly supervised object localization methods right, CVPR 2020).

As in the released evaluation, wsolevaluation, the map is enlarged to 224 × 224 with OpenCV's bicubic kernel, scaled to
[0, 1] and converted to 8 bits; a threshold t keeps values greater than `int(t · max)`; right and lower pixels belong to
a box. Since 8 bits have 255 thresholds, and the contours of all of them form one component tree, no loop over
thresholds is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from reportgen.metrics.localization.boxes import INCLUSIVE, iou
from reportgen.metrics.localization.component_tree import Basins, basins, component_regions, fill_holes, holes, invert

SIDE = 224
"""Side of score maps and masks."""
THRESHOLDS = np.arange(0, 1, 0.001)
"""The 1,000 thresholds of the released evaluation."""
IOU_LIMITS = (0.3, 0.5, 0.7)
"""Least IoU of a correct box, for MaxBoxAccV2."""
N_LEVELS = 256
"""Number of 8-bit thresholds."""
LEVEL_OF_THRESHOLD = (THRESHOLDS * 255).astype(np.int64)
"""`(1000,)` the 8-bit threshold of each threshold. The maximum of a map is 255, or 0, where all give the same."""


@lru_cache(32)
def bicubic_matrix(source: int, target: int) -> np.ndarray:
    """Return the weights `(target, source)` of OpenCV's cubic convolution: a = −0.75, half-pixel centres, and repeated
    borders."""
    a = -0.75
    position = (np.arange(target) + 0.5) * source / target - 0.5
    first = np.floor(position).astype(int)
    matrix = np.zeros((target, source))
    for tap in range(-1, 3):
        d = np.abs(position - (first + tap))
        near = (a + 2) * d**3 - (a + 3) * d**2 + 1
        far = a * (d**3 - 5 * d**2 + 8 * d - 4)
        np.add.at(matrix, (np.arange(target), np.clip(first + tap, 0, source - 1)), np.where(d <= 1, near, far))
    return matrix


def score_map(map_: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Return a map `(h, w)` as scores `(side, side)` float64 in [0, 1]; zeros if it is constant or not finite."""
    if not np.isfinite(map_).all():
        return np.zeros((side, side))
    rows, columns = bicubic_matrix(map_.shape[0], side), bicubic_matrix(map_.shape[1], side)
    enlarged: np.ndarray = rows @ map_.astype(np.float64) @ columns.T
    low, high = enlarged.min(), enlarged.max()
    scores: np.ndarray = (enlarged - low) / (high - low) if high > low else np.zeros_like(enlarged)
    return scores


def quantize(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 8-bit levels `(H, W)` int of scores in [0, 1], and the values before rounding."""
    fine = score * 255
    return fine.astype(np.uint8).astype(np.int64), fine


def boxes_in_view(boxes: np.ndarray, window: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Convert boxes `(B, 4)` of the image to whole pixels of the network's input, enlarged to `side` × `side`.

    window: `(4,)` of the input in the image. Boxes may extend beyond it: objects outside of it cannot be found.
    """
    x0, y0, x1, y1 = window.astype(np.float64)
    scaled: np.ndarray = (boxes - [x0, y0, x0, y0]) * side / [x1 - x0, y1 - y0, x1 - x0, y1 - y0]
    return scaled.astype(np.int64)


def _as_released(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Convert half-open boxes to those of the released code, whose right and lower sides are inside of the map."""
    inclusive: np.ndarray = np.minimum(boxes, np.array([shape[1], shape[0], shape[1] - 1, shape[0] - 1]))
    return inclusive


class LevelSets:
    """A score map `(H, W)` in [0, 1], thresholded at all 8-bit thresholds at once."""

    def __init__(self, score: np.ndarray) -> None:
        self._levels, self._fine = quantize(score)

    @cached_property
    def _inverted(self) -> tuple[np.ndarray, Basins]:
        return invert(self._levels, self._fine)

    @cached_property
    def _basins(self) -> Basins:
        return basins(self._levels, self._fine, 8)

    @cached_property
    def contours(self) -> tuple[np.ndarray, np.ndarray]:
        """All contours, including those of holes, at all thresholds: thresholds `(Q,)`, inclusive boxes `(Q, 4)` int.

        A map without contours has the box 0 0 0 0 at each threshold.
        """
        components = component_regions(self._levels, area=False, cut=self._basins)
        inner = holes(self._levels, self._inverted)
        around = inner.boxes + np.array([-1, -1, 1, 1])  # the contour of a hole runs through the pixels around it
        boxes = _as_released(np.concatenate((components.boxes, around)), self._levels.shape)
        if not len(boxes):
            return np.arange(N_LEVELS), np.zeros((N_LEVELS, 4), int)
        return np.concatenate((components.level, inner.level)) - 1, boxes

    @cached_property
    def largest(self) -> np.ndarray:
        """The inclusive box of the contour with the largest enclosed area at each threshold: `(256, 4)` int; 0 0 0 0
        for none.

        The area of a contour is that of the polygon through the centres of its pixels: of each square of four pixels
        all of it if all four are enclosed, and half of it if three are.
        """
        levels, fine = self._levels, self._fine
        filled = fill_holes(levels, self._inverted)
        has_no_holes = np.array_equal(filled, levels)  # then the basins are those of the map itself
        order = fine if has_no_holes else np.where(filled > levels, filled, fine)
        components = component_regions(
            filled, order, weights=_polygon_weights(filled), cut=self._basins if has_no_holes else None
        )
        rows = components.largest(N_LEVELS, last=True)[1:]
        if not len(components.level):
            return np.zeros((N_LEVELS, 4), int)
        return _as_released(np.where(rows[:, None] >= 0, components.boxes[rows], 0), filled.shape)

    def contour_ious(self, true_boxes: np.ndarray) -> np.ndarray:
        """Return the best IoU of any contour's box with any ground-truth box at each 8-bit threshold `(256,)` (V2).

        true_boxes: `(B, 4)` int in pixels of the score map, inclusive.
        """
        levels, boxes = self.contours
        best = np.zeros(N_LEVELS)
        np.maximum.at(best, levels, iou(boxes[:, None], true_boxes, INCLUSIVE).max(1))
        return best

    def largest_contour_ious(self, true_boxes: np.ndarray) -> np.ndarray:
        """Return the IoU of the largest contour's box at each 8-bit threshold `(256,)` (V1); arguments as above."""
        ious: np.ndarray = iou(self.largest[:, None], true_boxes, INCLUSIVE).max(1)
        return ious


def _polygon_weights(filled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the weights with which `component_regions` computes the areas of contours: (pixel, level, weight)."""
    h, w = filled.shape
    a, b, c, d = (filled[y : h - 1 + y, x : w - 1 + x].ravel() for y in (0, 1) for x in (0, 1))
    low, high = np.minimum(a, b), np.minimum(c, d)
    lowest = np.minimum(low, high)
    second = np.minimum(np.maximum(low, high), np.minimum(np.maximum(a, b), np.maximum(c, d)))
    first_pixel = (np.arange(h - 1)[:, None] * w + np.arange(w - 1)).ravel()
    best = np.maximum(np.maximum(a, b), np.maximum(c, d))
    highest = first_pixel + np.select([a == best, b == best, c == best], [0, 1, w], w + 1)
    return np.tile(highest, 2), np.concatenate((lowest, second)), np.full(2 * len(highest), 0.5)


@dataclass(frozen=True)
class MaxBoxAcc:
    """GT-known localization accuracy at every threshold.

    accuracy: `(D, 1000)` share of correct images, by IoU limit and threshold; limits: the D IoU limits.
    """

    accuracy: np.ndarray
    limits: Sequence[float]

    @classmethod
    def of(cls, correct: np.ndarray, limits: Sequence[float]) -> MaxBoxAcc:
        """correct: `(N, D, 256)` bool, by image, IoU limit and 8-bit threshold."""
        return cls(correct.mean(0)[:, LEVEL_OF_THRESHOLD], limits)

    @property
    def best(self) -> np.ndarray:
        """`(D,)` accuracy at the threshold that is best on these images."""
        best: np.ndarray = self.accuracy.max(1)
        return best

    @property
    def thresholds(self) -> np.ndarray:
        """`(D,)` that threshold; the lowest of equally good ones."""
        thresholds: np.ndarray = THRESHOLDS[self.accuracy.argmax(1)]
        return thresholds

    @property
    def levels(self) -> np.ndarray:
        """`(D,)` that threshold in 8 bits."""
        levels: np.ndarray = LEVEL_OF_THRESHOLD[self.accuracy.argmax(1)]
        return levels

    @property
    def value(self) -> float:
        """Mean over the IoU limits: MaxBoxAccV2, or MaxBoxAcc for a single limit."""
        return float(self.best.mean())
