"""MaxBoxAcc and MaxBoxAccV2 (Choe et al., Evaluating weakly supervised object localization methods right, CVPR 2020).

Follows the released evaluation, wsolevaluation: the map is enlarged to 224² by OpenCV's bicubic kernel, stretched to
[0, 1], and cut to 8 bits; a threshold t keeps what is greater than `int(t · max)`; boxes count inclusive pixels. Since
8 bits have 255 thresholds, and the contours of all of them are one component tree, no loop over thresholds is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from reportgen.metrics.localization.boxes import INCLUSIVE, iou
from reportgen.metrics.localization.component_tree import Basins, basins, fill_holes, holes, regions, sea

SIDE = 224
THRESHOLDS = np.arange(0, 1, 0.001)
"""The 1,000 thresholds of the released evaluation."""
IOUS = (0.3, 0.5, 0.7)
LEVELS = 256


@lru_cache(32)
def bicubic_matrix(source: int, target: int) -> np.ndarray:
    """`(target, source)` weights of OpenCV's cubic convolution: a = −0.75, half-pixel centres, repeated borders."""
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
    """`(h, w)` → `(side, side)` float64 in [0, 1]; all zero where the map is constant or not finite."""
    if not np.isfinite(map_).all():
        return np.zeros((side, side))
    rows, columns = bicubic_matrix(map_.shape[0], side), bicubic_matrix(map_.shape[1], side)
    large = rows @ map_.astype(np.float64) @ columns.T
    low, high = large.min(), large.max()
    return (large - low) / (high - low) if high > low else np.zeros_like(large)


def eight_bits(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels `(H, W)` int of a score map in [0, 1], and the values before they were cut, whose order is finer."""
    fine = score * 255
    return fine.astype(np.uint8).astype(np.int64), fine


def squashed_boxes(boxes: np.ndarray, window: np.ndarray, side: int = SIDE) -> np.ndarray:
    """True boxes `(B, 4)` in the pixels of the network's view of the image, `window`, at `side`², cut to whole pixels.

    They may reach beyond it: what the network has not seen cannot be found.
    """
    x0, y0, x1, y1 = window.astype(np.float64)
    return ((boxes - [x0, y0, x0, y0]) * side / [x1 - x0, y1 - y0, x1 - x0, y1 - y0]).astype(np.int64)


def _as_released(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Half-open boxes as the released code counts them: right and lower side inside the map."""
    return np.minimum(boxes, np.array([shape[1], shape[0], shape[1] - 1, shape[0] - 1]))


class LevelSets:
    """A score map `(H, W)` in [0, 1] cut at every 8-bit threshold at once."""

    def __init__(self, score: np.ndarray) -> None:
        self._levels, self._fine = eight_bits(score)

    @cached_property
    def _sea(self) -> tuple[np.ndarray, Basins]:
        return sea(self._levels, self._fine)

    @cached_property
    def _hills(self) -> Basins:
        return basins(self._levels, self._fine, 8)

    def contours(self) -> tuple[np.ndarray, np.ndarray]:
        """Every contour, holes' too, at every threshold: thresholds `(Q,)` and boxes `(Q, 4)` int, inclusive.

        A map without contours gives 0 0 0 0 at each threshold.
        """
        found, inner = regions(self._levels, area=False, cut=self._hills), holes(self._levels, self._sea)
        around = inner.boxes + np.array([-1, -1, 1, 1])  # a hole's contour runs through the pixels around it
        boxes = _as_released(np.concatenate((found.boxes, around)), self._levels.shape)
        if not len(boxes):
            return np.arange(LEVELS), np.zeros((LEVELS, 4), int)
        return np.concatenate((found.level, inner.level)) - 1, boxes

    def largest(self) -> np.ndarray:
        """`(256, 4)` int boxes, inclusive: the contour of largest enclosed area at each threshold; 0 0 0 0 for none.

        The area of a contour is that of the polygon through its pixels' centres: of each square of four pixels all of
        it where all four are enclosed, half where three are.
        """
        levels, fine = self._levels, self._fine
        filled = fill_holes(levels, self._sea)
        h, w = filled.shape
        a, b, c, d = (filled[y : h - 1 + y, x : w - 1 + x].ravel() for y in (0, 1) for x in (0, 1))
        low, high = np.minimum(a, b), np.minimum(c, d)
        lowest, second = (
            np.minimum(low, high),
            np.minimum(np.maximum(low, high), np.minimum(np.maximum(a, b), np.maximum(c, d))),
        )
        place = (np.arange(h - 1)[:, None] * w + np.arange(w - 1)).ravel()
        best = np.maximum(np.maximum(a, b), np.maximum(c, d))
        highest = place + np.select([a == best, b == best, c == best], [0, 1, w], w + 1)
        weights = (np.tile(highest, 2), np.concatenate((lowest, second)), np.full(2 * len(highest), 0.5))
        whole = np.array_equal(filled, levels)  # without holes, the basins are the map's own
        order = fine if whole else np.where(filled > levels, filled, fine)
        found = regions(filled, order, weights=weights, cut=self._hills if whole else None)
        rows = found.largest(LEVELS, last=True)[1:]
        if not len(found.level):
            return np.zeros((LEVELS, 4), int)
        return _as_released(np.where(rows[:, None] >= 0, found.boxes[rows], 0), filled.shape)


def ious_of_all(score: np.ndarray, true_boxes: np.ndarray) -> np.ndarray:
    """`(256,)`: the best IoU of any contour's box, holes' too, with any true box, at each 8-bit threshold (V2).

    score: `(H, W)` in [0, 1]; true_boxes: `(B, 4)` int in its pixels, inclusive.
    """
    levels, boxes = LevelSets(score).contours()
    best = np.zeros(LEVELS)
    np.maximum.at(best, levels, iou(boxes[:, None], true_boxes, INCLUSIVE).max(1))
    return best


def ious_of_largest(score: np.ndarray, true_boxes: np.ndarray) -> np.ndarray:
    """`(256,)`: the IoU of the box of the contour that encloses the largest area, at each 8-bit threshold (V1)."""
    return iou(LevelSets(score).largest()[:, None], true_boxes, INCLUSIVE).max(1)


LEVEL_OF = (THRESHOLDS * 255).astype(np.int64)
"""`(1000,)` the 8-bit threshold of each. A map's highest value is 255, or 0, and then all of them give the same."""


@dataclass(frozen=True)
class MaxBoxAcc:
    """Localization accuracy with the class given, at every threshold.

    accuracy: `(D, 1000)` share of images that are right at each IoU limit and threshold; limits: D IoU limits.
    """

    accuracy: np.ndarray
    limits: Sequence[float]

    @classmethod
    def of(cls, right: np.ndarray, limits: Sequence[float]) -> MaxBoxAcc:
        """right: `(N, D, 256)` bool, by image, IoU limit and 8-bit threshold."""
        return cls(right.mean(0)[:, LEVEL_OF], limits)

    @property
    def best(self) -> np.ndarray:
        """`(D,)` accuracy at the threshold that is best over these images: an oracle's choice."""
        return self.accuracy.max(1)

    @property
    def thresholds(self) -> np.ndarray:
        """`(D,)` that threshold, the lowest among equals."""
        return THRESHOLDS[self.accuracy.argmax(1)]

    @property
    def levels(self) -> np.ndarray:
        """`(D,)` that threshold in 8 bits."""
        return LEVEL_OF[self.accuracy.argmax(1)]

    @property
    def value(self) -> float:
        """The mean over the IoU limits: MaxBoxAccV2, or MaxBoxAcc where there is one limit."""
        return float(self.best.mean())


def max_box_acc(ious: np.ndarray, limits: Sequence[float] = IOUS) -> MaxBoxAcc:
    """ious: `(N, 256)` of `ious_of_all` (V2) or `ious_of_largest` (V1: `limits=(0.5,)`)."""
    return MaxBoxAcc.of(np.stack([ious >= limit for limit in limits], 1), limits)
