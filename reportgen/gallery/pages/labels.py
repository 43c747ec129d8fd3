"""The labels of a multi-label data set: average precision, precision and recall of each, and those of all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.gallery.components.label_figures import LabelRow, at_random, figure_rows, label_rows
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.metrics.formatting import counted
from reportgen.metrics.multilabel import THRESHOLD


@dataclass(frozen=True)
class LabelsPage:
    """figures: name, value and interval of those of all labels together; rows: a label each; unseen: labels that no
    image has and that are never predicted."""

    heading: str
    lead: str
    threshold: float
    figures: Sequence[tuple[str, str, str]]
    rows: Sequence[LabelRow]
    unseen: int


@page(
    "labels/index.html",
    nav=("Labels", "Labels"),
    order=20,
    when=lambda audit: audit.is_multilabel,
    multilabel=True,
    about="Of a multi-label data set: average precision, precision, recall and F1 of each label, and mAP, micro and "
    "macro figures, Hamming loss and the share of images with all labels right.",
)
def labels(audit: Audit, media: Media) -> LabelsPage:
    """The page; without annotated images it states that."""
    figures, rows = audit.main.multilabel, label_rows(audit)
    if figures is None:
        return LabelsPage("No labels", "No image has annotated labels, so nothing is evaluated.", THRESHOLD, [], [], 0)
    value, n = figures.values["map"], figures.with_positives
    heading = "No image has a label" if value is None else f"mAP {value:.2f} over {counted(n, 'label', 'labels')}"
    lead = (
        f"Of {figures.images:,} annotated images. Average precision needs no threshold: it is 1 if all images with the "
        "label are more probable than all others. "
    )
    if value is not None:
        lead += f"An order at random has {at_random(rows):.2f} on average, the share of the images with the label. "
    lead += f"The other figures are of the labels that are predicted, those with a probability of at least {THRESHOLD}."
    return LabelsPage(heading, lead, THRESHOLD, figure_rows(figures), rows, len(audit.classes) - len(rows))
