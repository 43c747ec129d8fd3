"""Classification error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.intervals import Rate

BLOCK = 4096
"""Images whose logits are converted to float64 at once."""


@dataclass(frozen=True)
class Classification:
    """Predictions of every image, and the errors over the images with a label.

    top_classes: `(N, k)` the k classes with the highest logits, ties to the lower index; k is 5, or the number of
        classes if there are fewer.
    scores: `(N, k)` their probabilities: softmax, or sigmoid in a multi-label data set.
    labelled: `(N,)` bool.
    top1_correct, top5_correct: `(N,)` bool; False for images without a label.
    top1_error, top5_error: None if no image has a label.
    """

    top_classes: np.ndarray
    scores: np.ndarray
    labelled: np.ndarray
    top1_correct: np.ndarray
    top5_correct: np.ndarray
    top1_error: Rate | None
    top5_error: Rate | None

    def surest_first(self, rows: np.ndarray) -> np.ndarray:
        """Return images `(n,)` in the order of the probability of their predicted class, the highest first."""
        ordered: np.ndarray = rows[np.argsort(-self.scores[rows, 0], kind="stable")]
        return ordered


def classify(
    logits: np.ndarray,
    labels: np.ndarray,
    k: int = 5,
    groups: np.ndarray | None = None,
    is_multilabel: bool = False,
) -> Classification:
    """Return predictions and errors.

    logits: `(N, K)`, NaN ranks last and is never correct; labels: `(N,)` int, −1 for none; groups: `(N,)` of images
    that are not independent; is_multilabel: probabilities are sigmoids.
    """
    logits = logits.astype(np.float64)
    is_valid = ~np.isnan(logits)
    top_classes = np.argsort(-np.where(is_valid, logits, -np.inf), axis=1, kind="stable")[:, :k]
    labelled = labels >= 0
    is_label = top_classes == np.where(labelled, labels, -1)[:, None]
    correct = is_label & np.take_along_axis(is_valid, top_classes, 1)
    top1_correct, top5_correct = correct[:, 0], correct.any(1)
    own_groups = None if groups is None else groups[labelled]
    return Classification(
        top_classes=top_classes,
        scores=np.take_along_axis(probabilities(logits, is_multilabel), top_classes, 1),
        labelled=labelled,
        top1_correct=top1_correct,
        top5_correct=top5_correct,
        top1_error=Rate.of(~top1_correct[labelled], own_groups),
        top5_error=Rate.of(~top5_correct[labelled], own_groups),
    )


def most_frequent_correct(labels: np.ndarray, k: int) -> np.ndarray:
    """Return which images `(N,)` are right if always the k most frequent labels are predicted: a control that does not
    look. labels: `(N,)` int, −1 for none; of labels that are equally frequent, the lower ones are taken."""
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    return np.isin(labels, classes[np.argsort(-counts, kind="stable")[:k]])


def probabilities(logits: np.ndarray, is_multilabel: bool) -> np.ndarray:
    """Return the probabilities of float64 logits `(…, K)`: their softmax, or their sigmoids for several labels."""
    if not is_multilabel:
        return softmax(logits)
    small = np.exp(-np.abs(logits))  # no overflow
    sigmoids: np.ndarray = np.where(logits >= 0, 1, small) / (1 + small)
    return sigmoids


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities: np.ndarray = shifted / shifted.sum(-1, keepdims=True)
    return probabilities


def logit_deviation(logits: np.ndarray) -> float:
    """Standard deviation of logits `(N, K)` over images and classes; 0 without any. Images with NaN are left out.

    It is summed up by blocks of images, so that the memory does not double: the variance is the mean variance of an
    image's logits plus the variance of their means.
    """
    means, variances = [np.zeros(0)], [np.zeros(0)]
    for start in range(0, len(logits), BLOCK):
        block = logits[start : start + BLOCK].astype(np.float64)
        block = block[np.isfinite(block).all(1)]
        means.append(block.mean(1))
        variances.append(block.var(1))
    mean, variance = np.concatenate(means), np.concatenate(variances)
    return float(np.sqrt(mean.var() + variance.mean())) if len(mean) else 0.0
