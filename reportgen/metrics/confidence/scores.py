"""Scores of predicted probabilities over all classes: NLL, Brier, and calibration errors with several kinds of bins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reportgen.metrics.confidence.calibration import N_BINS, assign_bins, calibration_error

BLOCK = 2**22
"""Probabilities in memory at a time."""


@dataclass(frozen=True)
class ProbabilityScores:
    """Lower is better for all of them.

    nll:       mean negative log likelihood of the label, in nats.
    brier:     mean over the images of Σ_k (p_k − [k is the label])², 0 to 2 (Brier, Monthly Weather Review 78, 1950).
    ece:       expected calibration error of the predicted class, 15 bins of equal width (Guo et al., ICML 2017).
    adaptive_ece: the same with 15 bins of equally many images (Nguyen and O'Connor, EMNLP 2015).
    classwise_ece: the mean over the classes that are a label of the calibration error of the class's own probability,
        15 bins of equal width (Kull et al., NeurIPS 2019, who average over all classes: most of 1,000 are near 0).
    """

    nll: float
    brier: float
    ece: float
    adaptive_ece: float
    classwise_ece: float


def score_probabilities(logits: np.ndarray, labels: np.ndarray, temperature: np.ndarray) -> ProbabilityScores:
    """Return the scores of softmax(logits / temperature).

    logits: `(n, K)`, finite; labels: `(n,)` ≥ 0; temperature: `(n,)` of each image.
    """
    n = len(labels)
    classes, label_of = np.unique(labels, return_inverse=True)
    nll, brier, confidence, correct = (np.zeros(n) for _ in range(4))
    counts, sums, hits = (np.zeros((len(classes), N_BINS)) for _ in range(3))
    for rows, log_p in log_probabilities(logits, temperature):
        p, own = np.exp(log_p), np.arange(len(rows))
        nll[rows] = -log_p[own, labels[rows]]
        brier[rows] = np.square(p).sum(1) - 2 * p[own, labels[rows]] + 1
        confidence[rows], correct[rows] = p.max(1), p.argmax(1) == labels[rows]
        bins = assign_bins(p[:, classes], N_BINS) + N_BINS * np.arange(len(classes))
        counts += np.bincount(bins.ravel(), minlength=counts.size).reshape(counts.shape)
        sums += np.bincount(bins.ravel(), p[:, classes].ravel(), counts.size).reshape(counts.shape)
        hits += np.bincount(bins[own, label_of[rows]], minlength=counts.size).reshape(counts.shape)
    return ProbabilityScores(
        nll=float(nll.mean()),
        brier=float(brier.mean()),
        ece=calibration_error(assign_bins(confidence, N_BINS), confidence, correct),
        adaptive_ece=calibration_error(_equal_bins(confidence), confidence, correct),
        classwise_ece=float(np.abs(hits - sums).sum(1).mean() / n),
    )


def log_probabilities(logits: np.ndarray, temperature: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, block by block, rows `(b,)` and the log softmax `(b, K)` float64 of their logits ÷ temperature."""
    from scipy.special import log_softmax

    step = max(1, BLOCK // logits.shape[1])
    for start in range(0, len(logits), step):
        rows = np.arange(start, min(start + step, len(logits)))
        yield rows, log_softmax(logits[rows].astype(np.float64) / temperature[rows, None], axis=1)


def _equal_bins(confidence: np.ndarray) -> np.ndarray:
    """Return the bin of each image: in the order of confidence, 15 bins whose sizes differ by at most one image."""
    rank = np.empty(len(confidence), np.int64)
    rank[np.argsort(confidence, kind="stable")] = np.arange(len(confidence))
    bins: np.ndarray = rank * N_BINS // max(1, len(confidence))
    return bins
