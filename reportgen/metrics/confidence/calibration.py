"""Calibration of the predicted probabilities: whether a confidence of 80 % means 80 % right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.bootstrap import intervals
from reportgen.metrics.intervals import Interval, Rate

N_BINS = 15
"""Number of bins of the reliability diagram, as in Guo et al., ICML 2017."""
N_SIMULATIONS, SEED = 1000, 0
"""Simulated networks that are perfectly calibrated."""


@dataclass(frozen=True)
class Calibration:
    """A reliability diagram (Guo et al. 2017, section 2). Bin m of M contains the confidences in ((m − 1)/M, m/M].

    counts, correct: `(M,)` number of images and of correct ones; confidence: `(M,)` mean confidence, NaN for none.
    ece: expected calibration error, Σ count/N · |correct/count − confidence|.
    mean_confidence, accuracy: over all images.
    gap_interval: 95 % bootstrap interval of mean_confidence − accuracy.
    chance_ece: median and 95 % quantile of the ECE that a perfectly calibrated network has with these confidences: each
        prediction is correct with the probability that its confidence states (Vaicenavicius et al., AISTATS 2019). With
        few images, or few groups of images, it is far from 0.
    """

    counts: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray
    ece: float
    mean_confidence: float
    accuracy: float
    gap_interval: Interval
    chance_ece: tuple[float, float]

    @property
    def is_clear(self) -> bool:
        """Whether the ECE is higher than that of 95 % of the perfectly calibrated networks."""
        return self.ece > self.chance_ece[1]


def calibrate(
    confidence: np.ndarray, correct: np.ndarray, bins: int = N_BINS, groups: np.ndarray | None = None
) -> Calibration | None:
    """Return the reliability diagram; None without images.

    confidence: `(N,)` probability of the predicted class, NaN is ignored; correct: `(N,)` bool; groups: `(N,)` of
    images that are not independent: in a simulated network, those of a group are right together.
    """
    use = ~np.isnan(confidence)
    confidence, correct = confidence[use], correct[use]
    own_groups = None if groups is None else groups[use]
    member = np.arange(len(confidence)) if own_groups is None else np.unique(own_groups, return_inverse=True)[1]
    if not len(confidence):
        return None
    bin_ = assign_bins(confidence, bins)
    counts, n_correct = np.bincount(bin_, minlength=bins), np.bincount(bin_[correct], minlength=bins)
    total = np.bincount(bin_, confidence, bins)
    mean = np.divide(total, counts, out=np.full(bins, np.nan), where=counts > 0)
    ece = calibration_error(bin_, confidence, correct)
    random = np.random.default_rng(SEED)
    simulated = [
        np.abs(np.bincount(bin_, random.random(member.max() + 1)[member] < confidence, bins) - total).sum() / len(bin_)
        for _ in range(N_SIMULATIONS)
    ]
    median, limit = (float(q) for q in np.quantile(simulated, [0.5, 0.95]))
    (gap,) = intervals((confidence - correct)[:, None], own_groups)
    return Calibration(
        counts, n_correct, mean, ece, float(confidence.mean()), float(correct.mean()), gap, (median, limit)
    )


def calibration_error(bins: np.ndarray, confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return Σ over the bins of |right predictions − Σ confidence| ÷ images. bins: `(n,)` bin of each image."""
    return float(np.abs(np.bincount(bins, correct) - np.bincount(bins, confidence)).sum()) / len(bins)


def assign_bins(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each confidence in [0, 1]. Bins are open below and closed above; 0 is in the first bin."""
    index: np.ndarray = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return index


@dataclass(frozen=True)
class ClassCalibration:
    """The images that are predicted as one class: their mean confidence, and how many are right."""

    predicted: int
    confidence: float
    right: Rate

    @property
    def is_outside(self) -> bool:
        """Whether the mean confidence is outside of the 95 % interval of the accuracy."""
        low, high = self.right.interval
        return not low <= self.confidence <= high


def calibration_by_class(
    predicted: np.ndarray,
    confidence: np.ndarray,
    correct: np.ndarray,
    min_images: int,
    groups: np.ndarray | None = None,
) -> list[ClassCalibration]:
    """Return the classes that are predicted for at least `min_images` images, in the order of the outputs.

    predicted: `(N,)` classes; confidence: `(N,)` their probabilities, NaN is ignored; correct: `(N,)` bool.
    """
    found = []
    for label in np.unique(predicted).tolist():
        members = (predicted == label) & ~np.isnan(confidence)
        rate = Rate.of(correct[members], None if groups is None else groups[members])
        if rate and rate.n >= min_images:
            found.append(ClassCalibration(label, float(confidence[members].mean()), rate))
    return found
