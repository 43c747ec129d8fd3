"""Classification error (PROTOCOLS: classification)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.intervals import Rate


@dataclass(frozen=True)
class Classification:
    """How well the classes were named. `top` and `scores` cover every image, the rest those with a label.

    top:    `(N, k)` classes of the k highest logits, ties to the lower index; k is 5, or the number of classes if less.
    scores: `(N, k)` their softmax probabilities.
    right1, right5: `(N,)` bool; False where there is no label.
    top1, top5: error over the labelled images, or None where there are none.
    """

    top: np.ndarray
    scores: np.ndarray
    labelled: np.ndarray
    right1: np.ndarray
    right5: np.ndarray
    top1: Rate | None
    top5: Rate | None


def classify(logits: np.ndarray, labels: np.ndarray, k: int = 5) -> Classification:
    """logits: `(N, K)`; labels: `(N,)` int, −1 for none. With fewer than k classes, all are counted.

    A logit that is not a number ranks last and is never right.
    """
    logits = logits.astype(np.float64)
    valid = ~np.isnan(logits)
    top = np.argsort(-np.where(valid, logits, -np.inf), axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(softmax(logits), top, 1)
    labelled = labels >= 0
    hit = (top == np.where(labelled, labels, -1)[:, None]) & np.take_along_axis(valid, top, 1)
    right1, right5 = hit[:, 0], hit.any(1)
    return Classification(
        top,
        scores,
        labelled,
        right1,
        right5,
        Rate.of(~right1[labelled]),
        Rate.of(~right5[labelled]),
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis; float64 in, float64 out."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)
