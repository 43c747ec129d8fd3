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
    aurc:     mean of `risk` (Geifman, Uziel and El-Yaniv, ICLR 2019); with random confidence it is the error.
    augrc:    area under risk × coverage (Traub et al., NeurIPS 2024): the chance that a kept prediction is wrong, over
        all coverages; with random confidence it is half the error.
    best_aurc, best_augrc: with all wrong predictions last.
    auroc:    probability that a right prediction has a higher confidence than a wrong one, ties count half; None if all
        are right or all are wrong.
    """

    coverage: np.ndarray
    risk: np.ndarray
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

    def risk_at(self, coverage: float) -> float:
        """The error if this share of the images is kept, rounded up to whole images."""
        return float(self.risk[np.searchsorted(self.coverage, coverage - 1e-9)])


def evaluate_rejection(confidence: np.ndarray, correct: np.ndarray, groups: np.ndarray) -> Rejection:
    """Return the risk by coverage. confidence: `(n,)` without NaN; correct: `(n,)` bool; groups: `(n,)`; n ≥ 1."""
    n = len(correct)
    errors = _expected_errors(confidence, correct)
    n_wrong = int((~correct).sum())
    best = np.maximum(0, np.arange(1, n + 1) - (n - n_wrong))
    kept = np.arange(1, n + 1)
    return Rejection(
        coverage=kept / n,
        risk=errors / kept,
        aurc=float((errors / kept).mean()),
        augrc=_area(errors) / n**2,
        best_aurc=float((best / kept).mean()),
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
