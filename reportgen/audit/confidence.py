"""How far the confidence of a network can be used, from the logits of its labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.data.sampling import evenly_spaced
from reportgen.metrics.classification import Classification, softmax
from reportgen.metrics.confidence.calibration import ClassCalibration, calibration_by_class
from reportgen.metrics.confidence.conformal import Conformal, evaluate_conformal
from reportgen.metrics.confidence.rejection import Rejection, evaluate_rejection
from reportgen.metrics.confidence.scores import ProbabilityScores, score_probabilities
from reportgen.metrics.confidence.temperature import TemperatureScaling, scale_temperature
from reportgen.store.column import Column

MAX_IMAGES = 2000
"""Images whose probabilities of all classes are read, evenly over the labelled ones."""
MIN_CLASS_IMAGES = 10
"""Images that are predicted as a class whose calibration is stated."""


@dataclass(frozen=True)
class ConfidenceStudy:
    """images: number of labelled images with finite logits, on which `rejection` and `by_class` are; sampled: number of
    those, evenly spread, on which the other figures are. temperature, conformal: None for too few images."""

    images: int
    sampled: int
    scores: ProbabilityScores
    temperature: TemperatureScaling | None
    rejection: Rejection
    conformal: Conformal | None
    by_class: Sequence[ClassCalibration]


def study_confidence(
    logits: Column, labels: np.ndarray, groups: np.ndarray, classification: Classification
) -> ConfidenceStudy | None:
    """Return the study; None without a labelled image whose logits are finite.

    logits: `(N, K)`; labels: `(N,)`, −1 for none; groups: `(N,)`.
    """
    confidence, correct = classification.scores[:, 0], classification.top1_correct
    rows = np.flatnonzero((labels >= 0) & np.isfinite(confidence))
    sample = np.array(evenly_spaced(rows.tolist(), MAX_IMAGES), np.int64)
    own = np.asarray(logits[sample.tolist()], np.float64)
    is_finite = np.isfinite(own).all(1)
    own, sample = own[is_finite], sample[is_finite]
    if not len(sample):
        return None
    given = own, labels[sample], groups[sample]
    predicted = classification.top_classes[rows, 0]
    return ConfidenceStudy(
        images=len(rows),
        sampled=len(sample),
        scores=score_probabilities(own, labels[sample], np.ones(len(sample))),
        temperature=scale_temperature(*given),
        rejection=evaluate_rejection(confidence[rows], correct[rows], groups[rows]),
        conformal=evaluate_conformal(softmax(own), *given[1:]),
        by_class=calibration_by_class(predicted, confidence[rows], correct[rows], MIN_CLASS_IMAGES, groups[rows]),
    )
