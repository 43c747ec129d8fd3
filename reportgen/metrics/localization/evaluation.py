"""All localization metrics of one map, or one box, for each of several images.

The network's own maps, those with random weights, the mean map, and boxes that do not depend on the image are evaluated
by the same code, so that a result and its controls are comparable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from reportgen.metrics.intervals import Interval, Rate, has_groups
from reportgen.metrics.localization.boxes import INCLUSIVE, caffe_boxes, iou, paper_boxes, to_image, upsample
from reportgen.metrics.localization.ilsvrc import IOU, THRESHOLD
from reportgen.metrics.localization.max_box_acc import (
    IOU_LIMITS,
    N_LEVELS,
    SIDE,
    LevelSets,
    MaxBoxAcc,
    boxes_in_view,
    score_map,
)
from reportgen.metrics.localization.pointing import (
    box_mask,
    completeness,
    count_scores,
    energy_in_mask,
    pointing_hit,
    pxap,
)
from reportgen.parallel import parallel_map

CURVE_THRESHOLDS = np.arange(1, 101) / 100
"""Thresholds of the error curve, as shares of the map's maximum."""
RECIPE_INDEX = int(np.searchsorted(CURVE_THRESHOLDS, THRESHOLD))
"""Index of the threshold of the recipe `paper`."""


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


@dataclass(frozen=True)
class Errors:
    """The three localization errors by one recipe, with the predicted classes of the network.

    top1_correct, top5_correct, gt_known_correct: `(m,)` bool, whether an image is right; groups: `(m,)` or None.
    """

    top1_correct: np.ndarray
    top5_correct: np.ndarray
    gt_known_correct: np.ndarray
    groups: np.ndarray | None = None

    @property
    def top1(self) -> Rate:
        return error_rate(self.top1_correct, self.groups)

    @property
    def top5(self) -> Rate:
        return error_rate(self.top5_correct, self.groups)

    @property
    def gt_known(self) -> Rate:
        return error_rate(self.gt_known_correct, self.groups)


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one map or box for each of m images.

    description: what was evaluated; rows: `(m,)` rows among the judged images.
    correct_by_threshold: `(m, 100)` bool, GT-known: the box by the recipe `paper` at each of `CURVE_THRESHOLDS` is
        correct.
    largest_contour_correct, any_contour_correct: `(m, 256)` and `(m, 3, 256)` bool: at each 8-bit threshold the box of
        the largest contour (IoU ≥ 0.5), or the box of any contour (by IoU limit), is correct.
    max_box_acc, max_box_acc_v2: of these; their thresholds are chosen on the same images.
    pointing_hits: `(m,)` bool, hits of the pointing game (a box points at its centre).
    energy_in_boxes: `(m,)` share of the map's energy in the ground-truth boxes.
    completeness: `(m,)` share of a ground-truth box that the predicted box covers.
    pxap: None without a pixel of a mask; n_masks: number of images with a mask.
    recipes: errors by recipe: `paper`, `caffe`, `v2`.
    groups: `(m,)`, or None if all images are independent.
    ci95: metric → 95 % interval; empty for controls.
    """

    description: str
    rows: np.ndarray
    correct_by_threshold: np.ndarray
    largest_contour_correct: np.ndarray
    any_contour_correct: np.ndarray
    max_box_acc: MaxBoxAcc
    max_box_acc_v2: MaxBoxAcc
    pointing_hits: np.ndarray
    energy_in_boxes: np.ndarray
    completeness: np.ndarray
    pxap: float | None
    n_masks: int
    recipes: Mapping[str, Errors]
    groups: np.ndarray | None = None
    ci95: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def gt_known_correct(self) -> np.ndarray:
        """`(m,)` bool: the box by the recipe `paper` is correct."""
        return self.correct_by_threshold[:, RECIPE_INDEX]

    @property
    def gt_known(self) -> Rate:
        """GT-known localization error by the recipe `paper`."""
        return self.recipes["paper"].gt_known


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


def evaluate_maps(maps: Sequence[np.ndarray], truths: Sequence[ImageGroundTruth]) -> list[ImageEvaluation]:
    """Compare each of n maps `(h, w)` with the ground truth of its image, on all cores.

    Finding the boxes takes nearly all of the time, so it is done once for equal maps, such as those of copies.
    """
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


def summarize(
    description: str,
    rows: np.ndarray,
    images: Sequence[ImageEvaluation],
    label_rank: np.ndarray,
    n_top: int,
    groups: np.ndarray | None = None,
) -> Evaluation:
    """Combine the metrics of m images.

    rows: `(m,)` rows of these images among all n judged ones.
    label_rank: `(n,)` rank of the label among the `n_top` top classes, from 0, or `n_top` if it is not among them.
    groups: `(n,)` of the judged images, or None.
    """
    own_groups = groups[rows] if groups is not None and has_groups(groups[rows]) else None
    by_threshold = np.array([image.correct_by_threshold for image in images])
    caffe = np.array([image.caffe_correct for image in images])
    any_contour = np.array([image.any_contour_correct for image in images])
    largest_contour = np.array([image.largest_contour_correct for image in images])
    max_box_acc = MaxBoxAcc.of(largest_contour[:, None], (IOU,))
    max_box_acc_v2 = MaxBoxAcc.of(any_contour, IOU_LIMITS)
    counts = [image.pixel_counts for image in images if image.pixel_counts is not None]
    rank, limit = label_rank[rows], IOU_LIMITS.index(IOU)
    is_top1, is_top5 = rank == 0, rank < n_top
    paper = by_threshold[:, RECIPE_INDEX]
    v2 = any_contour[:, limit, max_box_acc_v2.levels[limit]]
    # The CAM paper's heuristic for top-5: two boxes of the first and second class each, one of the third.
    caffe_top5 = caffe.any(1) & (rank < 2) | caffe[:, 0] & (rank == 2)
    return Evaluation(
        description=description,
        rows=rows,
        correct_by_threshold=by_threshold,
        largest_contour_correct=largest_contour,
        any_contour_correct=any_contour,
        max_box_acc=max_box_acc,
        max_box_acc_v2=max_box_acc_v2,
        pointing_hits=np.array([image.pointing_hit for image in images]),
        energy_in_boxes=np.array([image.energy_in_boxes for image in images]),
        completeness=np.array([image.completeness for image in images]),
        pxap=pxap(counts) if any(count[0].any() for count in counts) else None,
        n_masks=len(counts),
        recipes={
            "paper": Errors(paper & is_top1, paper & is_top5, paper, own_groups),
            "caffe": Errors(caffe[:, 0] & is_top1, caffe_top5, caffe[:, 0], own_groups),
            "v2": Errors(v2 & is_top1, v2 & is_top5, v2, own_groups),
        },
        groups=own_groups,
    )


def error_rate(correct: np.ndarray, groups: np.ndarray | None = None) -> Rate:
    """Return the share of False of at least one image. groups: `(m,)` of images that are not independent, or None."""
    rate = Rate.of(~correct, groups)
    assert rate is not None
    return rate
