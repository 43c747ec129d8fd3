"""Temperature scaling (Guo et al., ICML 2017): one number that mends the confidence and changes no prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.bootstrap import intervals
from reportgen.metrics.confidence.scores import ProbabilityScores, log_probabilities, score_probabilities
from reportgen.metrics.intervals import Interval

FOLDS, SEED = 5, 0
MAX_TEMPERATURE = 100.0
"""Temperatures are searched from 1 / this to this: where all predictions are right, the best one would be 0."""
TOLERANCE, MAX_STEPS = 1e-10, 60


@dataclass(frozen=True)
class TemperatureScaling:
    """What a temperature does that is fitted on other images than it is judged on.

    temperature: fitted on all images; fold_temperatures: `(5,)` fitted without each fold.
    before, after: scores with temperature 1, and with those of the folds.
    nll_change: mean change of the NLL, after − before, with its 95 % bootstrap interval.
    """

    temperature: float
    fold_temperatures: np.ndarray
    before: ProbabilityScores
    after: ProbabilityScores
    nll_change: float
    nll_interval: Interval


def scale_temperature(logits: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> TemperatureScaling | None:
    """Fit a temperature without each of five folds, and judge it there; None for fewer groups than folds.

    logits: `(n, K)`, finite; labels: `(n,)` ≥ 0; groups: `(n,)`, those of a group are in one fold.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < FOLDS:
        return None
    fold = (np.random.default_rng(SEED).permutation(len(names)) % FOLDS)[member]
    temperature = fit_temperature(logits, labels)
    fitted = np.array([fit_temperature(logits[fold != k], labels[fold != k], temperature) for k in range(FOLDS)])
    ones, scaled = np.ones(len(labels)), fitted[fold]
    (interval,) = intervals((change := _nll(logits, labels, scaled) - _nll(logits, labels, ones))[:, None], groups)
    return TemperatureScaling(
        temperature=temperature,
        fold_temperatures=fitted,
        before=score_probabilities(logits, labels, ones),
        after=score_probabilities(logits, labels, scaled),
        nll_change=float(change.mean()),
        nll_interval=interval,
    )


def fit_temperature(logits: np.ndarray, labels: np.ndarray, start: float = 1.0) -> float:
    """Return the temperature T > 0 with the lowest mean NLL of softmax(logits / T). start: where the search begins.

    The NLL is convex in 1 / T, so its only zero of the derivative is found: Newton's steps, with bisection where a step
    leaves the interval that holds the zero.
    """
    low, high = 1 / MAX_TEMPERATURE, MAX_TEMPERATURE
    scale = 1 / start
    for _ in range(MAX_STEPS):
        slope, curvature = _derivatives(logits, labels, scale)
        low, high = (scale, high) if slope < 0 else (low, scale)
        step = scale - slope / curvature if curvature > 0 else low
        following = step if low < step < high else (low * high) ** 0.5
        if abs(following - scale) <= TOLERANCE * scale:
            break
        scale = following
    return 1 / scale


def _derivatives(logits: np.ndarray, labels: np.ndarray, scale: float) -> tuple[float, float]:
    """First and second derivative of the mean NLL by 1 / T: the means of E[z] − z of the label, and of Var[z]."""
    slope = curvature = 0.0
    for rows, log_p in log_probabilities(logits, np.full(len(labels), 1 / scale)):
        p, z = np.exp(log_p), logits[rows].astype(np.float64)
        mean = (p * z).sum(1)
        slope += float((mean - z[np.arange(len(rows)), labels[rows]]).sum())
        curvature += float(((p * np.square(z)).sum(1) - np.square(mean)).sum())
    return slope / len(labels), curvature / len(labels)


def _nll(logits: np.ndarray, labels: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """`(n,)` negative log likelihood of each label."""
    blocks = log_probabilities(logits, temperature)
    return np.concatenate([-log_p[np.arange(len(rows)), labels[rows]] for rows, log_p in blocks])
