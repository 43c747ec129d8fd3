"""The page of confusions: which class is taken for which, and how far the confidence can be believed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.draw.colormap import inferno
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.core.data_chunks import script, write_chunk
from reportgen.gallery.core.media import Album, Media
from reportgen.gallery.sections.neighbours import figure_of
from reportgen.metrics.confusion import Calibration, Confusion, Matrix, bin_of, calibrate, confusion_matrix

LARGEST = 30
"""Confusions in the list."""
SHOWN = 8
"""Confusions with pictures, and pictures of each."""
TABLE = 25
"""Classes up to which the matrix is a table; a larger one is a picture that the browser makes zoomable."""
HISTOGRAM = 20
"""Bins of the histogram of confidence."""


@dataclass(frozen=True)
class Confused:
    """A line of the list: both classes, how many of how many, the images' address, and some of them."""

    label: str
    predicted: str
    count: int
    of: int
    url: str
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix as a table. share: of its row, in tenths, 0 to 10."""

    count: int
    share: int
    url: str


@dataclass(frozen=True)
class Bar:
    """A bar of a chart in a 100 × 100 frame, y downward. style: `right`, `wrong` or `bin`."""

    style: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class BinRow:
    """A line of the table under the reliability diagram."""

    confidence: str
    count: int
    mean: str
    accuracy: str


@dataclass(frozen=True)
class ConfusionsPage:
    """Either the table (names and cells) or the picture of the matrix is given. Without labels most is empty."""

    labelled: int
    wrong: int
    classes: int
    largest: Sequence[Confused]
    names: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    picture: Media | None
    ece: float | None
    confidence: float | None
    accuracy: float | None
    reliability: Sequence[Bar]
    bins: Sequence[BinRow]
    histogram: Sequence[Bar]
    data: Mapping[str, Any] = field(default_factory=dict)


def confusions_page(audit: Audit, album: Album, site: Path) -> ConfusionsPage:
    """The page, its picture, and the matrix for the browser. Errors: OutputError."""
    labels, predicted = audit.labels, audit.classification.top[:, 0]
    matrix = confusion_matrix(labels, predicted)
    use, right = labels >= 0, audit.classification.right1
    confidence = audit.classification.scores[:, 0]
    found = calibrate(confidence[use], right[use])
    table = 0 < len(matrix.classes) <= TABLE
    picture, data = None, {}
    if len(matrix.classes) > TABLE:
        picture = album.add(matrix_picture(matrix))
        data = {"matrix": write_chunk(site, "matrix", _chunk(audit, matrix))}
    return ConfusionsPage(
        labelled=int(use.sum()),
        wrong=int(use.sum() - right[use].sum()),
        classes=len(matrix.classes),
        largest=[_confused(audit, album, c, j < SHOWN) for j, c in enumerate(matrix.largest(LARGEST))],
        names=[audit.classes[int(k)] for k in matrix.classes] if table else [],
        cells=_cells(matrix) if table else [],
        picture=picture,
        ece=found.ece if found else None,
        confidence=found.mean_confidence if found else None,
        accuracy=found.accuracy if found else None,
        reliability=_reliability(found) if found else [],
        bins=_bins(found) if found else [],
        histogram=_histogram(confidence[use], right[use]) if found else [],
        data=data,
    )


def address(label: int, predicted: int) -> str:
    """Where the images of one cell are."""
    return f"images/index.html#label={label}&predicted={predicted}"


def _confused(audit: Audit, album: Album, c: Confusion, shown: bool) -> Confused:
    images = np.flatnonzero((audit.labels == c.label) & (audit.classification.top[:, 0] == c.predicted))
    images = images[np.argsort(-audit.classification.scores[images, 0], kind="stable")][: SHOWN if shown else 0]
    figures = [figure_of(audit, album, int(i), value=f"{audit.classification.scores[i, 0]:.2f}") for i in images]
    of = int((audit.labels == c.label).sum())
    return Confused(
        audit.classes[c.label], audit.classes[c.predicted], c.count, of, address(c.label, c.predicted), figures
    )


def _cells(matrix: Matrix) -> list[list[Cell]]:
    rows = []
    for i, row in enumerate(matrix.counts):
        total = max(1, int(row.sum()))
        cells = [
            Cell(int(v), round(10 * int(v) / total), address(int(matrix.classes[i]), int(matrix.classes[j])))
            for j, v in enumerate(row)
        ]
        rows.append(cells)
    return rows


def matrix_picture(matrix: Matrix) -> bytes:
    """PNG: a square of pixels a cell, its colour the root of the share of the label's images with that prediction."""
    share = matrix.counts / np.maximum(1, matrix.counts.sum(1, keepdims=True))
    zoom = max(1, 1000 // len(share))
    picture = inferno()[np.round(255 * np.sqrt(share)).astype(int)].repeat(zoom, 0).repeat(zoom, 1)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _chunk(audit: Audit, matrix: Matrix) -> bytes:
    i, j = np.nonzero(matrix.counts)
    columns: dict[str, np.ndarray] = {
        "row": i.astype(np.uint16),
        "column": j.astype(np.uint16),
        "count": matrix.counts[i, j].astype(np.int32),
        "class": matrix.classes.astype(np.int32),
    }
    return script("matrix", columns, {"name": [audit.classes[int(k)] for k in matrix.classes]}, {})


def _reliability(c: Calibration) -> list[Bar]:
    width = 100 / len(c.count)
    bars = []
    for m, (count, right) in enumerate(zip(c.count, c.right, strict=True)):
        if count:
            height = 100 * float(right) / float(count)
            bars.append(Bar("bin", round(m * width, 2), round(100 - height, 2), round(width, 2), round(height, 2)))
    return bars


def _bins(c: Calibration) -> list[BinRow]:
    size = len(c.count)
    return [
        BinRow(f"{m / size:.2f} to {(m + 1) / size:.2f}", int(n), f"{c.confidence[m]:.2f}", f"{c.right[m] / n:.2f}")
        for m, n in enumerate(c.count)
        if n
    ]


def _histogram(confidence: np.ndarray, right: np.ndarray) -> list[Bar]:
    """Two bars a bin, the wrong ones upon the right ones."""
    use = ~np.isnan(confidence)
    bin_ = bin_of(confidence[use], HISTOGRAM)
    hits = np.bincount(bin_[right[use]], minlength=HISTOGRAM)
    counts = np.bincount(bin_, minlength=HISTOGRAM)
    width, unit = 100 / HISTOGRAM, 100 / max(1, int(counts.max()))
    bars = []
    for m in range(HISTOGRAM):
        low, high = hits[m] * unit, counts[m] * unit
        bars.append(Bar("right", round(m * width, 2), round(100 - low, 2), width, round(low, 2)))
        bars.append(Bar("wrong", round(m * width, 2), round(100 - high, 2), width, round(high - low, 2)))
    return [bar for bar in bars if bar.height > 0]
