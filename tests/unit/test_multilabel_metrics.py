"""Multi-label figures against their definitions, and beside scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reportgen.metrics.intervals import wilson
from reportgen.metrics.multilabel import THRESHOLD, average_precision, evaluate_multilabel


def planted(n: int = 60, labels: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with ties, `(n, K)`, and labels that they hint at; the last label has no positive."""
    random = np.random.default_rng(seed)
    positive = random.random((n, labels)) < 0.3
    positive[:, -1] = False
    score = np.where(positive, 0.3, 0.0) + random.random((n, labels)) * 0.7
    return score.round(1), positive


def slow_average_precision(probability: np.ndarray, positive: np.ndarray) -> float:
    """The sum over thresholds, from the definition: precision, weighted with the gain of recall."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(probability.tolist()), reverse=True):
        chosen = [bool(p >= threshold) for p in probability]
        hits = sum(c and bool(y) for c, y in zip(chosen, positive, strict=True))
        recall = hits / sum(map(bool, positive))
        total += (recall - before) * hits / sum(chosen)
        before = recall
    return total


def test_average_precision_is_the_sum_of_its_definition() -> None:
    probability, positive = planted()
    for k in range(3):
        expected = slow_average_precision(probability[:, k], positive[:, k])
        assert average_precision(probability[:, k], positive[:, k]) == pytest.approx(expected, abs=1e-12)
    assert average_precision(probability[:, 3], positive[:, 3]) is None


def test_figures_are_those_of_their_definitions() -> None:
    probability, positive = planted()
    figures = evaluate_multilabel(probability, positive)
    predicted = probability >= THRESHOLD
    hits, false, missed = [], [], []
    for k in range(4):
        pairs = list(zip(predicted[:, k].tolist(), positive[:, k].tolist(), strict=True))
        hits.append(pairs.count((True, True)))
        false.append(pairs.count((True, False)))
        missed.append(pairs.count((False, True)))
    occurring = range(3)
    precision = [hits[k] / (hits[k] + false[k]) for k in occurring]
    recall = [hits[k] / (hits[k] + missed[k]) for k in occurring]
    f1 = [2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True)]
    micro = sum(hits) / (sum(hits) + sum(false)), sum(hits) / (sum(hits) + sum(missed))
    expected = {
        "map": np.mean([slow_average_precision(probability[:, k], positive[:, k]) for k in occurring]),
        "micro_precision": micro[0],
        "micro_recall": micro[1],
        "micro_f1": 2 * micro[0] * micro[1] / (micro[0] + micro[1]),
        "macro_precision": np.mean(precision),
        "macro_recall": np.mean(recall),
        "macro_f1": np.mean(f1),
        "hamming_loss": (sum(false) + sum(missed)) / (60 * 4),
    }
    assert figures.values == pytest.approx(expected, abs=1e-12)
    exact = sum(np.array_equal(a, b) for a, b in zip(predicted, positive, strict=True))
    assert (figures.exact.count, figures.exact.n, figures.with_positives) == (exact, 60, 3)
    for k in occurring:
        label = figures.labels[k]
        assert (label.hits, label.predicted, label.positives) == (hits[k], hits[k] + false[k], hits[k] + missed[k])
        assert label.f1 == pytest.approx(f1[k])
        assert label.precision is not None
        assert label.precision.interval == wilson(precision[k], hits[k] + false[k])
    none = figures.labels[3]
    assert (none.average_precision, none.interval, none.recall, none.curve, none.f1) == (None,) * 5


def test_figures_equal_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    probability, positive = planted(200, 5, seed=3)
    figures, predicted, some = evaluate_multilabel(probability, positive), probability >= THRESHOLD, slice(0, 4)
    found = [figures.labels[k].average_precision for k in range(4)]
    np.testing.assert_allclose(
        found, metrics.average_precision_score(positive[:, some], probability[:, some], average=None)
    )
    for average, labels in (("micro", slice(0, 5)), ("macro", some)):
        scores = metrics.precision_recall_fscore_support(
            positive[:, labels], predicted[:, labels], average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), scores[:3], strict=True):
            assert figures.values[f"{average}_{name}"] == pytest.approx(value)
    assert figures.exact.value == pytest.approx(metrics.accuracy_score(positive, predicted))
    assert figures.values["hamming_loss"] == pytest.approx(metrics.hamming_loss(positive, predicted))
    curve = figures.labels[0].curve
    assert curve is not None
    precision, recall, thresholds = metrics.precision_recall_curve(positive[:, 0], probability[:, 0])
    np.testing.assert_allclose(curve.precision, precision[-2::-1])
    np.testing.assert_allclose(curve.recall, recall[-2::-1])
    np.testing.assert_allclose(curve.thresholds, thresholds[::-1])


def test_perfect_order_has_no_interval() -> None:
    """It is perfect in each resample, which does not show how far the figure can be trusted."""
    positive = np.array([[True, True], [True, False], [False, True], [False, False]])
    probability = np.where(positive, 0.9, 0.1)
    probability[:, 1] = [0.9, 0.1, 0.2, 0.8]
    figures = evaluate_multilabel(probability, positive, np.arange(4))
    assert figures.labels[0].average_precision == 1
    assert figures.labels[0].interval is None
    assert figures.labels[1].interval is not None


def test_intervals_are_quantiles_over_resampled_groups() -> None:
    probability, positive = planted(30)
    groups = np.arange(30) // 2
    figures = evaluate_multilabel(probability, positive, groups)
    random, means, first, micro = np.random.default_rng(0), [], [], []
    for _ in range(1000):
        drawn = random.integers(0, 15, 15)
        rows = np.concatenate([np.flatnonzero(groups == g) for g in drawn])
        found = [average_precision(probability[rows, k], positive[rows, k]) for k in range(3)]
        first.append(found[0])
        means.append(np.mean([one for one in found if one is not None]))
        predicted = probability[rows] >= THRESHOLD
        micro.append((predicted & positive[rows]).sum() / predicted.sum())
    for bounds, values in (
        (figures.labels[0].interval, [one for one in first if one is not None]),
        (figures.intervals["map"], means),
        (figures.intervals["micro_precision"], micro),
    ):
        np.testing.assert_allclose(bounds, np.quantile(values, [0.025, 0.975]))


def test_nan_ranks_last_and_is_never_predicted() -> None:
    probability, positive = np.array([[0.9], [np.nan], [0.2]]), np.array([[False], [True], [False]])
    label = evaluate_multilabel(probability, positive).labels[0]
    assert (label.average_precision, label.hits, label.predicted) == (pytest.approx(1 / 3), 0, 1)


def test_figures_without_any_positive_or_prediction_do_not_exist() -> None:
    figures = evaluate_multilabel(np.full((4, 2), 0.1), np.zeros((4, 2), bool))
    existing = {name: value for name, value in figures.values.items() if value is not None}
    assert existing == {"hamming_loss": 0}
    assert set(figures.intervals) == {"hamming_loss"}
    assert figures.exact.value == 1
    assert not any(math.isnan(value) for value in existing.values())
