"""Weak localization from all sides: recipes, thresholds, controls, breakdowns and intervals, for one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from reportgen.metrics.bootstrap import bootstrap
from reportgen.metrics.classification import Classification
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization import controls
from reportgen.metrics.localization.evaluation import CURVE, Measured, Place, error, hold_maps, measured
from reportgen.metrics.localization.ilsvrc import Localization
from reportgen.metrics.localization.max_box_acc import LEVEL_OF


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
    """The judged images, those with a label and boxes, n of them in the order of the data set.

    images:    `(n,)` their rows in the audit.
    own:       what comes of the label's maps.
    oracle:    the threshold that is best on these very images; heldout: chosen on every second image and judged on the
               others, or None with fewer than two images.
    controls:  the same figures for what knows nothing of the image, by name.
    groups:    title → rows: by size, by number of boxes, by confidence.
    """

    images: np.ndarray
    own: Measured
    oracle: Threshold
    heldout: Threshold | None
    controls: Mapping[str, Measured]
    groups: Mapping[str, Sequence[Group]]

    @property
    def curve(self) -> np.ndarray:
        """`(100,)` error of the label's map's box at each threshold of `CURVE`, recipe `paper`."""
        return 1 - self.own.known.mean(0)


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
    images, masks = np.flatnonzero(localization.judged), masks or {}
    places = [Place(true_boxes[i], sizes[i], windows[i], input_size, masks.get(i)) for i in images.tolist()]
    rank, top, labels_maps = label_rank(classes[images]), classes.shape[1] - 1, maps[images, -1]
    own = measured("the label's map", np.arange(len(images)), hold_maps(labels_maps, places), rank, top)
    blind = {
        "whole_image": partial(controls.whole_image, places),
        "centre": partial(controls.centre, places),
        "mean_map": partial(controls.mean_map, labels_maps, places),
    }
    if random_maps:
        by_row = {j: random_maps[int(i)] for j, i in enumerate(images) if int(i) in random_maps}
        blind["random_weights"] = partial(controls.random_weights, by_row, places)
    beside = {name: measured(*control(), rank, top) for name, control in blind.items()}  # one at a time in memory
    best = int(own.known.mean(0).argmax())
    return Study(
        images=images,
        own=with_intervals(own, rank, top),
        oracle=Threshold(float(CURVE[best]), error(own.known[:, best])),
        heldout=_held_out(own.known),
        controls=beside,
        groups=_groups(own.fits, beside["whole_image"].fits, places, classification.scores[images, 0]),
    )


def label_rank(classes: np.ndarray) -> np.ndarray:
    """`(n,)` place of the label among the top classes, counted from 0; their number where it is not among them."""
    hit = classes[:, :-1] == classes[:, -1:]
    return np.where(hit.any(1), hit.argmax(1), classes.shape[1] - 1)


def _held_out(known: np.ndarray) -> Threshold | None:
    """The threshold that is best on images 0, 2, 4, …, judged on images 1, 3, 5, …"""
    if len(known) < 2:
        return None
    best = int(known[::2].mean(0).argmax())
    return Threshold(float(CURVE[best]), error(known[1::2, best]))


def _groups(
    fits: np.ndarray, whole: np.ndarray, places: Sequence[Place], confidence: np.ndarray
) -> dict[str, list[Group]]:
    share = np.array([(p.true[:, 2:] - p.true[:, :2]).prod(1).max() / np.prod(p.size) for p in places])
    number = np.array([len(p.true) for p in places])
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
                rows.append(Group(name(low, high), error(fits[members]), error(whole[members])))
        found[title] = rows
    return found


def _percent(low: float, high: float) -> str:
    return f"{100 * low:.0f} % and more" if np.isinf(high) else f"{100 * low:.0f} to {100 * high:.0f} %"


def _decimal(low: float, high: float) -> str:
    return f"{low:.1f} to 1" if np.isinf(high) else f"{low:.1f} to {high:.1f}"


def _number(low: float, high: float) -> str:
    return f"{low} and more" if np.isinf(high) else f"{low}" if high == low + 1 else f"{low} to {high - 1}"


def with_intervals(own: Measured, rank: np.ndarray, top: int) -> Measured:
    """With intervals from resampled images, all figures together; MaxBoxAcc's thresholds are chosen again in each."""
    fits, rank = own.fits, rank[own.rows]
    flags = np.stack((fits & (rank == 0), fits & (rank < top), fits, own.pointing, own.energy, own.complete), 1)
    levels = np.unique(LEVEL_OF)
    hits = np.stack((own.largest, *np.moveaxis(own.all_, 1, 0)))[:, :, levels]  # (4, n, thresholds)
    values = [flags, *(_rivals(block) for block in hits)]
    ends = np.cumsum([block.shape[1] for block in values])
    together = np.concatenate(values, 1).astype(np.float32)

    def statistic(weights: np.ndarray) -> np.ndarray:
        first, *blocks = np.split(weights @ together, ends[:-1], 1)
        best = np.stack([block.max(1) for block in blocks], 1)
        return np.column_stack((1 - first[:, :3], first[:, 3:], best[:, 0], best[:, 1:].mean(1)))

    bounds = np.clip(bootstrap(len(fits), statistic), 0, 1)
    ci95 = {name: (float(low), float(high)) for name, (low, high) in zip(FIGURES, bounds, strict=True)}
    return replace(own, ci95=ci95)


FIGURES = (
    "top1_error", "top5_error", "gt_known_error", "pointing_game", "energy", "completeness",
    "max_box_acc", "max_box_acc_v2",
)  # fmt: skip
"""Those that have a bootstrap interval."""


def _rivals(hits: np.ndarray) -> np.ndarray:
    """Of thresholds `(n, T)` bool, those that could be the best of a resample: unlike another, and behind the best by
    no more than seven standard errors of the difference."""
    distinct = np.unique(hits, axis=1)
    means = distinct.mean(0)
    apart = (distinct != distinct[:, [int(means.argmax())]]).mean(0)
    return distinct[:, means.max() - means <= 7 * np.sqrt(apart / len(hits))]
