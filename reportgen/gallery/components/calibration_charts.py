"""Charts of confidence: the reliability diagram, the confidence of right and of wrong predictions, and rejection."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.chart import (
    Axis,
    Chart,
    Series,
    count_axis,
    percent_axis,
    round_ticks,
)
from reportgen.gallery.components.image_links import images_of_confidence
from reportgen.metrics.confidence.calibration import Calibration, assign_bins
from reportgen.metrics.confidence.rejection import Rejection
from reportgen.metrics.intervals import Rate

HISTOGRAM_BINS = 20
MAX_LISTED = 200
"""Images that a bar's link lists one by one, where a range of confidence would list others too."""
MAX_POINTS = 200
"""Points of the line of risk by coverage."""


def _confidence_axis() -> Axis:
    return percent_axis("Confidence: probability of the predicted class")


def _edges(bins: int) -> list[float]:
    return [m / bins for m in range(bins + 1)]


def reliability_diagram(audit: Audit, calibration: Calibration) -> Chart:
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
                counts=counts,
                urls=_links(audit, _bins(audit, len(counts))),
            )
        ],
        caption=(
            "Accuracy of the images whose confidence is in the same bin. A bar below the diagonal means "
            "overconfidence, a bar above it underconfidence. A bar leads to its images."
        ),
        diagonal="perfect calibration",
        columns=[
            ("Images", [f"{n:,}" for n in counts]),
            ("Mean confidence", [f"{100 * mean:.1f} %" for mean in calibration.confidence.tolist()]),
        ],
    )


def confidence_histogram(audit: Audit) -> Chart:
    """Number of labelled images by confidence: right predictions, and wrong ones on top."""
    images, right = _bins(audit, HISTOGRAM_BINS), audit.main.classification.top1_correct
    hits, misses = ([rows[right[rows] == is_right] for rows in images] for is_right in (True, False))
    n_hits, n_misses = [len(rows) for rows in hits], [len(rows) for rows in misses]
    return Chart(
        title="Confidence of right and wrong predictions",
        x=_confidence_axis(),
        y=count_axis("Images", max(len(rows) for rows in images)),
        series=[
            Series("right", "bar", _edges(HISTOGRAM_BINS), n_hits, urls=_links(audit, hits), style="right"),
            Series(
                "wrong",
                "bar",
                _edges(HISTOGRAM_BINS),
                n_misses,
                base=n_hits,
                urls=_links(audit, misses),
                style="wrong",
            ),
        ],
        caption="Numbers are stacked: wrong predictions are on top of right ones. A bar leads to its images.",
    )


def risk_chart(rejection: Rejection) -> Chart:
    """The error of the most confident predictions by their share of the images."""
    n = len(rejection.coverage)
    places = np.unique(np.linspace(0, n - 1, min(n, MAX_POINTS)).round().astype(int))
    coverage = rejection.coverage[places]
    highest = max(0.1, float(rejection.risk[places].max()))
    ticks = round_ticks(0, highest)
    return Chart(
        title="Error of the most confident predictions",
        x=percent_axis("Share of the images that are kept, the most confident first"),
        y=Axis("Error of the kept predictions", 0, ticks[-1], ticks, percent=True),
        series=[
            Series("by confidence", "line", coverage.tolist(), rejection.risk[places].tolist()),
            Series(
                "best possible: all wrong ones last", "line", coverage.tolist(), rejection.best_risk[places].tolist()
            ),
            Series("by chance", "line", coverage.tolist(), [rejection.error] * len(coverage)),
        ],
        caption="If confidence separates right from wrong predictions, the left part of the line is near 0.",
    )


def _bins(audit: Audit, n: int) -> list[np.ndarray]:
    """The labelled images in each of n bins of confidence."""
    confidence = audit.main.classification.scores[:, 0]
    images = np.flatnonzero((audit.labels >= 0) & ~np.isnan(confidence))
    bins = assign_bins(confidence[images], n)
    return [images[bins == b] for b in range(n)]


def _links(audit: Audit, bins: Sequence[np.ndarray]) -> list[str]:
    return [images_of_confidence(audit, rows, MAX_LISTED) for rows in bins]
