"""Figures of multi-label predictions: average precision, and precision, recall and F1 at a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reportgen.metrics.bootstrap import MAX_WEIGHTS, N_RESAMPLES, SEED
from reportgen.metrics.intervals import Interval, Rate, mean_interval

THRESHOLD = 0.5
"""Least probability of a predicted label."""
NO_LABELS = "none of the labels"
"""What stands for the labels of an image that has none."""


@dataclass(frozen=True)
class Curve:
    """The precision–recall curve of one label. thresholds: the distinct probabilities, the highest first; recall,
    precision: where the images with at least this probability are predicted."""

    thresholds: np.ndarray
    recall: np.ndarray
    precision: np.ndarray


@dataclass(frozen=True)
class LabelFigures:
    """One label over the judged images.

    positives, predicted, hits: numbers of images with the label, with the prediction, and with both.
    average_precision: area under the steps of `curve`; interval: its 95 % bootstrap interval. None without positives,
        and the interval where all resamples are equal.
    precision: None if the label is never predicted; recall: None without positives.
    """

    positives: int
    predicted: int
    hits: int
    average_precision: float | None
    interval: Interval | None
    precision: Rate | None
    recall: Rate | None
    curve: Curve | None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall, 2 hits ÷ (positives + predicted); None without positives."""
        return 2 * self.hits / (self.positives + self.predicted) if self.positives else None


@dataclass(frozen=True)
class MultilabelFigures:
    """All labels together, over the n judged images.

    labels: of each class; exact: images all of whose labels are right; with_positives: number of labels that an image
        has, over which the macro figures are means.
    values: `map` (mean of the average precisions), `micro_precision`, `micro_recall`, `micro_f1`, `macro_precision`,
        `macro_recall`, `macro_f1` and `hamming_loss` (share of wrong entries of the images × labels table); None for a
        figure that does not exist. In macro figures, the precision of a label that is never predicted is 0.
    intervals: their 95 % intervals, by bootstrap, of the Hamming loss by the variance of the images' shares.
    """

    images: int
    labels: Sequence[LabelFigures]
    exact: Rate
    with_positives: int
    values: Mapping[str, float | None]
    intervals: Mapping[str, Interval]


def precision_recall_curve(probability: np.ndarray, positive: np.ndarray) -> Curve:
    """Return the curve of one label with at least one positive. probability: `(n,)`; positive: `(n,)` bool."""
    order, ends = _levels(probability)
    hits = np.cumsum(positive[order])[ends]
    return Curve(probability[order][ends], hits / hits[-1], hits / (ends + 1))


def average_precision(probability: np.ndarray, positive: np.ndarray) -> float | None:
    """Return Σ (R_i − R_{i−1}) P_i over the distinct probabilities, from the highest down; None without positives.

    R, P: recall and precision of the images with at least this probability. No interpolation, as in scikit-learn.
    probability: `(n,)`; positive: `(n,)` bool.
    """
    if not positive.any():
        return None
    curve = precision_recall_curve(probability, positive)
    return float(np.diff(curve.recall, prepend=0) @ curve.precision)


def evaluate_multilabel(
    probability: np.ndarray, positive: np.ndarray, groups: np.ndarray | None = None
) -> MultilabelFigures:
    """Return the figures of n ≥ 1 images.

    probability: `(n, K)`; NaN ranks last and is never predicted; positive: `(n, K)` bool; groups: `(n,)` of images that
    are not independent.
    """
    probability = np.nan_to_num(probability.astype(np.float64), nan=-1.0)
    predicted = probability >= THRESHOLD
    resampled = _Resamples.of(probability, positive, groups)
    labels = [
        _label_figures(probability[:, k], positive[:, k], predicted[:, k], groups, resampled.interval_of(k))
        for k in range(positive.shape[1])
    ]
    wrong = (predicted != positive).mean(1)
    exact = Rate.of((predicted == positive).all(1), groups)
    assert exact is not None, "there are images"
    precisions = [one.average_precision for one in labels if one.average_precision is not None]
    sums = ((predicted & positive).sum(0), predicted.sum(0), positive.sum(0))
    counts = tuple(column[None].astype(np.float64) for column in sums)
    values = {name: _number(value[0]) for name, value in _ratios(*counts).items()}
    return MultilabelFigures(
        images=len(positive),
        labels=labels,
        exact=exact,
        with_positives=len(precisions),
        values={
            "map": float(np.mean(precisions)) if precisions else None,
            **values,
            "hamming_loss": float(wrong.mean()),
        },
        intervals={**resampled.intervals(), "hamming_loss": mean_interval(wrong, groups)},
    )


def _label_figures(
    probability: np.ndarray,
    positive: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray | None,
    interval: Interval | None,
) -> LabelFigures:
    own = (None, None) if groups is None else (groups[predicted], groups[positive])
    return LabelFigures(
        positives=int(positive.sum()),
        predicted=int(predicted.sum()),
        hits=int((positive & predicted).sum()),
        average_precision=average_precision(probability, positive),
        interval=interval,
        precision=Rate.of(positive[predicted], own[0]),
        recall=Rate.of(predicted[positive], own[1]),
        curve=precision_recall_curve(probability, positive) if positive.any() else None,
    )


def _levels(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images, the highest probability first, and the place of the last image of each distinct one."""
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))


def _ratios(hits: np.ndarray, predicted: np.ndarray, positives: np.ndarray) -> dict[str, np.ndarray]:
    """Return the micro and macro figures `(B,)` of counts `(B, K)`; NaN for one that does not exist."""
    has = positives > 0
    number = np.where(has.any(1), has.sum(1), np.nan)

    def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0))

    def macro(of_label: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(has, np.nan_to_num(of_label), 0).sum(1) / number)

    total = hits.sum(1), predicted.sum(1), positives.sum(1)
    return {
        "micro_precision": ratio(total[0], total[1]),
        "micro_recall": ratio(total[0], total[2]),
        "micro_f1": ratio(2 * total[0], total[1] + total[2]),
        "macro_precision": macro(ratio(hits, predicted)),
        "macro_recall": macro(ratio(hits, positives)),
        "macro_f1": macro(ratio(2 * hits, predicted + positives)),
    }


@dataclass(frozen=True)
class _Resamples:
    """Figures of resampled images. precisions: `(B, K)` average precisions; ratios: name → `(B,)`; NaN for none."""

    precisions: np.ndarray
    ratios: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, probability: np.ndarray, positive: np.ndarray, groups: np.ndarray | None) -> _Resamples:
        """Draw the groups of images with replacement; arguments as of `evaluate_multilabel`, without NaN."""
        member = np.arange(len(positive)) if groups is None else np.unique(groups, return_inverse=True)[1]
        n, random = int(member.max()) + 1, np.random.default_rng(SEED)
        predicted = probability >= THRESHOLD
        tables = [table.astype(np.float32) for table in (predicted & positive, predicted, positive)]
        steps = [_steps(probability[:, k], positive[:, k]) for k in range(positive.shape[1])]
        step = max(1, MAX_WEIGHTS // max(n, len(positive)))
        precisions, counts = [], []
        for start in range(0, N_RESAMPLES, step):
            r = min(step, N_RESAMPLES - start)
            drawn = random.integers(0, n, (r, n)) + np.arange(r)[:, None] * n
            weights = np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n).astype(np.float32).T[member]
            weights = np.ascontiguousarray(weights)
            precisions.append(np.stack([_weighted_precision(weights, *one) for one in steps], 1))
            counts.append([(table.T @ weights).T for table in tables])
        ratios = _ratios(*(np.concatenate(column) for column in zip(*counts, strict=True)))
        return cls(np.concatenate(precisions), ratios)

    def interval_of(self, k: int) -> Interval | None:
        """The interval of a label's average precision, if it has one."""
        return _quantiles(self.precisions[:, k])

    def intervals(self) -> dict[str, Interval]:
        """The intervals of the figures of all labels together that exist."""
        has = np.isfinite(self.precisions)
        number = has.sum(1)
        mean = np.where(number > 0, np.nansum(self.precisions, 1) / np.maximum(number, 1), np.nan)
        found = {name: _quantiles(values) for name, values in {"map": mean, **self.ratios}.items()}
        return {name: bounds for name, bounds in found.items() if bounds is not None}


def _steps(probability: np.ndarray, positive: np.ndarray) -> tuple[Any, Any]:
    """Return two sparse tables of steps × images: the images that a step of the curve adds, and the positive ones.

    A step ends with a distinct probability that a positive has: only there the sum of the average precision grows. What
    comes after the last step is left out.
    """
    from scipy.sparse import csr_matrix

    order, ends = _levels(probability)
    ranked = positive[order]
    ends = ends[np.diff(np.cumsum(ranked)[ends], prepend=0) > 0]
    bounds = np.append(0, ends + 1)
    kept = order[: bounds[-1]]
    shape = (len(ends), len(positive))
    added = csr_matrix((np.ones(len(kept), np.float32), kept, bounds), shape)
    positives = csr_matrix((ranked[: len(kept)].astype(np.float32), kept, bounds), shape)
    positives.eliminate_zeros()
    return added, positives


def _weighted_precision(weights: np.ndarray, added: Any, added_positives: Any) -> np.ndarray:
    """Return the average precision `(B,)` with each image counted as often as its weight; NaN without positives.

    weights: `(n, B)` float32, whole numbers, whose sums are exact below 2²⁴.
    """
    predicted, gained = np.cumsum(added @ weights, 0), added_positives @ weights
    precision = np.divide(np.cumsum(gained, 0), predicted, out=np.zeros_like(gained), where=predicted > 0)
    total = gained.sum(0, dtype=np.float64)
    area = (gained.astype(np.float64) * precision).sum(0)
    return np.asarray(np.divide(area, total, out=np.full(len(total), np.nan), where=total > 0))


def _quantiles(values: np.ndarray) -> Interval | None:
    """The 2.5 % and 97.5 % quantiles of the resamples in which the figure exists.

    None if there are none, or if all are equal: an average precision of 1 is 1 in each of them, however few the images.
    """
    existing = values[np.isfinite(values)]
    if not len(existing) or existing.min() == existing.max():
        return None
    low, high = np.quantile(existing, [0.025, 0.975])
    return float(low), float(high)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
