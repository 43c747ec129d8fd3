"""Confidence that does not match the accuracy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Bar, Bars, Finding, Size, rows_of
from reportgen.audit.findings.registry import finding_kind
from reportgen.metrics.formatting import between, signed
from reportgen.metrics.intervals import Rate

MIN_ECE, MIN_IMAGES = 0.1, 50
"""Expected calibration error that is reported, and the number of images that it needs."""


@finding_kind(
    "Calibration",
    topic="confidence",
    criterion=(
        f"The expected calibration error is at least {MIN_ECE}, over at least {MIN_IMAGES} images, and higher than "
        "that of 95 % of simulated networks that are perfectly calibrated and have the same confidences. For the rank, "
        "the number of images is (error − that limit) × images."
    ),
)
def calibration(audit: Audit) -> Iterator[Finding]:
    """At most one finding, of the first network."""
    found = audit.main.calibration
    n = 0 if found is None else int(found.counts.sum())
    if found is None or n < MIN_IMAGES or found.ece < MIN_ECE or not found.is_clear:
        return
    (low, high), limit = found.gap_interval, found.chance_ece[1]
    confidence, accuracy = 100 * found.mean_confidence, 100 * found.accuracy
    figures = f"{confidence:.0f} % confidence on average, {accuracy:.0f} % of the predictions are right"
    gap = f"{signed(found.mean_confidence - found.accuracy)} points (95 % interval {between(found.gap_interval)})"
    if low > 0:
        headline, inference = "overconfident", f"Confidence − accuracy is {gap}: the confidence is too high."
    elif high < 0:
        headline, inference = "underconfident", f"Confidence − accuracy is {gap}: the confidence is too low."
    else:
        headline = "miscalibrated in both directions"
        inference = (
            f"Confidence − accuracy is {gap}, so the mean may fit. The error comes from groups of equal confidence: "
            "too high in some, too low in others."
        )
    right = Rate(int(found.correct.sum()), n)
    yield Finding(
        slug="calibration",
        headline=f"The network is {headline}: {figures}",
        size=Size(n, n, "images with a label"),
        evidence=[
            Bars(
                "All images with a label",
                [
                    Bar("mean confidence", found.mean_confidence, role="own"),
                    Bar("accuracy", right.value, right.interval),
                ],
            ),
            Bars(
                "Expected calibration error",
                [
                    Bar("this network", found.ece, role="own"),
                    Bar("calibrated, median", found.chance_ece[0]),
                    Bar("calibrated, 95 %", limit),
                ],
                percent=False,
            ),
        ],
        inference=inference,
        next_step=(
            "Calibrate the probabilities on other images (such as with temperature scaling, Guo et al. 2017) before a "
            "threshold on the confidence decides anything."
        ),
        images=rows_of((audit.labels >= 0) & ~np.isnan(audit.main.classification.scores[:, 0])),
        figures=[
            ("expected calibration error", found.ece),
            ("95 % quantile of calibrated networks", limit),
            ("mean confidence", found.mean_confidence),
            ("accuracy", found.accuracy),
        ],
        see=("Confidence", "confidence/index.html"),
        at_least=n * (found.ece - limit),
        model=audit.main.info.name,
    )
