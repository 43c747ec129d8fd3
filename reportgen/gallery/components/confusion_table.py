"""The confusion matrix as a table, and as a picture with data for the browser."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.draw.colormap import inferno
from reportgen.gallery.core.data_chunks import script
from reportgen.gallery.core.page import Link
from reportgen.gallery.core.urls import class_page, image_list
from reportgen.metrics.confusion import ConfusionMatrix

MATRIX_SIDE = 1000
"""Approximate side of the picture of the matrix in pixels."""
DARKEST = 60
"""Grey of a cell of the picture's diagonal without images; 255: all images of the label."""


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix as a table. share: of the images with the label, in tenths, 0 to 10."""

    count: int
    share: int
    url: str
    is_diagonal: bool


@dataclass(frozen=True)
class MatrixRow:
    """A label with its cells, one for each predicted class. right, images: with the right class, and in all."""

    label: Link
    right: int
    images: int
    right_url: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class MatrixTable:
    """The matrix as a table. predicted: the columns; rows: the classes that have labelled images, in the same order."""

    predicted: Sequence[Link]
    rows: Sequence[MatrixRow]


def matrix_table(audit: Audit, matrix: ConfusionMatrix) -> MatrixTable:
    """The cells of a matrix with their links."""
    links = [Link(audit.classes[k], class_page(audit, k)) for k in matrix.classes.tolist()]
    return MatrixTable(links, [_row(matrix, row, links[row]) for row in range(len(links)) if matrix.counts[row].any()])


def _row(matrix: ConfusionMatrix, row: int, label: Link) -> MatrixRow:
    k, images = int(matrix.classes[row]), int(matrix.counts[row].sum())
    cells = [
        Cell(int(count), round(10 * int(count) / images), image_list(label=k, predicted=int(predicted)), row == column)
        for column, (predicted, count) in enumerate(zip(matrix.classes, matrix.counts[row], strict=True))
    ]
    return MatrixRow(label, cells[row].count, images, cells[row].url, cells)


def matrix_picture(matrix: ConfusionMatrix) -> bytes:
    """PNG: a square of pixels for each cell, by the square root of its share of the label's images.

    The diagonal, right predictions, is grey, so that confusions have the colours for themselves.
    """
    share = np.sqrt(matrix.counts / np.maximum(1, matrix.counts.sum(1, keepdims=True)))
    colours = inferno()[np.round(255 * share).astype(int)]
    own = np.arange(len(share))
    grey = np.round(DARKEST + (255 - DARKEST) * share[own, own])
    colours[own, own] = grey[:, None].astype(np.uint8)
    zoom = max(1, MATRIX_SIDE // len(share))
    buffer = io.BytesIO()
    Image.fromarray(colours.repeat(zoom, 0).repeat(zoom, 1)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def matrix_chunk(audit: Audit, matrix: ConfusionMatrix) -> bytes:
    """The cells that have images, and the class names, for the browser."""
    i, j = np.nonzero(matrix.counts)
    columns: dict[str, np.ndarray] = {
        "row": i.astype(np.uint16),
        "column": j.astype(np.uint16),
        "count": matrix.counts[i, j].astype(np.int32),
        "class": matrix.classes.astype(np.int32),
    }
    return script("matrix", columns, {"name": [audit.classes[int(k)] for k in matrix.classes]}, {})
