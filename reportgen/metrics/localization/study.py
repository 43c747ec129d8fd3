"""The localization study of one network: all recipes and thresholds, controls, breakdowns and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from reportgen.metrics.classification import Classification
from reportgen.metrics.intervals import Rate, mean_interval
from reportgen.metrics.localization import controls
from reportgen.metrics.localization.evaluation import Evaluation, error_rate, summarize
from reportgen.metrics.localization.ilsvrc import Localization
from reportgen.metrics.localization.image_evaluation import CURVE_THRESHOLDS, ImageGroundTruth, evaluate_maps
from reportgen.store.results_cache import ResultsCache


@dataclass(frozen=True)
class ThresholdError:
    """A threshold of the recipe `paper`, and the GT-known error at it."""

    threshold: float
    gt_known: Rate


@dataclass(frozen=True)
class BreakdownRow:
    """Some of the images: their GT-known error, and that of a box around the whole image."""

    name: str
    gt_known: Rate
    whole_image: Rate


@dataclass(frozen=True)
class LocalizationStudy:
    """Localization on the n judged images: those with a label and boxes, in the order of the data set.

    images:    `(n,)` their rows in the audit.
    label_map: evaluation of the maps of the labels.
    oracle_threshold:   the threshold that is best on these images.
    held_out_threshold: the best threshold on every second image, with its error on the others; None for a single image.
    controls:  evaluations of the controls, by name.
    breakdowns: title → rows: by size and number of boxes, and by confidence.
    """

    images: np.ndarray
    label_map: Evaluation
    oracle_threshold: ThresholdError
    held_out_threshold: ThresholdError | None
    controls: Mapping[str, Evaluation]
    breakdowns: Mapping[str, Sequence[BreakdownRow]]

    @property
    def error_curve(self) -> np.ndarray:
        """`(100,)` GT-known error by the recipe `paper` at each of `CURVE_THRESHOLDS`."""
        curve: np.ndarray = 1 - self.label_map.correct_by_threshold.mean(0)
        return curve


def study_localization(
    localization: Localization,
    classification: Classification,
    maps: np.ndarray,
    classes: np.ndarray,
    true_boxes: Sequence[np.ndarray],
    sizes: np.ndarray,
    windows: np.ndarray,
    input_size: tuple[int, int],
    random_maps: Sequence[Mapping[int, np.ndarray]] = (),
    masks: Mapping[int, np.ndarray] | None = None,
    ignored: Mapping[int, np.ndarray] | None = None,
    groups: np.ndarray | None = None,
    cache: ResultsCache | None = None,
) -> LocalizationStudy:
    """Evaluate the maps of the labels and the controls.

    maps: `(N, M, h, w)`, the last of each image its label's; classes to input_size: as in `localize`.
    random_maps: for each draw of random weights, row → the label's map `(h, w)`.
    masks: row → `(SIDE, SIDE)` bool of the objects.
    ignored: row → `(SIDE, SIDE)` bool of pixels that do not count for PxAP.
    groups: `(N,)` of images that are not independent.
    cache: where the evaluation of each map is kept.
    """
    images, masks, ignored = np.flatnonzero(localization.judged), masks or {}, ignored or {}
    truths = [
        ImageGroundTruth(true_boxes[i], sizes[i], windows[i], input_size, masks.get(i), ignored.get(i))
        for i in images.tolist()
    ]
    rank, n_top, label_maps = label_rank(classes[images]), classes.shape[1] - 1, maps[images, -1]
    evaluated = evaluate_maps(label_maps, truths, cache)
    own_groups = None if groups is None else groups[images]
    label_map = summarize("the label's map", np.arange(len(images)), evaluated, rank, n_top, own_groups)
    compute = {
        "whole_image": partial(controls.whole_image, truths),
        "centre": partial(controls.centred_box, truths),
        "mean_map": partial(controls.mean_map, label_maps, truths),
    }
    if random_maps:
        place = {int(i): j for j, i in enumerate(images)}
        draws = [{place[i]: map_ for i, map_ in draw.items() if i in place} for draw in random_maps]
        compute["random_weights"] = partial(controls.random_weights, draws, truths, cache)
    evaluations = {name: summarize(*control(), rank, n_top, own_groups) for name, control in compute.items()}
    best = int(label_map.correct_by_threshold.mean(0).argmax())
    return LocalizationStudy(
        images=images,
        label_map=add_intervals(label_map),
        oracle_threshold=ThresholdError(
            float(CURVE_THRESHOLDS[best]), error_rate(label_map.correct_by_threshold[:, best], own_groups)
        ),
        held_out_threshold=_held_out_threshold(label_map.correct_by_threshold, own_groups),
        controls=evaluations,
        breakdowns=_breakdowns(
            label_map.gt_known_correct,
            evaluations["whole_image"].gt_known_correct,
            truths,
            classification.scores[images, 0],
            own_groups,
        ),
    )


def label_rank(classes: np.ndarray) -> np.ndarray:
    """Return the rank `(n,)` of the label among the top classes, from 0; their number if it is not among them.

    classes: `(n, M)`, the top classes and, as the last, the label.
    """
    hit = classes[:, :-1] == classes[:, -1:]
    rank: np.ndarray = np.where(hit.any(1), hit.argmax(1), classes.shape[1] - 1)
    return rank


def _held_out_threshold(correct: np.ndarray, groups: np.ndarray | None) -> ThresholdError | None:
    """Return the best threshold on images 0, 2, 4, … with its error on images 1, 3, 5, …; correct: `(n, 100)`."""
    if len(correct) < 2:
        return None
    best = int(correct[::2].mean(0).argmax())
    return ThresholdError(
        float(CURVE_THRESHOLDS[best]), error_rate(correct[1::2, best], None if groups is None else groups[1::2])
    )


def _breakdowns(
    correct: np.ndarray,
    whole_image_correct: np.ndarray,
    truths: Sequence[ImageGroundTruth],
    confidence: np.ndarray,
    groups: np.ndarray | None,
) -> dict[str, list[BreakdownRow]]:
    share = np.array([(t.boxes[:, 2:] - t.boxes[:, :2]).prod(1).max() / np.prod(t.size) for t in truths])
    n_boxes = np.array([len(t.boxes) for t in truths])
    variables = {
        "Largest box, share of the image": (share, (0, 0.1, 0.25, 0.5, 0.75, np.inf), _percent),
        "Ground-truth boxes": (n_boxes, (1, 2, 3, 5, np.inf), _number),
        "Probability of the top class": (confidence, (0, 0.2, 0.4, 0.6, 0.8, np.inf), _decimal),
    }
    breakdowns = {}
    for title, (values, edges, name_of) in variables.items():
        rows = []
        for low, high in pairwise(edges):
            members = (values >= low) & (values < high)
            if members.any():
                own = None if groups is None else groups[members]
                rates = error_rate(correct[members], own), error_rate(whole_image_correct[members], own)
                rows.append(BreakdownRow(name_of(low, high), *rates))
        breakdowns[title] = rows
    return breakdowns


def _percent(low: float, high: float) -> str:
    return f"{100 * low:.0f} % and more" if np.isinf(high) else f"{100 * low:.0f} to {100 * high:.0f} %"


def _decimal(low: float, high: float) -> str:
    return f"{low:.1f} to 1" if np.isinf(high) else f"{low:.1f} to {high:.1f}"


def _number(low: float, high: float) -> str:
    return f"{low} and more" if np.isinf(high) else f"{low}" if high == low + 1 else f"{low} to {high - 1}"


def add_intervals(evaluation: Evaluation) -> Evaluation:
    """Return the evaluation with 95 % intervals (Wilson's; of means: for the number of images that vary as much).

    The thresholds of MaxBoxAcc stay those that are best on these images.
    """
    errors, groups = evaluation.recipes["paper"], evaluation.groups
    v1, v2 = evaluation.max_box_acc.levels, evaluation.max_box_acc_v2.levels
    by_limit = [evaluation.any_contour_correct[:, d, level] for d, level in enumerate(v2.tolist())]
    values = {
        "pointing_game": evaluation.pointing_hits,
        "energy": evaluation.energy_in_boxes,
        "completeness": evaluation.completeness,
        "max_box_acc": evaluation.largest_contour_correct[:, int(v1[0])],
        "max_box_acc_v2": np.mean(by_limit, 0),
    }
    rates = {"top1_error": errors.top1, "top5_error": errors.top5, "gt_known_error": errors.gt_known}
    ci95 = {name: rate.interval for name, rate in rates.items()}
    ci95 |= {name: mean_interval(value.astype(np.float64), groups) for name, value in values.items()}
    return replace(evaluation, ci95=ci95)
