"""Weak localization from all sides: recipes, thresholds, controls, breakdowns and intervals, for one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reportgen.analysis import controls
from reportgen.analysis.bootstrap import Interval, bootstrap
from reportgen.analysis.boxes import INCLUSIVE, caffe_boxes, iou, paper_boxes, to_image, upsample
from reportgen.analysis.classification import Classification
from reportgen.analysis.controls import Control
from reportgen.analysis.interval import Rate
from reportgen.analysis.localization import IOU, Localization
from reportgen.analysis.maxboxacc import (
    IOUS,
    MaxBoxAcc,
    at_thresholds,
    ious_of_all,
    ious_of_largest,
    max_box_acc,
    score_map,
    squashed_boxes,
)
from reportgen.analysis.pointing import completeness, energy_inside, inside, points_inside, pxap, score_counts

CURVE = np.arange(1, 101) / 100
"""Thresholds of the error curve, as shares of the map's maximum."""


@dataclass(frozen=True)
class Errors:
    """The three localization errors under one recipe, over the judged images."""

    top1: Rate
    top5: Rate
    gt_known: Rate


@dataclass(frozen=True)
class Threshold:
    """A threshold, and the error of the box of the label's map at it."""

    threshold: float
    gt_known: Rate


@dataclass(frozen=True)
class Group:
    """Images of one kind: the error of the label's map's box, and that of a box around the whole image."""

    name: str
    gt_known: Rate
    whole: Rate


@dataclass(frozen=True)
class Study:
    """n judged images: those with a label and boxes. Flags and shares are `(n,)`, in the order of the data set.

    images:    `(n,)` their rows in the audit.
    recipes:   `paper`, `caffe`, `v2`.
    curve:     `(100,)` error of the label's map's box at each threshold of `CURVE`, recipe `paper`.
    oracle:    the threshold that is best on these very images; heldout: chosen on every second image and judged on the
               others, or None with fewer than two images.
    v1, v2:    MaxBoxAcc and MaxBoxAccV2, their thresholds chosen on these very images.
    pointing, energy, complete: hit of the pointing game; share of the map's energy in the boxes; share of a true box
               that the map's box covers.
    centre_point, box_share: their controls: a true box holds the middle of the view; the boxes' share of the view.
    pxap:      None without masks; masked: how many images have one.
    groups:    title → rows: by size, by number of boxes, by confidence.
    ci95:      figure → bootstrap interval.
    """

    images: np.ndarray
    recipes: Mapping[str, Errors]
    curve: np.ndarray
    oracle: Threshold
    heldout: Threshold | None
    v1: MaxBoxAcc
    v2: MaxBoxAcc
    pointing: np.ndarray
    centre_point: np.ndarray
    energy: np.ndarray
    box_share: np.ndarray
    complete: np.ndarray
    pxap: float | None
    masked: int
    controls: Mapping[str, Control]
    groups: Mapping[str, Sequence[Group]]
    ci95: Mapping[str, Interval]


@dataclass(frozen=True)
class _Looked:
    """What is measured of one image; see `Study`. known: `(100,)`, caffe: fits of its first and second box."""

    known: np.ndarray
    caffe: tuple[bool, bool]
    largest: np.ndarray
    all_: np.ndarray
    peak: int
    pointing: bool
    centre_point: bool
    energy: float
    box_share: float
    complete: float
    counts: np.ndarray | None


def study(
    localization: Localization,
    classification: Classification,
    maps: np.ndarray,
    classes: np.ndarray,
    true_boxes: Sequence[np.ndarray],
    sizes: np.ndarray,
    windows: np.ndarray,
    input_size: int,
    random_maps: Mapping[int, np.ndarray] | None = None,
    masks: Mapping[int, np.ndarray] | None = None,
) -> Study:
    """maps: `(N, M, h, w)`, the last of each image its label's; the rest as in `localize`.

    random_maps: image → its label's map `(h, w)` under random weights; masks: image → `(SIDE, SIDE)` bool of its view.
    """
    images = np.flatnonzero(localization.judged)
    masks = masks or {}
    own, true = maps[images, -1], [true_boxes[int(i)] for i in images]
    sizes, windows = sizes[images], windows[images]
    seen = [
        _look(own[j], true[j], sizes[j], windows[j], input_size, localization.boxes[i, -1], masks.get(int(i)))
        for j, i in enumerate(images)
    ]
    known = np.array([look.known for look in seen])
    caffe = np.array([look.caffe for look in seen])
    peaks = np.array([look.peak for look in seen])
    all_ = np.array([look.all_ for look in seen])
    largest = np.array([look.largest for look in seen])
    v1, v2 = max_box_acc(largest, peaks, (IOU,)), max_box_acc(all_, peaks)
    rank = _rank(classes[images])
    right5 = rank < classes.shape[1] - 1
    fits = localization.known[images]
    at_best = at_thresholds(all_, peaks)[:, int(v2.accuracy[IOUS.index(IOU)].argmax())] >= IOU
    heuristic = caffe.any(1) & (rank < 2) | caffe[:, 0] & (rank == 2)
    recipes = {
        "paper": Errors(localization.top1, localization.top5, localization.gt_known),
        "caffe": _errors(caffe[:, 0] & (rank == 0), heuristic, caffe[:, 0]),
        "v2": _errors(at_best & (rank == 0), at_best & right5, at_best),
    }
    found = {
        "whole_image": controls.whole_image(true, sizes),
        "centre": controls.centre(true, sizes),
        "mean_map": controls.mean_map(own, true, sizes, windows, input_size),
    }
    if random_maps:
        by_row = {j: random_maps[int(i)] for j, i in enumerate(images) if int(i) in random_maps}
        found["random_weights"] = controls.random_weights(by_row, true, sizes, windows, input_size)
    curve = 1 - known.mean(0)
    counts = [look.counts for look in seen if look.counts is not None]
    pointing, energy = (np.array([getattr(look, name) for look in seen]) for name in ("pointing", "energy"))
    flags = np.stack((localization.right1[images], localization.right5[images], fits, pointing, energy), 1)
    return Study(
        images=images,
        recipes=recipes,
        curve=curve,
        oracle=Threshold(float(CURVE[curve.argmin()]), _error(known[:, curve.argmin()])),
        heldout=_held_out(known),
        v1=v1,
        v2=v2,
        pointing=pointing,
        centre_point=np.array([look.centre_point for look in seen]),
        energy=energy,
        box_share=np.array([look.box_share for look in seen]),
        complete=np.array([look.complete for look in seen]),
        pxap=pxap(counts) if counts else None,
        masked=len(counts),
        controls=found,
        groups=_groups(fits, found["whole_image"].fits, true, sizes, classification.scores[images, 0]),
        ci95=_ci95(flags, at_thresholds(largest, peaks), at_thresholds(all_, peaks)),
    )


def _look(
    map_: np.ndarray,
    true: np.ndarray,
    size: np.ndarray,
    window: np.ndarray,
    input_size: int,
    box: np.ndarray,
    mask: np.ndarray | None,
) -> _Looked:
    large, score = upsample(map_, input_size, input_size), score_map(map_)
    boxes = to_image(paper_boxes(large, CURVE), window, input_size, size)
    released = to_image(caffe_boxes(large)[:2], window, input_size, size)
    hits = [bool((iou(b, true, INCLUSIVE) >= IOU).any()) for b in released] + [False, False]
    squashed, view = squashed_boxes(true, window), inside(true, window, input_size)
    return _Looked(
        known=iou(boxes[:, None], true).max(1) >= IOU,
        caffe=(hits[0], hits[1]),
        largest=ious_of_largest(score, squashed),
        all_=ious_of_all(score, squashed),
        peak=255 if score.any() else 0,
        pointing=points_inside(large, view),
        centre_point=bool(view[input_size // 2, input_size // 2]),
        energy=energy_inside(large, view),
        box_share=float(view.mean()),
        complete=completeness(box, true),
        counts=None if mask is None else score_counts(score, mask),
    )


def _rank(classes: np.ndarray) -> np.ndarray:
    """`(n,)` place of the label among the top classes, counted from 0; their number where it is not among them."""
    hit = classes[:, :-1] == classes[:, -1:]
    return np.where(hit.any(1), hit.argmax(1), classes.shape[1] - 1)


def _error(right: np.ndarray) -> Rate:
    return Rate(int((~right).sum()), len(right))


def _errors(top1: np.ndarray, top5: np.ndarray, gt_known: np.ndarray) -> Errors:
    return Errors(_error(top1), _error(top5), _error(gt_known))


def _held_out(known: np.ndarray) -> Threshold | None:
    """The threshold that is best on images 0, 2, 4, …, judged on images 1, 3, 5, …"""
    if len(known) < 2:
        return None
    best = int(known[::2].mean(0).argmax())
    return Threshold(float(CURVE[best]), _error(known[1::2, best]))


def _groups(
    fits: np.ndarray, whole: np.ndarray, true: Sequence[np.ndarray], sizes: np.ndarray, confidence: np.ndarray
) -> dict[str, list[Group]]:
    share = np.array([((b[:, 2:] - b[:, :2]).prod(1)).max() for b in true]) / sizes.prod(1)
    number = np.array([len(b) for b in true])
    by = {
        "Largest box, share of the image": (share, (0, 0.1, 0.25, 0.5, 0.75, np.inf), _percent),
        "True boxes": (number, (1, 2, 3, 5, np.inf), _number),
        "Probability of the top class": (confidence, (0, 0.2, 0.4, 0.6, 0.8, np.inf), _decimal),
    }
    found = {}
    for title, (values, edges, name) in by.items():
        rows = []
        for low, high in pairwise(edges):
            members = (values >= low) & (values < high)
            if members.any():
                rows.append(Group(name(low, high), _error(fits[members]), _error(whole[members])))
        found[title] = rows
    return found


def _percent(low: float, high: float) -> str:
    return f"{100 * low:.0f} % and more" if np.isinf(high) else f"{100 * low:.0f} to {100 * high:.0f} %"


def _decimal(low: float, high: float) -> str:
    return f"{low:.1f} to 1" if np.isinf(high) else f"{low:.1f} to {high:.1f}"


def _number(low: float, high: float) -> str:
    return f"{low} and more" if np.isinf(high) else f"{low}" if high == low + 1 else f"{low} to {high - 1}"


def _ci95(flags: np.ndarray, largest: np.ndarray, all_: np.ndarray) -> dict[str, Interval]:
    """flags: `(n, 5)` right at top-1, top-5, with the class given, pointing, energy; IoUs by threshold `(n, 1000)`."""
    n = len(flags)
    hits = np.concatenate([largest >= IOU, *(all_ >= limit for limit in IOUS)], 1)
    distinct, of = np.unique(hits, axis=1, return_inverse=True)  # 255 thresholds at most differ
    blocks = [np.unique(block) for block in np.split(of.ravel(), 1 + len(IOUS))]
    values = np.concatenate((flags, distinct), 1).astype(np.float32)

    def statistic(weights: np.ndarray) -> np.ndarray:
        means = weights @ values
        best = np.stack([means[:, flags.shape[1] + block].max(1) for block in blocks], 1)
        return np.column_stack((1 - means[:, :3], means[:, 3:5], best[:, 0], best[:, 1:].mean(1)))

    names = ("top1_error", "top5_error", "gt_known_error", "pointing_game", "energy", "max_box_acc", "max_box_acc_v2")
    bounds = np.clip(bootstrap(n, statistic), 0, 1)
    return {name: (float(low), float(high)) for name, (low, high) in zip(names, bounds, strict=True)}
