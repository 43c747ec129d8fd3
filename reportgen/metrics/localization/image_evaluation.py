"""All localization metrics of one map, or one box, for one image each.

The network's own maps, those with random weights, the mean map, and boxes that do not depend on the image are evaluated
by the same code, so that a result and its controls are comparable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from reportgen.metrics.localization.boxes import INCLUSIVE, caffe_boxes, iou, paper_boxes, to_image, upsample
from reportgen.metrics.localization.ilsvrc import IOU, THRESHOLD
from reportgen.metrics.localization.max_box_acc import IOU_LIMITS, N_LEVELS, SIDE, LevelSets, boxes_in_view, score_map
from reportgen.metrics.localization.pointing import (
    box_mask,
    completeness,
    count_scores,
    energy_in_mask,
    pointing_hit,
)
from reportgen.parallel import parallel_map
from reportgen.store.results_cache import Arrays, ResultsCache, row_keys

CURVE_THRESHOLDS = np.arange(1, 101) / 100
"""Thresholds of the error curve, as shares of the map's maximum."""
RECIPE_INDEX = int(np.searchsorted(CURVE_THRESHOLDS, THRESHOLD))
"""Index of the threshold of the recipe `paper`."""
CACHED = (
    "correct_by_threshold",
    "caffe_correct",
    "any_contour_correct",
    "largest_contour_correct",
    "pointing_hit",
    "energy_in_boxes",
    "completeness",
)
"""Fields of `ImageEvaluation` that are kept in the cache: those that need the boxes of the map."""


@dataclass(frozen=True)
class ImageGroundTruth:
    """The objects of an image.

    boxes: `(B, 4)`, B ≥ 1, in pixels of the image; size: `(2,)` its width and height.
    window: `(4,)` x0 y0 x1 y1 of the network's input in the image; input_size: height and width of that input.
    mask: `(SIDE, SIDE)` bool, the pixels of the objects in that window, or None.
    ignored: `(SIDE, SIDE)` bool, the pixels that do not count for PxAP, or None.
    """

    boxes: np.ndarray
    size: np.ndarray
    window: np.ndarray
    input_size: tuple[int, int]
    mask: np.ndarray | None = None
    ignored: np.ndarray | None = None


@dataclass(frozen=True)
class MapBoxes:
    """The boxes of a map by all recipes and thresholds.

    upsampled: `(H, W)` map at the network's input size; score_map: `(SIDE, SIDE)` in [0, 1].
    paper_boxes: `(100, 4)` at `CURVE_THRESHOLDS`; caffe_boxes: `(≤ 2, 4)`; both in the network's input.
    level_sets: the contours of the score map.
    """

    upsampled: np.ndarray
    score_map: np.ndarray
    paper_boxes: np.ndarray
    caffe_boxes: np.ndarray
    level_sets: LevelSets


@dataclass(frozen=True)
class ImageEvaluation:
    """The metrics of one image; see `Evaluation`.

    correct_by_threshold: `(100,)` bool; caffe_correct: of the first and second box.
    any_contour_correct: `(3, 256)` bool, by IoU limit and 8-bit threshold; largest_contour_correct: `(256,)` bool.
    pixel_counts: of `count_scores`, or None without a mask.
    """

    correct_by_threshold: np.ndarray
    caffe_correct: tuple[bool, bool]
    any_contour_correct: np.ndarray
    largest_contour_correct: np.ndarray
    pointing_hit: bool
    energy_in_boxes: float
    completeness: float
    pixel_counts: np.ndarray | None


def boxes_of_map(map_: np.ndarray, input_size: tuple[int, int]) -> MapBoxes:
    """Return the boxes of a map `(h, w)` by all recipes and thresholds."""
    with np.errstate(invalid="ignore"):  # an infinite value becomes NaN, and the map has no box
        upsampled = upsample(map_, *input_size)
    score = score_map(map_)
    return MapBoxes(
        upsampled=upsampled,
        score_map=score,
        paper_boxes=paper_boxes(upsampled, CURVE_THRESHOLDS),
        caffe_boxes=caffe_boxes(upsampled)[:2],
        level_sets=LevelSets(score),
    )


def evaluate_map(map_boxes: MapBoxes, truth: ImageGroundTruth) -> ImageEvaluation:
    """Compare a map's boxes with the ground truth of an image."""
    by_threshold, by_caffe = (
        to_image(boxes, truth.window, truth.input_size, truth.size)
        for boxes in (map_boxes.paper_boxes, map_boxes.caffe_boxes)
    )
    caffe_correct = [bool((iou(box, truth.boxes, INCLUSIVE) >= IOU).any()) for box in by_caffe] + [False, False]
    view_boxes = boxes_in_view(truth.boxes, truth.window)
    view_mask = box_mask(truth.boxes, truth.window, truth.input_size)
    return ImageEvaluation(
        correct_by_threshold=iou(by_threshold[:, None], truth.boxes).max(1) >= IOU,
        caffe_correct=(caffe_correct[0], caffe_correct[1]),
        any_contour_correct=map_boxes.level_sets.contour_ious(view_boxes) >= np.array(IOU_LIMITS)[:, None],
        largest_contour_correct=map_boxes.level_sets.largest_contour_ious(view_boxes) >= IOU,
        pointing_hit=pointing_hit(map_boxes.upsampled, view_mask),
        energy_in_boxes=energy_in_mask(map_boxes.upsampled, view_mask),
        completeness=completeness(by_threshold[RECIPE_INDEX], truth.boxes),
        pixel_counts=_pixel_counts(map_boxes.score_map, truth),
    )


def evaluate_maps(
    maps: Sequence[np.ndarray], truths: Sequence[ImageGroundTruth], cache: ResultsCache | None = None
) -> list[ImageEvaluation]:
    """Compare each of n maps `(h, w)` with the ground truth of its image, on all cores. cache: where results are kept.

    Finding the boxes takes nearly all of the time, so it is done once for equal maps, such as those of copies.
    """
    if cache is None or not len(maps):
        return _evaluate_maps(maps, truths)
    keys = row_keys(
        (map_, truth.boxes, truth.size, truth.window, truth.input_size)
        for map_, truth in zip(maps, truths, strict=True)
    )

    def compute(rows: np.ndarray) -> Arrays:
        some = [replace(truths[row], mask=None) for row in rows]
        images = _evaluate_maps([maps[row] for row in rows], some)
        return {name: np.array([getattr(image, name) for image in images]) for name in CACHED}

    columns = cache.get_rows("evaluations", keys, compute)
    return [
        ImageEvaluation(
            **{name: column[row] for name, column in columns.items()},
            pixel_counts=None if truth.mask is None else _pixel_counts(score_map(map_), truth),
        )
        for row, (map_, truth) in enumerate(zip(maps, truths, strict=True))
    ]


def _evaluate_maps(maps: Sequence[np.ndarray], truths: Sequence[ImageGroundTruth]) -> list[ImageEvaluation]:
    rows_of = defaultdict[tuple[object, ...], list[int]](list)
    for row, (map_, truth) in enumerate(zip(maps, truths, strict=True)):
        rows_of[map_.tobytes(), map_.dtype.str, map_.shape, truth.input_size].append(row)
    equal = list(rows_of.values())

    def evaluate(rows: list[int]) -> list[ImageEvaluation]:
        map_boxes = boxes_of_map(maps[rows[0]], truths[rows[0]].input_size)
        return [evaluate_map(map_boxes, truths[row]) for row in rows]

    evaluated = dict(zip(chain(*equal), chain(*parallel_map(evaluate, equal)), strict=True))
    return [evaluated[row] for row in range(len(evaluated))]


def evaluate_box(box: np.ndarray, truth: ImageGroundTruth) -> ImageEvaluation:
    """Compare a box `(4,)` of the image, NaN for none, with the ground truth.

    The box is used at every threshold; where a map is needed, it is 1 inside of the box and 0 outside.
    """
    is_correct = bool((iou(box, truth.boxes) >= IOU).any())
    caffe_correct = bool((iou(box, truth.boxes, INCLUSIVE) >= IOU).any())
    view_box = boxes_in_view(np.zeros(4) if np.isnan(box).any() else box, truth.window)
    view_iou = iou(view_box, boxes_in_view(truth.boxes, truth.window), INCLUSIVE).max()
    correct_by_limit = view_iou >= np.array(IOU_LIMITS)
    flat_map, view_mask = (box_mask(b, truth.window, truth.input_size).astype(float) for b in (box[None], truth.boxes))
    x, y = (box[:2] + box[2:]) / 2
    x0, y0, x1, y1 = truth.boxes.T
    return ImageEvaluation(
        correct_by_threshold=np.full(len(CURVE_THRESHOLDS), is_correct),
        caffe_correct=(caffe_correct, False),
        any_contour_correct=np.repeat(correct_by_limit[:, None], N_LEVELS, 1),
        largest_contour_correct=np.full(N_LEVELS, correct_by_limit[IOU_LIMITS.index(IOU)]),
        pointing_hit=bool(((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)).any()),
        energy_in_boxes=energy_in_mask(flat_map, view_mask > 0),
        completeness=completeness(box, truth.boxes),
        pixel_counts=_pixel_counts(box_mask(box[None], truth.window, (SIDE, SIDE)).astype(float), truth),
    )


def _pixel_counts(score: np.ndarray, truth: ImageGroundTruth) -> np.ndarray | None:
    return None if truth.mask is None else count_scores(score, truth.mask, truth.ignored)
