"""The overview: a verdict, all labelled images by outcome, four errors with their controls, findings, classes, map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.gallery.components.coverage_notice import Notice, report_notice
from reportgen.gallery.components.finding_cards import FindingCard, first_findings
from reportgen.gallery.components.headline import Headline, headlines
from reportgen.gallery.components.run_facts import run_facts
from reportgen.gallery.components.small_map import SmallMap, small_map
from reportgen.gallery.components.wall import Wall, wall
from reportgen.gallery.core.labels import TOKENS_NOTE, reads_tokens
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.gallery.pages.class_list import ClassRow, PredictedClass, class_rows, predicted_classes
from reportgen.metrics.formatting import difference_text
from reportgen.metrics.localization.controls import CONTROL_LABELS
from reportgen.metrics.localization.ilsvrc import IOU

MAX_FINDINGS = 3
MAX_CLASSES = 10
"""Rows of classes: about as high as the map."""


@dataclass(frozen=True)
class OverviewPage:
    """lead: how to read the verdict; note: a remark on the data set; run: facts of the run.

    rows: classes with the most errors, of `rows_total`; predicted: classes by predictions, for data without labels.
    """

    heading: str
    lead: str
    note: str
    coverage: Notice | None
    wall: Wall | None
    headlines: Sequence[Headline]
    findings: Sequence[FindingCard]
    findings_total: int
    rows: Sequence[ClassRow]
    rows_total: int
    predicted: Sequence[PredictedClass]
    map: SmallMap | None
    run: Sequence[str]


@page(
    "index.html",
    nav=("Overview", "Overview"),
    order=0,
    about="The verdict, all labelled images by outcome, errors with their controls, the first findings, and a map.",
)
def overview(audit: Audit, media: Media) -> OverviewPage:
    """The page."""
    rows = class_rows(audit)
    return OverviewPage(
        heading=heading(audit),
        lead=lead(audit),
        note=audit.dataset.note,
        coverage=report_notice(audit),
        wall=wall(audit, media),
        headlines=headlines(audit) if rows else [],
        findings=first_findings(audit, media, MAX_FINDINGS),
        findings_total=len(audit.findings),
        rows=sorted(rows, key=lambda row: -(row.wrong.count if row.wrong else 0))[:MAX_CLASSES],
        rows_total=len(rows),
        predicted=[] if rows else predicted_classes(audit)[:MAX_CLASSES],
        map=small_map(audit),
        run=run_facts(audit),
    )


def heading(audit: Audit) -> str:
    """The verdict: on how many images the class is right, and on how many of these the box."""
    model = audit.main
    top1, localization = model.classification.top1_error, model.localization
    if top1 is None:
        return f"{len(audit.samples):,} images without labels, classified by {model.info.name}"
    right = top1.n - top1.count
    text = f"Right on {right:,} of {top1.n:,} images"
    if localization is None or not right:
        return text
    with_box = int((model.classification.top1_correct & localization.judged).sum())
    both = int(localization.top1_correct.sum())
    if with_box == right:
        return f"{text}; on {both:,} of them the map finds the object"
    return f"{text}; on {both:,} of the {with_box:,} with a box, the map finds the object"


def lead(audit: Audit) -> str:
    """What the verdict means, and how the maps are to be read where a class token reads them."""
    return f"{_meaning(audit)} {TOKENS_NOTE}" if reads_tokens(audit.main.info) else _meaning(audit)


def _meaning(audit: Audit) -> str:
    """What the verdict means, and its caveat: maps that do not clearly beat the strongest control."""
    model = audit.main
    if model.classification.top1_error is None:
        return "Without labels there are no errors. The pages show predictions, activation maps and similar images."
    if model.localization is None:
        return "There are no ground-truth boxes, so it is not evaluated whether the maps find the objects."
    text = (
        "A map finds the object if the box around its bright part overlaps a ground-truth box with an IoU of at least "
        f"{IOU:.2f}."
    )
    comparison = model.control_comparisons["gt_known"]
    change, name = comparison.change, CONTROL_LABELS[comparison.name]
    if not change.is_clear:
        return f"{text} The maps do not clearly beat the strongest control, {name} ({difference_text(change)})."
    return text if change.difference < 0 else f"{text} The {name} does better ({difference_text(change)})."
