"""From a map to a box, and how well a box fits (PROTOCOLS: localization). Boxes are x0 y0 x1 y1, half-open."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
NO_BOX = np.full(4, np.nan)


@lru_cache(32)
def interpolation_matrix(source: int, target: int) -> np.ndarray:
    """`(target, source)` weights of bilinear interpolation with half-pixel centres (`align_corners=False`)."""
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(source)))


def upsample(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """`(…, h, w)` → `(…, height, width)` float64, bilinear: one matrix product for the rows, one for the columns."""
    rows = interpolation_matrix(maps.shape[-2], height)
    columns = interpolation_matrix(maps.shape[-1], width)
    return rows @ maps.astype(np.float64) @ columns.T


def paper_box(map_: np.ndarray, threshold: float = 0.2) -> np.ndarray:
    """The CAM paper's box: around the largest 8-connected component of what is ≥ threshold × the maximum.

    map_: `(H, W)`, already at the network's input size. Returns `(4,)` float64 in its pixels, NaN where the map has no
    positive maximum or is not finite. Among components of equal size the first in reading order is taken.
    """
    peak = map_.max()
    if not np.isfinite(map_).all() or peak <= 0:
        return NO_BOX
    components, count = ndimage.label(map_ >= threshold * peak, EIGHT_NEIGHBOURS)
    largest = 1 if count == 1 else 1 + int(np.argmax(np.bincount(components.ravel())[1:]))
    ys, xs = ndimage.find_objects(components)[largest - 1]
    return np.array([xs.start, ys.start, xs.stop, ys.stop], np.float64)


def to_image(box: np.ndarray, window: np.ndarray, input_size: int, size: np.ndarray) -> np.ndarray:
    """A box `(4,)` in the network's input, in pixels of the image: scaled into `window`, cut at the border."""
    x0, y0, x1, y1 = window
    scale = np.array([x1 - x0, y1 - y0] * 2) / input_size
    return np.clip(box * scale + [x0, y0, x0, y0], 0, [size[0], size[1]] * 2)


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box `(4,)` with boxes `(B, 4)`: `(B,)`; 0 for a NaN box."""
    if np.isnan(box).any():
        return np.zeros(len(boxes))
    shared = intersection(box, boxes)
    return shared / (area(box) + area(boxes) - shared)


def intersection(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Shared area of a box `(4,)` with boxes `(B, 4)`."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    return np.prod(np.maximum(sides, 0), axis=1)


def area(boxes: np.ndarray) -> np.ndarray:
    """Area of boxes `(…, 4)`."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
