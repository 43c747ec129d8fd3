"""kNN accuracy: how often the labels of an image's neighbours give its own label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.embedding.chance import Range, knn_range
from reportgen.embedding.space import KNN_SIZES, knn_accuracy
from reportgen.gallery.components.chart import Axis, Chart, ReferenceLine, Series, percent_axis
from reportgen.metrics.intervals import Rate

SPACES = ("features", "pixels")
"""What images are compared by; the order of `feature_space` and `pixel_space`."""


@dataclass(frozen=True)
class Accuracy:
    """kNN accuracy for one k, by features and by pixels: of votes of the other images, and of those of the reference.

    limits, reference_limits: accuracy by features under permuted labels, and the highest that is possible.
    A rate is None where no class has k images to vote with: a class could not win a vote of more neighbours.
    """

    k: int
    limits: Range | None
    reference_limits: Range | None
    features: Rate | None
    pixels: Rate | None
    reference_features: Rate | None
    reference_pixels: Rate | None


def accuracies(audit: Audit) -> list[Accuracy]:
    """Those of each k that a class has enough images for."""
    return [row for k in KNN_SIZES if (row := _accuracy(audit, k)).features or row.reference_features]


def _accuracy(audit: Audit, k: int) -> Accuracy:
    limits: Range | None = None
    reference_limits: Range | None = None
    own: list[Rate | None] = [None, None]
    if k < images_of_largest_class(audit.labels):  # an image does not vote for itself
        own = [knn_accuracy(space.neighbours, audit.labels, k) for space in (audit.feature_space, audit.pixel_space)]
        limits = knn_range(audit.feature_space.neighbours.index, audit.labels, k)
    by_reference: list[Rate | None] = [None, None]
    if audit.reference and audit.reference_matches and k <= images_of_largest_class(audit.reference.labels):
        by_reference = [
            knn_accuracy(matches.nearest, audit.labels, k, audit.reference.labels)
            for matches in audit.reference_matches
        ]
        nearest = audit.reference_matches[0].nearest.index
        reference_limits = knn_range(nearest, audit.labels, k, audit.reference.labels)
    return Accuracy(k, limits, reference_limits, *own, *by_reference)


def images_of_largest_class(labels: np.ndarray) -> int:
    """Number of images with the most frequent label; labels: `(N,)`, −1 for none."""
    return int(np.unique(labels[labels >= 0], return_counts=True)[1].max(initial=0))


def accuracy_charts(audit: Audit, accuracy: Sequence[Accuracy]) -> list[Chart]:
    """One for votes of the other images, one for votes of the reference."""
    charts = [
        _accuracy_chart(
            "Votes of the other images (leave-one-out)",
            accuracy,
            ("features", "pixels"),
            "Share of the images whose label wins the vote of their k nearest other images.",
        )
    ]
    if audit.reference is not None:
        charts.append(
            _accuracy_chart(
                f"Votes of {audit.reference.name}",
                accuracy,
                ("reference_features", "reference_pixels"),
                f"Share of the images whose label wins the vote of the k nearest images of {audit.reference.name}.",
            )
        )
    return [chart for chart in charts if chart.series]


def _accuracy_chart(title: str, accuracy: Sequence[Accuracy], fields: Sequence[str], caption: str) -> Chart:
    rows = [row for row in accuracy if getattr(row, fields[0]) is not None]
    ks = [row.k for row in rows]
    rates = {name: [getattr(row, field) for row in rows] for name, field in zip(SPACES, fields, strict=True)}
    n = next((rate.n for rates_ in rates.values() for rate in rates_ if rate), 0)
    limits = [row.reference_limits if fields[0].startswith("reference_") else row.limits for row in rows]
    chance, ceiling = [one.chance for one in limits if one], max((one.ceiling for one in limits if one), default=1.0)
    style: Literal["line", "point"] = "line" if len(ks) > 1 else "point"
    return Chart(
        title=title,
        x=Axis("k, number of neighbours (logarithmic)", min(ks, default=1), max(ks, default=1), ks, log=True),
        y=percent_axis(f"kNN accuracy, {n:,} images"),
        series=[
            Series(
                f"by {name}",
                style,
                ks,
                [rate.value if rate else math.nan for rate in values],
                [rate.interval if rate else (math.nan, math.nan) for rate in values],
            )
            for name, values in rates.items()
            if any(values)
        ]
        + [Series("chance: permuted labels", style, ks, chance)] * bool(rows),
        references=[ReferenceLine(ceiling, f"ceiling, {100 * ceiling:.1f} %")] if rows else [],
        caption=(
            f"{caption} Of equal votes the nearest label wins. k is limited by the number of images of a class. "
            "Ceiling: the share of the images whose class has an image that can vote for it."
        ),
    )
