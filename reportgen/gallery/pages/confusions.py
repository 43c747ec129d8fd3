"""Confusions and calibration: which classes are predicted for which labels, and whether the confidence is right."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.draw.colormap import inferno
from reportgen.gallery.components.chart import Axis, Chart, Series, count_axis, percent_axis
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.photo_cards import photo_card
from reportgen.gallery.core.data_chunks import script, write_chunk
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.gallery.core.registry import page
from reportgen.metrics.confusion import (
    Calibration,
    Confusion,
    ConfusionMatrix,
    assign_bins,
    confusion_matrix,
)
from reportgen.metrics.intervals import Rate

MAX_CONFUSIONS = 30
"""Confusions in the list."""
MAX_WITH_IMAGES, MAX_IMAGES = 8, 8
"""Confusions that are shown with images, and images of each."""
MAX_TABLE_CLASSES = 25
"""Classes up to which the matrix is a table; a larger one is a picture, which the browser makes zoomable."""
HISTOGRAM_BINS = 20
MATRIX_SIDE = 1000
"""Approximate side of the picture of the matrix in pixels."""


@dataclass(frozen=True)
class ConfusionRow:
    """A label with a wrong prediction. count: images with both; of: images with the label; figures: some of them."""

    label: str
    predicted: str
    count: int
    of: int
    url: str
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix as a table. share: of the images with the label, in tenths, 0 to 10."""

    count: int
    share: int
    url: str


@dataclass(frozen=True)
class ConfusionsPage:
    """labelled, wrong: numbers of images; the matrix is a table (names, cells) or a picture.

    calibration, reliability, histogram: None without labels or without confidence.
    """

    labelled: int
    wrong: int
    classes: int
    confusions: Sequence[ConfusionRow]
    names: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    picture: MediaFile | None
    calibration: Calibration | None
    reliability: Chart | None
    histogram: Chart | None
    data: Mapping[str, Any] = field(default_factory=dict)


@page(
    "confusions/index.html",
    nav=("Classes", "Confusions"),
    order=30,
    about="The most frequent confusions, the confusion matrix, and calibration: reliability diagram and confidence.",
)
def confusions(audit: Audit, media: Media) -> ConfusionsPage:
    """The page, and the matrix for the browser. Errors: OutputError."""
    labels, predicted = audit.labels, audit.main.classification.top_classes[:, 0]
    matrix = confusion_matrix(labels, predicted)
    is_labelled, right = labels >= 0, audit.main.classification.top1_correct
    confidence = audit.main.classification.scores[:, 0]
    calibration = audit.main.calibration
    is_table = 0 < len(matrix.classes) <= MAX_TABLE_CLASSES
    picture, data = None, {}
    if len(matrix.classes) > MAX_TABLE_CLASSES:
        picture = media.add(matrix_picture(matrix))
        data = {"matrix": write_chunk(media.site, "matrix", _chunk(audit, matrix))}
    largest = matrix.largest(MAX_CONFUSIONS)
    return ConfusionsPage(
        labelled=int(is_labelled.sum()),
        wrong=int((~right[is_labelled]).sum()),
        classes=len(matrix.classes),
        confusions=[
            _row(audit, media, confusion, MAX_IMAGES if n < MAX_WITH_IMAGES else 0)
            for n, confusion in enumerate(largest)
        ],
        names=[audit.classes[int(k)] for k in matrix.classes] if is_table else [],
        cells=_cells(matrix) if is_table else [],
        picture=picture,
        calibration=calibration,
        reliability=_reliability_diagram(calibration) if calibration else None,
        histogram=_confidence_histogram(confidence[is_labelled], right[is_labelled]) if calibration else None,
        data=data,
    )


def images_url(label: int, predicted: int) -> str:
    """The list of the images with a label and a predicted class."""
    return f"images/index.html#label={label}&predicted={predicted}"


def _row(audit: Audit, media: Media, confusion: Confusion, images: int) -> ConfusionRow:
    """A confusion with its most confident images."""
    classification = audit.main.classification
    rows = np.flatnonzero((audit.labels == confusion.label) & (classification.top_classes[:, 0] == confusion.predicted))
    rows = rows[np.argsort(-classification.scores[rows, 0], kind="stable")][:images]
    return ConfusionRow(
        label=audit.classes[confusion.label],
        predicted=audit.classes[confusion.predicted],
        count=confusion.count,
        of=int((audit.labels == confusion.label).sum()),
        url=images_url(confusion.label, confusion.predicted),
        figures=[photo_card(audit, media, int(i), value=f"{classification.scores[i, 0]:.2f}") for i in rows],
    )


def _cells(matrix: ConfusionMatrix) -> list[list[Cell]]:
    classes = [int(k) for k in matrix.classes]
    return [
        [
            Cell(int(count), round(10 * int(count) / max(1, int(row.sum()))), images_url(label, predicted))
            for predicted, count in zip(classes, row, strict=True)
        ]
        for label, row in zip(classes, matrix.counts, strict=True)
    ]


def matrix_picture(matrix: ConfusionMatrix) -> bytes:
    """PNG: a square of pixels for each cell, coloured by the square root of its share of the label's images."""
    share = matrix.counts / np.maximum(1, matrix.counts.sum(1, keepdims=True))
    zoom = max(1, MATRIX_SIDE // len(share))
    picture = inferno()[np.round(255 * np.sqrt(share)).astype(int)].repeat(zoom, 0).repeat(zoom, 1)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _chunk(audit: Audit, matrix: ConfusionMatrix) -> bytes:
    i, j = np.nonzero(matrix.counts)
    columns: dict[str, np.ndarray] = {
        "row": i.astype(np.uint16),
        "column": j.astype(np.uint16),
        "count": matrix.counts[i, j].astype(np.int32),
        "class": matrix.classes.astype(np.int32),
    }
    return script("matrix", columns, {"name": [audit.classes[int(k)] for k in matrix.classes]}, {})


def _confidence_axis() -> Axis:
    return percent_axis("Confidence: probability of the predicted class")


def _edges(bins: int) -> list[float]:
    return [m / bins for m in range(bins + 1)]


def _reliability_diagram(calibration: Calibration) -> Chart:
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


def _confidence_histogram(confidence: np.ndarray, right: np.ndarray) -> Chart:
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
