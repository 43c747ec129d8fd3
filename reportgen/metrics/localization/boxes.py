"""From a map to a box, and how well a box fits (PROTOCOLS: localization). Boxes are x0 y0 x1 y1, half-open."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from reportgen.metrics.localization.component_tree import regions

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


def to_input(box: np.ndarray, window: np.ndarray, input_size: int) -> np.ndarray:
    """The whole pixels of the network's input that a box `(4,)` of the image touches; may reach beyond it."""
    x0, y0, x1, y1 = window
    place = (box - [x0, y0, x0, y0]) * input_size / np.array([x1 - x0, y1 - y0] * 2)
    return np.concatenate((np.floor(place[:2] + 1e-6), np.ceil(place[2:] - 1e-6))).astype(np.int64)


INCLUSIVE = 1
"""What ILSVRC's and wsolevaluation's released codes add to every side: their right and lower pixels belong to a box."""


def iou(box: np.ndarray, boxes: np.ndarray, inclusive: int = 0) -> np.ndarray:
    """Intersection over union of boxes `(…, 4)` that broadcast: `(…)`; 0 where one is NaN."""
    shared = intersection(box, boxes, inclusive)
    return np.nan_to_num(shared / (area(box, inclusive) + area(boxes, inclusive) - shared))


def intersection(box: np.ndarray, boxes: np.ndarray, inclusive: int = 0) -> np.ndarray:
    """Shared area of boxes `(…, 4)` that broadcast."""
    width, height = (
        np.minimum(box[..., far], boxes[..., far]) - np.maximum(box[..., near], boxes[..., near]) + inclusive
        for near, far in ((0, 2), (1, 3))
    )
    return np.maximum(width, 0) * np.maximum(height, 0)


def area(boxes: np.ndarray, inclusive: int = 0) -> np.ndarray:
    """Area of boxes `(…, 4)`."""
    return (boxes[..., 2] - boxes[..., 0] + inclusive) * (boxes[..., 3] - boxes[..., 1] + inclusive)


def paper_boxes(map_: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """`paper_box` at every one of T rising thresholds: `(T, 4)`."""
    peak = map_.max()
    if not np.isfinite(map_).all() or peak <= 0:
        return np.full((len(thresholds), 4), np.nan)
    found = regions(np.searchsorted(thresholds * peak, map_.ravel(), "right").reshape(map_.shape), map_)
    return found.boxes[found.largest(len(thresholds))[1:]].astype(np.float64)


CAFFE_THRESHOLDS = (20, 100, 110)
CAFFE_ERODED = 10.5
"""A pixel stays if its distance to what is outside, stretched to 0–255 and rounded, is greater than 10."""
CAFFE_MARGIN = 5
"""The released code keeps boxes so many pixels away from the right and lower border."""


def caffe_boxes(map_: np.ndarray) -> np.ndarray:
    """Boxes of the CAM paper's released code, the largest first: `(R, 4)` float64 in the map's pixels.

    The map ÷ its maximum in 8 bits is cut at each threshold; each mask is worn down by a distance transform; the boxes
    of all contours, holes' too, are ranked by area, and a box that overlaps an earlier one by more than half of the
    larger's area goes. (As released, the box after one that went is passed over.) map_: `(H, W)`; R is 0 where the map
    has no positive maximum or is not finite.
    """
    peak = map_.max()
    if not np.isfinite(map_).all() or peak <= 0:
        return np.zeros((0, 4))
    eight = np.round(255 * np.maximum(map_, 0) / peak)
    height, width = map_.shape
    boxes = []
    for threshold in CAFFE_THRESHOLDS:
        mask = eight > threshold
        (left, right), (top, bottom) = (_with_margin(mask.any(axis)) for axis in (0, 1))
        mask = mask[top:bottom, left:right]  # beyond a margin of one pixel nothing is nearer than the margin
        if not mask.all():
            distance = ndimage.distance_transform_edt(mask)
            mask = distance * 255 >= CAFFE_ERODED * distance.max()
        outside, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
        spans = ndimage.find_objects(ndimage.label(mask, EIGHT_NEIGHBOURS)[0])
        found = [(x.start, y.start, x.stop, y.stop) for y, x in spans]
        holes = ndimage.find_objects(np.where(outside == outside[0, 0], 0, outside))
        found += [(s[1].start - 2, s[0].start - 2, s[1].stop, s[0].stop) for s in holes if s]  # and the pixels around
        boxes += [(x0 + left, y0 + top, x1 + left, y1 + top) for x0, y0, x1, y1 in found]
    ranked = sorted((_kept_inside(box, width, height) for box in boxes), key=lambda box: -area(box))
    i = 0
    while i < len(ranked):
        j = i + 1
        while j < len(ranked):
            if intersection(ranked[i], ranked[j]) > int(0.5 * max(area(ranked[i]), area(ranked[j]))):
                del ranked[j]
            j += 1
        i += 1
    corners = np.array(ranked).reshape(-1, 2, 2)
    return np.concatenate((corners.min(1), corners.max(1)), 1).astype(np.float64)


def _with_margin(there: np.ndarray) -> tuple[int, int]:
    """First and last + 1 of what is True `(n,)`, and one more on either side as far as there is one."""
    places = np.flatnonzero(there)
    return max(int(places[0]) - 1, 0), min(int(places[-1]) + 2, len(there))


def _kept_inside(box: tuple[int, int, int, int], width: int, height: int) -> np.ndarray:
    x0, y0, x1, y1 = box
    x, y = min(x0, width - CAFFE_MARGIN), min(y0, height - CAFFE_MARGIN)
    return np.array([x, y, x + min(x1 - x0, width - x0 - CAFFE_MARGIN), y + min(y1 - y0, height - y0 - CAFFE_MARGIN)])
