"""Rejection: how much the error falls if the least confident predictions are handed to somebody else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.confidence.ranking import auroc, auroc_interval
from reportgen.metrics.intervals import Interval


@dataclass(frozen=True)
class Rejection:
    """The error of the predictions that are kept, the most confident first.

    coverage, risk: `(n,)` share of the images that are kept, and their error. Images with equal confidence are kept one
        after the other in random order, so the error is the expected one.
    best_risk: `(n,)` their error with all wrong predictions last; best_aurc, best_augrc: of that order.
    aurc:     mean of `risk` (Geifman, Uziel and El-Yaniv, ICLR 2019); with random confidence it is the error.
    augrc:    area under risk × coverage (Traub et al., NeurIPS 2024): the chance that a kept prediction is wrong, over
        all coverages; with random confidence it is half the error.
    auroc:    probability that a right prediction has a higher confidence than a wrong one, ties count half; None if all
        are right or all are wrong.
    """

    coverage: np.ndarray
    risk: np.ndarray
    best_risk: np.ndarray
    aurc: float
    augrc: float
    best_aurc: float
    best_augrc: float
    auroc: float | None
    auroc_interval: Interval | None

    @property
    def error(self) -> float:
        """The error of all images."""
        return float(self.risk[-1])

    @property
    def is_clear(self) -> bool | None:
        """Whether the interval of the AUROC is above 0.5, that of chance; None without an AUROC."""
        return None if self.auroc_interval is None else self.auroc_interval[0] > 0.5

    def risks_at(self, coverage: float) -> tuple[float, float]:
        """The error, and the best possible one, if this share of the images is kept, rounded up to whole images."""
        place = np.searchsorted(self.coverage, coverage - 1e-9)
        return float(self.risk[place]), float(self.best_risk[place])


def evaluate_rejection(confidence: np.ndarray, correct: np.ndarray, groups: np.ndarray) -> Rejection:
    """Return the risk by coverage. confidence: `(n,)` without NaN; correct: `(n,)` bool; groups: `(n,)`; n ≥ 1."""
    n = len(correct)
    errors = _expected_errors(confidence, correct)
    n_wrong = int((~correct).sum())
    kept = np.arange(1, n + 1)
    best_risk = np.maximum(0, kept - (n - n_wrong)) / kept
    return Rejection(
        coverage=kept / n,
        risk=errors / kept,
        best_risk=best_risk,
        aurc=float((errors / kept).mean()),
        augrc=_area(errors) / n**2,
        best_aurc=float(best_risk.mean()),
        best_augrc=(n_wrong / n) ** 2 / 2,
        auroc=auroc(confidence, correct),
        auroc_interval=auroc_interval(confidence, correct, groups),
    )


def _expected_errors(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """`(n,)` expected number of errors among the first k, the most confident first, ties in random order."""
    values, member = np.unique(-confidence, return_inverse=True)
    sizes = np.bincount(member, minlength=len(values))
    wrong = np.bincount(member, ~correct, minlength=len(values))
    ends = np.concatenate(([0], np.cumsum(sizes)))
    return np.interp(np.arange(1, len(correct) + 1), ends, np.concatenate(([0], np.cumsum(wrong))))


def _area(errors: np.ndarray) -> float:
    """Area under the number of errors by the number of kept images, from 0, by the trapezoidal rule."""
    return float(errors.sum() - errors[-1] / 2)
