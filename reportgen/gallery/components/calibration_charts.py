"""Charts of calibration: the reliability diagram, and the confidence of right and of wrong predictions."""

from __future__ import annotations

import math

import numpy as np

from reportgen.gallery.components.chart import Axis, Chart, Series, count_axis, percent_axis
from reportgen.metrics.confusion import Calibration, assign_bins
from reportgen.metrics.intervals import Rate

HISTOGRAM_BINS = 20


def _confidence_axis() -> Axis:
    return percent_axis("Confidence: probability of the predicted class")


def _edges(bins: int) -> list[float]:
    return [m / bins for m in range(bins + 1)]


def reliability_diagram(calibration: Calibration) -> Chart:
    """Accuracy by bins of confidence."""
    counts = calibration.counts.tolist()
    rates = [Rate(right, n) if n else None for right, n in zip(calibration.correct.tolist(), counts, strict=True)]
    return Chart(
        title="Reliability diagram",
        x=_confidence_axis(),
        y=percent_axis("Accuracy"),
        series=[
            Series(
                "Accuracy",
                "bar",
                _edges(len(counts)),
                [rate.value if rate else math.nan for rate in rates],
                [rate.interval if rate else (math.nan, math.nan) for rate in rates],
            )
        ],
        caption=(
            "Accuracy of the images whose confidence is in the same bin. A bar below the diagonal means "
            "overconfidence, a bar above it underconfidence."
        ),
        diagonal="perfect calibration",
        columns=[
            ("Images", [f"{n:,}" for n in counts]),
            ("Mean confidence", [f"{100 * mean:.1f} %" for mean in calibration.confidence.tolist()]),
        ],
    )


def confidence_histogram(confidence: np.ndarray, right: np.ndarray) -> Chart:
    """Number of images by confidence: right predictions, and wrong ones on top."""
    is_number = ~np.isnan(confidence)
    bins = assign_bins(confidence[is_number], HISTOGRAM_BINS)
    counts = np.bincount(bins, minlength=HISTOGRAM_BINS)
    hits = np.bincount(bins[right[is_number]], minlength=HISTOGRAM_BINS)
    edges = _edges(HISTOGRAM_BINS)
    return Chart(
        title="Confidence of right and wrong predictions",
        x=_confidence_axis(),
        y=count_axis("Images", int(counts.max())),
        series=[
            Series("right", "bar", edges, hits.tolist(), style="right"),
            Series("wrong", "bar", edges, (counts - hits).tolist(), base=hits.tolist(), style="wrong"),
        ],
        caption="Numbers are stacked: wrong predictions are on top of right ones.",
    )
