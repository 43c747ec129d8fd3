"""All localization metrics of one map, or one box, for several images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reportgen.metrics.intervals import Interval, Rate, has_groups
from reportgen.metrics.localization.ilsvrc import IOU
from reportgen.metrics.localization.image_evaluation import RECIPE_INDEX, ImageEvaluation
from reportgen.metrics.localization.max_box_acc import IOU_LIMITS, MaxBoxAcc
from reportgen.metrics.localization.pointing import pxap


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
