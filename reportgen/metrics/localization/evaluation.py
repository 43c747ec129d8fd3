"""One map, or one box, for each of some images, held against their true boxes: every localization figure from it.

The network's own maps, those of random weights, the mean map and boxes that do not look at the image all go through
this code, so that a figure and its control differ in nothing but what they are made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reportgen.metrics.bootstrap import Interval
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.boxes import INCLUSIVE, caffe_boxes, iou, paper_boxes, to_image, upsample
from reportgen.metrics.localization.ilsvrc import IOU, THRESHOLD
from reportgen.metrics.localization.max_box_acc import (
    IOUS,
    LEVELS,
    SIDE,
    LevelSets,
    MaxBoxAcc,
    score_map,
    squashed_boxes,
)
from reportgen.metrics.localization.pointing import (
    completeness,
    energy_inside,
    inside,
    points_inside,
    pxap,
    score_counts,
)
from reportgen.parallel import each

CURVE = np.arange(1, 101) / 100
"""Thresholds of the error curve, as shares of the map's maximum."""
FIXED = int(np.searchsorted(CURVE, THRESHOLD))
"""Place of the recipe's own threshold among them."""


@dataclass(frozen=True)
class Place:
    """Where an image's objects are. true: `(B, 4)` boxes, B ≥ 1, in its pixels; size: `(2,)`; window: `(4,)`, what the
    network saw of it, at input_size²; mask: `(SIDE, SIDE)` bool, the objects' pixels in that view, or None."""

    true: np.ndarray
    size: np.ndarray
    window: np.ndarray
    input_size: int
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class Outlines:
    """What a map gives before it is known where the objects are.

    large: `(S, S)` at the network's input size; score: `(SIDE, SIDE)` in [0, 1]; paper: `(100, 4)` boxes at `CURVE`;
    caffe: `(≤ 2, 4)`; contours: levels `(Q,)` and boxes `(Q, 4)`, largest: `(256, 4)`, both in the score map.
    """

    large: np.ndarray
    score: np.ndarray
    paper: np.ndarray
    caffe: np.ndarray
    contours: tuple[np.ndarray, np.ndarray]
    largest: np.ndarray


@dataclass(frozen=True)
class Held:
    """What comes of one image; see `Measured`. known: `(100,)`, caffe: its first and second box fit, all_: `(3, 256)`
    some contour's box fits by IoU limit and 8-bit threshold, largest: `(256,)`."""

    known: np.ndarray
    caffe: tuple[bool, bool]
    all_: np.ndarray
    largest: np.ndarray
    pointing: bool
    energy: float
    complete: float
    counts: np.ndarray | None


@dataclass(frozen=True)
class Errors:
    """The three localization errors under one recipe, with the network's own classes."""

    top1: Rate
    top5: Rate
    gt_known: Rate


@dataclass(frozen=True)
class Measured:
    """The figures of one map or box an image, over m images.

    about:    what it is, in words; rows: `(m,)` which of the judged images.
    known:    `(m, 100)` bool: the box fits at each threshold of `CURVE`, recipe `paper`, class given.
    largest, all_: `(m, 256)` and `(m, 3, 256)` bool: see `Held`; v1, v2: MaxBoxAcc and MaxBoxAccV2 of them, their
              thresholds chosen on these very images.
    pointing, energy, complete: `(m,)` hit of the pointing game (a box points at its middle); share of the map's energy
              in the true boxes; share of a true box that the box covers.
    pxap:     None without masks; masked: how many images have one.
    recipes:  `paper`, `caffe`, `v2`.
    ci95:     figure → bootstrap interval; empty for controls.
    """

    about: str
    rows: np.ndarray
    known: np.ndarray
    largest: np.ndarray
    all_: np.ndarray
    v1: MaxBoxAcc
    v2: MaxBoxAcc
    pointing: np.ndarray
    energy: np.ndarray
    complete: np.ndarray
    pxap: float | None
    masked: int
    recipes: Mapping[str, Errors]
    ci95: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def fits(self) -> np.ndarray:
        """`(m,)` bool: the box of the recipe `paper` counts."""
        return self.known[:, FIXED]

    @property
    def gt_known(self) -> Rate:
        """Error with the class given."""
        return self.recipes["paper"].gt_known


def outline(map_: np.ndarray, input_size: int) -> Outlines:
    """The boxes of a map `(h, w)` by every recipe and threshold."""
    with np.errstate(invalid="ignore"):  # infinite maps give NaN, and those no box
        large = upsample(map_, input_size, input_size)
    score = score_map(map_)
    sets = LevelSets(score)
    return Outlines(large, score, paper_boxes(large, CURVE), caffe_boxes(large)[:2], sets.contours(), sets.largest())


def hold_map(found: Outlines, place: Place) -> Held:
    """A map's boxes against the true ones."""
    boxes, released = (to_image(b, place.window, place.input_size, place.size) for b in (found.paper, found.caffe))
    hits = [bool((iou(box, place.true, INCLUSIVE) >= IOU).any()) for box in released] + [False, False]
    true, view = squashed_boxes(place.true, place.window), inside(place.true, place.window, place.input_size)
    levels, contour_boxes = found.contours
    best = np.zeros(LEVELS)
    np.maximum.at(best, levels, iou(contour_boxes[:, None], true, INCLUSIVE).max(1))
    return Held(
        known=iou(boxes[:, None], place.true).max(1) >= IOU,
        caffe=(hits[0], hits[1]),
        all_=best >= np.array(IOUS)[:, None],
        largest=iou(found.largest[:, None], true, INCLUSIVE).max(1) >= IOU,
        pointing=points_inside(found.large, view),
        energy=energy_inside(found.large, view),
        complete=completeness(to_image(found.paper[FIXED], place.window, place.input_size, place.size), place.true),
        counts=None if place.mask is None else score_counts(found.score, place.mask),
    )


def hold_maps(maps: Sequence[np.ndarray], places: Sequence[Place]) -> list[Held]:
    """Each map's boxes against the true ones of its place; by all cores. maps: n times `(h, w)`."""
    pairs = list(zip(maps, places, strict=True))
    return each(lambda pair: hold_map(outline(pair[0], pair[1].input_size), pair[1]), pairs)


def hold_box(box: np.ndarray, place: Place) -> Held:
    """A box `(4,)` of the image, NaN for none: the same at every threshold, and as a map 1 inside and 0 outside."""
    fits = bool((iou(box, place.true) >= IOU).any())
    released = bool((iou(box, place.true, INCLUSIVE) >= IOU).any())
    nothing = np.isnan(box).any()
    squashed = squashed_boxes(np.zeros(4) if nothing else box, place.window)
    limits = iou(squashed, squashed_boxes(place.true, place.window), INCLUSIVE).max() >= np.array(IOUS)
    flat, view = (inside(b, place.window, place.input_size).astype(float) for b in (box[None], place.true))
    x, y = (box[:2] + box[2:]) / 2
    points = (place.true[:, 0] <= x) & (x < place.true[:, 2]) & (place.true[:, 1] <= y) & (y < place.true[:, 3])
    score = None if place.mask is None else inside(box[None], place.window, SIDE).astype(float)
    return Held(
        known=np.full(len(CURVE), fits),
        caffe=(released, False),
        all_=np.repeat(limits[:, None], LEVELS, 1),
        largest=np.full(LEVELS, limits[IOUS.index(IOU)]),
        pointing=bool(points.any()),
        energy=energy_inside(flat, view > 0),
        complete=completeness(box, place.true),
        counts=None if score is None or place.mask is None else score_counts(score, place.mask),
    )


def measured(about: str, rows: np.ndarray, held: Sequence[Held], rank: np.ndarray, top: int) -> Measured:
    """rank: `(n,)` of all judged images, the label's place among the `top` classes, from 0, or `top`; held: of rows."""
    known, caffe, all_, largest = (
        np.array([getattr(h, what) for h in held]) for what in ("known", "caffe", "all_", "largest")
    )
    pointing, energy, complete = (
        np.array([getattr(h, what) for h in held]) for what in ("pointing", "energy", "complete")
    )
    v1, v2 = MaxBoxAcc.of(largest[:, None], (IOU,)), MaxBoxAcc.of(all_, IOUS)
    counts = [h.counts for h in held if h.counts is not None]
    place, half = rank[rows], IOUS.index(IOU)
    first, among = place == 0, place < top
    fits, best = known[:, FIXED], all_[:, half, v2.levels[half]]
    heuristic = caffe.any(1) & (place < 2) | caffe[:, 0] & (place == 2)
    return Measured(
        about, rows, known, largest, all_, v1, v2, pointing, energy, complete,
        pxap=pxap(counts) if counts else None,
        masked=len(counts),
        recipes={
            "paper": _errors(fits & first, fits & among, fits),
            "caffe": _errors(caffe[:, 0] & first, heuristic, caffe[:, 0]),
            "v2": _errors(best & first, best & among, best),
        },
    )  # fmt: skip


def _errors(top1: np.ndarray, top5: np.ndarray, gt_known: np.ndarray) -> Errors:
    return Errors(error(top1), error(top5), error(gt_known))


def error(right: np.ndarray) -> Rate:
    """The share of False."""
    return Rate(int((~right).sum()), len(right))
