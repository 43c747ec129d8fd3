"""Figures of confidence, compared with their definitions, with closed forms and with planted truth."""

from __future__ import annotations

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_auc_score, roc_curve

from reportgen.metrics.confidence import conformal
from reportgen.metrics.confidence.calibration import calibration_by_class
from reportgen.metrics.confidence.conformal import evaluate_conformal, threshold_rank
from reportgen.metrics.confidence.ranking import auroc, auroc_interval, false_positive_rate
from reportgen.metrics.confidence.rejection import evaluate_rejection
from reportgen.metrics.confidence.scores import score_probabilities
from reportgen.metrics.confidence.temperature import MAX_TEMPERATURE, fit_temperature, scale_temperature


def softmax(z: np.ndarray) -> np.ndarray:
    return np.exp(z) / np.exp(z).sum()


def planted(n: int, classes: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from softmax(logits / temperature)."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, classes)) * 3
    return logits, np.array([random.choice(classes, p=softmax(z / temperature)) for z in logits])


# -------------------------------------------------------------------------------------------------- scores


def test_scores_match_their_definitions() -> None:
    logits, labels = planted(37, 5, 1)
    labels[labels == 4] = 0  # class 4 is no label
    temperature = np.random.default_rng(1).random(37) + 0.5
    p = [softmax(z / t) for z, t in zip(logits, temperature, strict=True)]
    found = score_probabilities(logits, labels, temperature)
    assert found.nll == pytest.approx(-np.mean([math.log(q[y]) for q, y in zip(p, labels, strict=True)]))
    squares = [sum((q[k] - (k == y)) ** 2 for k in range(5)) for q, y in zip(p, labels, strict=True)]
    assert found.brier == pytest.approx(np.mean(squares))

    def error(values: list[float], hits: list[bool], bins: list[int]) -> float:
        total = 0.0
        for b in set(bins):
            own = [i for i, other in enumerate(bins) if other == b]
            total += abs(sum(hits[i] for i in own) - sum(values[i] for i in own)) / len(values)
        return total

    top, right = [q.max() for q in p], [bool(q.argmax() == y) for q, y in zip(p, labels, strict=True)]
    assert found.ece == pytest.approx(error(top, right, [math.ceil(v * 15) for v in top]))
    order = sorted(range(37), key=lambda i: top[i])
    assert found.adaptive_ece == pytest.approx(error(top, right, [order.index(i) * 15 // 37 for i in range(37)]))
    by_class = [
        error([q[c] for q in p], [bool(y == c) for y in labels], [max(1, math.ceil(q[c] * 15)) for q in p])
        for c in range(4)
    ]
    assert found.classwise_ece == pytest.approx(np.mean(by_class))


def test_scores_do_not_depend_on_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = planted(23, 4, 1)
    whole = score_probabilities(logits, labels, np.ones(23))
    monkeypatch.setattr("reportgen.metrics.confidence.scores.BLOCK", 12)
    assert vars(score_probabilities(logits, labels, np.ones(23))) == pytest.approx(vars(whole))


def test_classes_are_calibrated_by_their_predictions() -> None:
    predicted = np.array([0] * 10 + [1] * 4 + [2] * 10)
    confidence = np.array([0.9] * 10 + [0.5] * 4 + [0.2] * 9 + [np.nan])
    correct = np.array([True] * 4 + [False] * 6 + [True] * 4 + [True, False] * 5)
    overconfident, unsure = calibration_by_class(predicted, confidence, correct, 9)
    assert (overconfident.predicted, overconfident.right.count, overconfident.right.n) == (0, 4, 10)
    assert overconfident.confidence == pytest.approx(0.9)
    assert overconfident.is_outside
    assert (unsure.predicted, unsure.right.n) == (2, 9)


# --------------------------------------------------------------------------------------------- temperature


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_temperature_has_the_lowest_nll(temperature: float) -> None:
    logits, labels = planted(300, 6, temperature)

    def nll(t: float) -> float:
        return -float(np.mean([math.log(softmax(z / t)[y]) for z, y in zip(logits, labels, strict=True)]))

    found = fit_temperature(logits, labels)
    best = minimize_scalar(nll, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9})
    assert found == pytest.approx(best.x, rel=1e-5)
    assert found == pytest.approx(temperature, rel=0.25)


def test_temperature_of_predictions_that_are_all_right_or_all_wrong_is_finite() -> None:
    logits = np.array([[4.0, 1], [0, 3]])
    assert 1 / MAX_TEMPERATURE <= fit_temperature(logits, np.array([0, 1])) < 0.1  # any low one has an NLL of 0
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(MAX_TEMPERATURE, rel=1e-6)


def test_temperature_mends_planted_overconfidence_on_images_that_it_was_not_fitted_on() -> None:
    logits, labels = planted(400, 5, 3)
    found = scale_temperature(logits, labels, np.arange(400))
    assert found is not None
    assert found.temperature == pytest.approx(3, rel=0.2)
    assert found.after.ece < found.before.ece / 2
    assert found.nll_change == pytest.approx(found.after.nll - found.before.nll)
    assert found.nll_interval[1] < 0


def test_calibrated_network_is_rarely_said_to_be_mended() -> None:
    """The change is below 0 for certain in at most 5 % of 200 data sets; one-sided, it should be in 2.5 %."""
    alarms = 0
    for seed in range(200):
        logits, labels = planted(80, 3, 1, seed)
        found = scale_temperature(logits, labels, np.arange(80))
        assert found is not None
        alarms += found.nll_interval[1] < 0
    assert alarms <= 10


def test_groups_stay_in_one_fold() -> None:
    """A label that only its copies explain does not help to judge them."""
    logits, labels = planted(40, 3, 1)
    groups = np.repeat(np.arange(8), 5)
    found = scale_temperature(logits, labels, groups)
    assert found is not None
    assert len(set(found.fold_temperatures.round(9))) == 5
    assert scale_temperature(logits, labels, np.repeat(np.arange(4), 10)) is None


# ----------------------------------------------------------------------------------------------- rejection


def test_rejection_with_ties_is_the_mean_over_their_orders() -> None:
    confidence = np.array([0.9, 0.7, 0.7, 0.7, 0.2])
    correct = np.array([True, False, True, True, False])
    found = evaluate_rejection(confidence, correct, np.arange(5))
    curves = []
    for order in permutations(range(5)):
        if all(confidence[a] >= confidence[b] for a, b in pairwise(order)):
            curves.append([sum(not correct[i] for i in order[:k]) / k for k in range(1, 6)])
    assert found.risk == pytest.approx(np.mean(curves, 0))
    assert found.aurc == pytest.approx(np.mean(curves))
    assert found.coverage.tolist() == [0.2, 0.4, 0.6, 0.8, 1]
    assert found.best_aurc == pytest.approx(np.mean([0, 0, 0, 1 / 4, 2 / 5]))
    assert (found.error, *found.risks_at(0.75)) == pytest.approx((0.4, found.risk[3], 1 / 4))


@pytest.mark.parametrize("seed", range(4))
def test_augrc_has_its_closed_form(seed: int) -> None:
    """Traub et al. (2024), equation 8: (1 − AUROC) · accuracy · error + error² / 2."""
    random = np.random.default_rng(seed)
    confidence = random.integers(0, 20, 100) / 20
    correct = random.random(100) < confidence
    found = evaluate_rejection(confidence, correct, np.arange(100))
    area = roc_auc_score(correct, confidence)
    assert found.auroc == pytest.approx(area)
    assert found.augrc == pytest.approx((1 - area) * correct.mean() * found.error + found.error**2 / 2)
    assert found.best_augrc == pytest.approx(found.error**2 / 2)
    low, high = found.auroc_interval
    assert low < area < high


def test_rejection_of_predictions_that_are_all_right_has_no_auroc() -> None:
    found = evaluate_rejection(np.array([0.5, 0.6]), np.array([True, True]), np.arange(2))
    assert (found.error, found.aurc, found.augrc, found.auroc, found.auroc_interval) == (0, 0, 0, None, None)


def test_auroc_interval_covers_one_half_about_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(0), 0
    for _ in range(100):
        low, high = auroc_interval(random.random(60), random.random(60) < 0.4, np.arange(60))
        covered += low <= 0.5 <= high
    assert covered >= 87


def test_false_positive_rate_is_that_of_the_roc_curve() -> None:
    random = np.random.default_rng(3)
    positive = random.random(400) < 0.5
    values = random.normal(size=400).round(1) + positive
    others, own, _ = roc_curve(positive, values, drop_intermediate=False)
    assert false_positive_rate(values, positive) == pytest.approx(others[np.argmax(own >= 0.95)])
    assert auroc(values, positive) == pytest.approx(roc_auc_score(positive, values))


# ----------------------------------------------------------------------------------------------- conformal


def test_threshold_is_the_quantile_of_split_conformal_prediction() -> None:
    assert [threshold_rank(n) for n in (9, 19, 99, 100)] == [9, 18, 90, 91]
    assert threshold_rank(8) == 9  # more than there are: every class is in the set


def test_conformal_sets_match_their_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = planted(60, 4, 1)
    p = np.array([softmax(z) for z in logits])
    groups = np.arange(60) // 2
    monkeypatch.setattr(conformal, "N_SPLITS", 7)
    found = evaluate_conformal(p, labels, groups)
    assert found is not None
    random, coverage, sizes = np.random.default_rng(0), [], []
    for _ in range(7):
        fits = (random.permutation(30) < 15)[groups]
        scores = sorted(1 - p[i, labels[i]] for i in range(60) if fits[i])
        limit = scores[math.ceil(0.9 * 31) - 1]
        sets = [{k for k in range(4) if 1 - p[i, k] <= limit} for i in range(60) if not fits[i]]
        coverage.append(np.mean([labels[i] in s for i, s in zip(np.flatnonzero(~fits), sets, strict=True)]))
        sizes.append(np.mean([len(s) for s in sets]))
    assert found.shared.coverage == pytest.approx(coverage)
    assert found.shared.size == pytest.approx(np.mean(sizes))


def test_conformal_coverage_is_that_of_the_theory() -> None:
    """Between 1 − α and 1 − α + 1 / (n + 1), over the draw of the data; for each class where each has a threshold."""
    shared, by_class = [], []
    for seed in range(30):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 3, 120)
        logits = random.normal(size=(120, 3)) + np.eye(3)[labels] * np.array([0.2, 1.5, 3])[labels, None]
        found = evaluate_conformal(np.array([softmax(z) for z in logits]), labels, np.arange(120))
        assert found is not None
        shared.append(found.shared.coverage.mean())
        by_class.append([found.by_class.class_coverage[c] for c in range(3)])
        assert found.shared.worst_class[0] == 0  # the class that is hard
    assert 0.9 - 0.01 < np.mean(shared) < 0.9 + 1 / 61 + 0.01
    assert np.all(np.mean(by_class, 0) > 0.9 - 0.015)
    assert np.all(np.mean(by_class, 0) < 0.9 + 1 / 15 + 0.03)


def test_sets_by_class_have_the_size_of_their_definition() -> None:
    logits, labels = planted(80, 3, 1)
    p = np.array([softmax(z) for z in logits])
    found = evaluate_conformal(p, labels, np.arange(80))
    random, sizes = np.random.default_rng(0), []
    for _ in range(conformal.N_SIZE_SPLITS):
        fits = random.permutation(80) < 40
        limits = []
        for c in range(3):
            scores = sorted(1 - p[i, c] for i in range(80) if fits[i] and labels[i] == c)
            rank = math.ceil(round(0.9 * (len(scores) + 1), 9))
            limits.append(scores[rank - 1] if rank <= len(scores) else math.inf)
        sizes.append(np.mean([sum(1 - p[i, c] <= limits[c] for c in range(3)) for i in range(80) if not fits[i]]))
    assert found.by_class.size == pytest.approx(np.mean(sizes))
    assert evaluate_conformal(p[:19], labels[:19], np.arange(19)) is None
