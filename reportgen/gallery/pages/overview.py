"""The overview: headline errors with their strongest controls, findings, and examples of every outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.data.sampling import evenly_spaced
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.finding_cards import FindingCard, first_findings
from reportgen.gallery.components.headline import Headline, headlines, strongest_control_text
from reportgen.gallery.components.image_figures import image_card
from reportgen.gallery.core.labels import HEAD_LABELS, OUTCOME_LABELS
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact
from reportgen.gallery.core.registry import page
from reportgen.gallery.pages.class_list import ClassRow, class_rows
from reportgen.metrics.localization.ilsvrc import IOU, RECIPE, THRESHOLD
from reportgen.results.tables import Table, headline_tables

MAX_CARDS_PER_OUTCOME = 6
MAX_FINDINGS = 3
MAX_CLASSES = 20
"""Rows of the tables of classes."""


@dataclass(frozen=True)
class OutcomeGroup:
    """Images of one outcome: how many there are, and some of them."""

    outcome: str
    count: int
    cards: Sequence[Figure]


@dataclass(frozen=True)
class PredictedClass:
    """A class that is predicted. images: for how many; url: of their list; score: its mean probability on them."""

    name: str
    url: str
    images: int
    score: float


@dataclass(frozen=True)
class OverviewPage:
    """rows: classes by their labels, the first of `rows_total`; predicted: classes by predictions, without labels.

    networks: number of networks of the audit; tables: errors with those of controls and published errors.
    """

    heading: str
    lead: str
    note: str
    headlines: Sequence[Headline]
    groups: Sequence[OutcomeGroup]
    rows: Sequence[ClassRow]
    rows_total: int
    predicted: Sequence[PredictedClass]
    facts: Sequence[Fact]
    findings: Sequence[FindingCard]
    findings_total: int
    tables: Sequence[Table]
    networks: int


@page(
    "index.html",
    nav=("Overview", "Overview"),
    order=0,
    about="Headline errors with their strongest controls, findings, and examples of every outcome.",
)
def overview(audit: Audit, media: Media) -> OverviewPage:
    """The page."""
    rows = class_rows(audit)
    return OverviewPage(
        heading=heading(audit),
        lead=lead(audit),
        note=audit.dataset.note,
        headlines=headlines(audit),
        groups=_outcome_groups(audit, media),
        rows=sorted(rows, key=lambda row: -(row.wrong.count if row.wrong else 0))[:MAX_CLASSES],
        rows_total=len(rows),
        predicted=[] if rows else _predicted_classes(audit),
        facts=_facts(audit),
        findings=first_findings(audit, media, MAX_FINDINGS),
        findings_total=len(audit.findings),
        tables=headline_tables(audit),
        networks=len(audit.models),
    )


def heading(audit: Audit) -> str:
    """The first line of the report: on how many images the network is right."""
    top1, localization = audit.main.classification.top1_error, audit.main.localization
    if top1 is None:
        return f"{len(audit.samples):,} images without labels, classified by {audit.main.info.name}"
    right = f"Right class on {top1.n - top1.count:,} of {top1.n:,} images"
    if localization is None:
        return right
    both = localization.top1_error.n - localization.top1_error.count
    of = "" if localization.top1_error.n == top1.n else f" of {localization.top1_error.n:,} with boxes"
    return f"{right}; right class and location on {both:,}{of}"


def lead(audit: Audit) -> str:
    """Two or three sentences that compare the errors with their strongest control."""
    model = audit.main
    top1, localization, study = model.classification.top1_error, model.localization, model.localization_study
    if top1 is None:
        return (
            "The images have no labels, so errors cannot be computed. The pages show predictions and activation maps."
        )
    text = f"{model.info.name} classifies {100 * (1 - top1.value):.0f} % of the labelled images correctly."
    if localization is None or study is None:
        return f"{text} There are no ground-truth boxes, so localization is not evaluated."
    right_class = int((model.classification.top1_correct & localization.judged).sum())
    known = localization.gt_known_error
    return (
        f"{text} Each activation map also gives a box, which is right if its intersection over union (IoU) with a "
        f"ground-truth box is at least {IOU:.2f}. Of the {right_class:,} images with a right class and a ground-truth "
        f"box, the box is right on {int(localization.top1_correct.sum()):,}. With the map of the label, whatever class "
        f"was predicted (GT-known), it is right on {known.n - known.count:,} of {known.n:,}; "
        f"{strongest_control_text(model.control_comparisons['gt_known'])}"
    )


def _outcome_groups(audit: Audit, media: Media) -> list[OutcomeGroup]:
    """The failures, then images that are right or have no label."""
    groups = []
    for outcome in OUTCOME_LABELS:
        images = [i for i, other in enumerate(audit.main.outcomes) if other == outcome]
        if images:
            examples = evenly_spaced(images, MAX_CARDS_PER_OUTCOME)
            groups.append(OutcomeGroup(outcome, len(images), [image_card(audit.main, media, i) for i in examples]))
    groups.sort(key=lambda group: group.outcome in ("right", "unlabelled"))
    return groups


def _predicted_classes(audit: Audit) -> list[PredictedClass]:
    """The classes that are predicted most often."""
    predicted, scores = audit.main.classification.top_classes[:, 0], audit.main.classification.scores[:, 0]
    classes, counts = np.unique(predicted, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
    return [
        PredictedClass(
            name=audit.classes[int(classes[j])],
            url=f"images/index.html#predicted={classes[j]}",
            images=int(counts[j]),
            score=float(scores[predicted == classes[j]].mean()),
        )
        for j in order
    ]


def _facts(audit: Audit) -> list[Fact]:
    """A summary of the page Provenance."""
    info = audit.main.info
    boxes = f"recipe “{RECIPE}”, threshold {100 * THRESHOLD:.0f} %, IoU ≥ {IOU:.2f}"
    return [
        Fact("Images", f"{len(audit.samples):,}, {int((audit.labels >= 0).sum()):,} with a label"),
        Fact("Network", info.name),
        Fact("Head", HEAD_LABELS[info.head]),
        Fact("Input", f"{info.input_size} × {info.input_size}, {info.resize}"),
        Fact("Predicted boxes", boxes if audit.main.localization else "not evaluated: no ground-truth boxes"),
    ]
