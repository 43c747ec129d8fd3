"""From activation maps to boxes, and overlap of boxes. Boxes are x0 y0 x1 y1, half-open."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from reportgen.metrics.localization.component_tree import component_regions

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
NO_BOX = np.full(4, np.nan)
INCLUSIVE = 1
"""Added to every side by the released code of ILSVRC and wsolevaluation, in which right and lower pixels are inside."""


@lru_cache(32)
def interpolation_matrix(source: int, target: int) -> np.ndarray:
    """Return weights `(target, source)` of bilinear interpolation with half-pixel centres (`align_corners=False`)."""
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    weights: np.ndarray = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(source)))
    return weights


def upsample(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Enlarge maps `(…, h, w)` to `(…, height, width)` float64, bilinearly, with one matrix product for each axis."""
    rows = interpolation_matrix(maps.shape[-2], height)
    columns = interpolation_matrix(maps.shape[-1], width)
    upsampled: np.ndarray = rows @ maps.astype(np.float64) @ columns.T
    return upsampled


def paper_box(map_: np.ndarray, threshold: float = 0.2) -> np.ndarray:
    """Return the box `(4,)` float64 around the largest 8-connected component of values ≥ threshold × maximum.

    map_: `(H, W)` at the network's input size. The box is NaN if the map has no positive maximum or is not finite. Of
    components of equal size the first in reading order counts. Source: Zhou et al. 2016 (the CAM paper), section 3.2.
    """
    from scipy import ndimage

    peak = map_.max()
    if not np.isfinite(map_).all() or peak <= 0:
        return NO_BOX
    components, count = ndimage.label(map_ >= threshold * peak, EIGHT_NEIGHBOURS)
    largest = 1 if count == 1 else 1 + int(np.argmax(np.bincount(components.ravel())[1:]))
    is_inside = components == largest
    xs, ys = (np.flatnonzero(is_inside.any(axis)) for axis in (0, 1))
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], np.float64)


def to_image(box: np.ndarray, window: np.ndarray, input_size: tuple[int, int], size: np.ndarray) -> np.ndarray:
    """Convert boxes `(…, 4)` in the network's input to pixels of the image, clipped at its border.

    window: `(4,)` of the input in the image; input_size: height and width of the input; size: `(2,)` width and height
    of the image.
    """
    x0, y0, x1, y1 = window
    scale = np.array([x1 - x0, y1 - y0] * 2) / np.array(input_size[::-1] * 2)
    clipped: np.ndarray = np.clip(box * scale + [x0, y0, x0, y0], 0, [size[0], size[1]] * 2)
    return clipped


def to_input(box: np.ndarray, window: np.ndarray, input_size: tuple[int, int]) -> np.ndarray:
    """Return the box in whole pixels of the network's input that covers a box `(4,)` of the image."""
    x0, y0, x1, y1 = window
    scaled = (box - [x0, y0, x0, y0]) * np.array(input_size[::-1] * 2) / np.array([x1 - x0, y1 - y0] * 2)
    return np.concatenate((np.floor(scaled[:2] + 1e-6), np.ceil(scaled[2:] - 1e-6))).astype(np.int64)


def iou(box: np.ndarray, boxes: np.ndarray, inclusive: int = 0) -> np.ndarray:
    """Return the intersection over union `(…)` of boxes `(…, 4)` that broadcast; 0 for NaN."""
    shared = intersection(box, boxes, inclusive)
    ratio: np.ndarray = np.nan_to_num(shared / (area(box, inclusive) + area(boxes, inclusive) - shared))
    return ratio


def intersection(box: np.ndarray, boxes: np.ndarray, inclusive: int = 0) -> np.ndarray:
    """Return the shared area `(…)` of boxes `(…, 4)` that broadcast."""
    width, height = (
        np.minimum(box[..., far], boxes[..., far]) - np.maximum(box[..., near], boxes[..., near]) + inclusive
        for near, far in ((0, 2), (1, 3))
    )
    shared: np.ndarray = np.maximum(width, 0) * np.maximum(height, 0)
    return shared


def area(boxes: np.ndarray, inclusive: int = 0) -> np.ndarray:
    """Return the area `(…)` of boxes `(…, 4)`."""
    product: np.ndarray = (boxes[..., 2] - boxes[..., 0] + inclusive) * (boxes[..., 3] - boxes[..., 1] + inclusive)
    return product


def paper_boxes(map_: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return `paper_box` at each of T increasing thresholds: `(T, 4)`."""
    peak = map_.max()
    if not np.isfinite(map_).all() or peak <= 0:
        return np.full((len(thresholds), 4), np.nan)
    levels = np.searchsorted(thresholds * peak, map_.ravel(), "right").reshape(map_.shape)
    components = component_regions(levels, map_)
    boxes: np.ndarray = components.boxes[components.largest(len(thresholds))[1:]]
    return boxes.astype(np.float64)


CAFFE_THRESHOLDS = (20, 100, 110)
"""Thresholds of the map in 8 bits."""
CAFFE_ERODED = 10.5
"""A pixel is kept if its distance to the outside, scaled to 0–255 and rounded, is greater than 10."""
CAFFE_MARGIN = 5
"""The released code keeps boxes at this distance in pixels from the right and lower border."""


def caffe_boxes(map_: np.ndarray) -> np.ndarray:
    """Return the boxes of the CAM paper's released code, the largest first: `(R, 4)` float64 in pixels of the map.

    The map `(H, W)`, divided by its maximum and converted to 8 bits, is thresholded; each mask is eroded by a distance
    transform. The boxes of all contours, including those of holes, are ranked by area; a box is removed if it overlaps
    an earlier one by more than half of the larger area. (As released, the box after a removed one is skipped.) R is 0
    if the map has no positive maximum or is not finite.
    """
    from scipy import ndimage

    peak = map_.max()
    if not np.isfinite(map_).all() or peak <= 0:
        return np.zeros((0, 4))
    eight_bit = np.round(255 * np.maximum(map_, 0) / peak)
    height, width = map_.shape
    boxes = []
    for threshold in CAFFE_THRESHOLDS:
        mask = eight_bit > threshold
        (left, right), (top, bottom) = (_with_margin(mask.any(axis)) for axis in (0, 1))
        mask = mask[top:bottom, left:right]  # distances do not depend on pixels beyond a margin of one
        if not mask.all():
            distance = ndimage.distance_transform_edt(mask)
            mask = distance * 255 >= CAFFE_ERODED * distance.max()
        outside, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
        spans = ndimage.find_objects(ndimage.label(mask, EIGHT_NEIGHBOURS)[0])
        rectangles = [(x.start, y.start, x.stop, y.stop) for y, x in spans]
        holes = ndimage.find_objects(np.where(outside == outside[0, 0], 0, outside))
        # The contour of a hole runs through the pixels around it.
        rectangles += [(s[1].start - 2, s[0].start - 2, s[1].stop, s[0].stop) for s in holes if s]
        boxes += [(x0 + left, y0 + top, x1 + left, y1 + top) for x0, y0, x1, y1 in rectangles]
    clipped = _clip_with_margin(np.array(boxes), width, height)
    ranked = clipped[np.argsort(-area(clipped), kind="stable")]
    corners = ranked[_without_overlapping(ranked)].reshape(-1, 2, 2)
    return np.concatenate((corners.min(1), corners.max(1)), 1).astype(np.float64)


def _without_overlapping(ranked: np.ndarray) -> np.ndarray:
    """Return the rows of the boxes `(R, 4)` that stay: the released code removes those that overlap an earlier one by
    more than half of the larger area."""
    left = np.arange(len(ranked))
    i = 0
    while i < len(left):
        box, later = ranked[left[i]], ranked[left[i + 1 :]]
        overlaps = intersection(box, later) > np.trunc(0.5 * np.maximum(area(box), area(later)))
        removed, skipped = [], -1
        for j in np.flatnonzero(overlaps).tolist():
            if j != skipped:
                removed.append(i + 1 + j)
                skipped = j + 1
        left = np.delete(left, removed)
        i += 1
    return left


def _with_margin(flags: np.ndarray) -> tuple[int, int]:
    """Return the half-open interval of all True flags `(n,)`, extended by one on either side within the array."""
    where = np.flatnonzero(flags)
    return max(int(where[0]) - 1, 0), min(int(where[-1]) + 2, len(flags))


def _clip_with_margin(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return boxes `(R, 4)` int that keep the margin from the right and lower border."""
    x0, y0, x1, y1 = boxes.T
    x, y = np.minimum(x0, width - CAFFE_MARGIN), np.minimum(y0, height - CAFFE_MARGIN)
    right = x + np.minimum(x1 - x0, width - x0 - CAFFE_MARGIN)
    bottom = y + np.minimum(y1 - y0, height - y0 - CAFFE_MARGIN)
    return np.stack((x, y, right, bottom), 1)
