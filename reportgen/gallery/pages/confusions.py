"""Confusions: which classes are predicted for which labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reportgen.audit.audit import Audit
from reportgen.gallery.components.confusion_pair import ConfusionPair, ConfusionRow, confusion_pair, confusion_row
from reportgen.gallery.components.confusion_table import MatrixTable, matrix_chunk, matrix_picture, matrix_table
from reportgen.gallery.core.data_chunks import write_chunk
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.gallery.core.registry import page
from reportgen.metrics.confusion import confusion_matrix

MAX_CONFUSIONS = 30
"""Confusions in the list."""
MAX_PAIRS = 8
"""Confusions that are shown with images."""
MAX_TABLE_CLASSES = 25
"""Classes up to which the matrix is a table; a larger one is a picture, which the browser makes zoomable."""


@dataclass(frozen=True)
class ConfusionsPage:
    """labelled, wrong, classes: numbers of images and classes.

    pairs: the first of `confusions`, with images; the matrix is a table or a picture.
    """

    labelled: int
    wrong: int
    classes: int
    pairs: Sequence[ConfusionPair]
    confusions: Sequence[ConfusionRow]
    table: MatrixTable | None
    picture: MediaFile | None
    data: Mapping[str, Any] = field(default_factory=dict)


@page(
    "confusions/index.html",
    nav=("Classes", "Confusions"),
    order=30,
    about=(
        "The most frequent confusions with the evidence for both classes, and the confusion matrix in clustered order."
    ),
)
def confusions(audit: Audit, media: Media) -> ConfusionsPage:
    """The page, and the matrix for the browser. Errors: OutputError."""
    classification = audit.main.classification
    matrix = confusion_matrix(audit.labels, classification.top_classes[:, 0])
    largest, clustered = matrix.largest(MAX_CONFUSIONS), matrix.clustered()
    is_table = 0 < len(matrix.classes) <= MAX_TABLE_CLASSES
    picture, data = None, {}
    if len(matrix.classes) > MAX_TABLE_CLASSES:
        picture = media.add(matrix_picture(clustered))
        data = {"matrix": write_chunk(media.site, "matrix", matrix_chunk(audit, clustered))}
    is_labelled, right = classification.labelled, classification.top1_correct
    return ConfusionsPage(
        labelled=int(is_labelled.sum()),
        wrong=int((~right[is_labelled]).sum()),
        classes=len(matrix.classes),
        pairs=[confusion_pair(audit, media, confusion) for confusion in largest[:MAX_PAIRS]],
        confusions=[confusion_row(audit, confusion) for confusion in largest],
        table=matrix_table(audit, clustered) if is_table else None,
        picture=picture,
        data=data,
    )
