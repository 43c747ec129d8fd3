"""The overview of a multi-label data set: a verdict, all images by outcome, four figures, findings and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.gallery.components.coverage_notice import Notice, report_notice
from reportgen.gallery.components.finding_cards import FindingCard, first_findings
from reportgen.gallery.components.headline import Headline
from reportgen.gallery.components.label_figures import LabelRow, at_random, decimals, label_rows
from reportgen.gallery.components.run_facts import run_facts
from reportgen.gallery.components.wall import Wall, wall
from reportgen.gallery.core.labels import TOKENS_NOTE, reads_tokens
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.metrics.formatting import counted
from reportgen.metrics.multilabel import THRESHOLD, MultilabelFigures

MAX_FINDINGS = 3
MAX_LABELS = 10
LABELS_PAGE = "labels/index.html"


@dataclass(frozen=True)
class MultilabelOverviewPage:
    """lead: how to read the verdict; note: a remark on the data set; run: facts of the run.

    rows: labels with the lowest average precision, of `rows_total`.
    """

    heading: str
    lead: str
    note: str
    coverage: Notice | None
    wall: Wall | None
    headlines: Sequence[Headline]
    findings: Sequence[FindingCard]
    findings_total: int
    rows: Sequence[LabelRow]
    rows_total: int
    run: Sequence[str]


@page(
    "index.html",
    nav=("Overview", "Overview"),
    order=0,
    when=lambda audit: audit.is_multilabel,
    multilabel=True,
    about="The overview of a multi-label data set: all images by outcome, mAP and figures at the threshold, the first "
    "findings, and the labels with the lowest average precision.",
)
def multilabel_overview(audit: Audit, media: Media) -> MultilabelOverviewPage:
    """The page."""
    rows, figures = label_rows(audit), audit.main.multilabel
    return MultilabelOverviewPage(
        heading=_heading(audit),
        lead=_lead(audit),
        note=audit.dataset.note,
        coverage=report_notice(audit),
        wall=wall(audit, media),
        headlines=_headlines(figures, rows) if figures else [],
        findings=first_findings(audit, media, MAX_FINDINGS),
        findings_total=len(audit.findings),
        rows=rows[:MAX_LABELS],
        rows_total=len(rows),
        run=run_facts(audit),
    )


def _heading(audit: Audit) -> str:
    figures = audit.main.multilabel
    if figures is None:
        return f"{len(audit.samples):,} images without annotated labels, classified by {audit.main.info.name}"
    exact, value = figures.exact, figures.values["map"]
    text = f"All labels right on {exact.count:,} of {exact.n:,} images"
    return (
        text if value is None else f"{text}; mAP {value:.2f} over {counted(figures.with_positives, 'label', 'labels')}"
    )


def _lead(audit: Audit) -> str:
    text = f"An image has any number of labels. Predicted are those with a probability of at least {THRESHOLD}."
    if audit.main.multilabel is None:
        text = f"{text} Without annotated labels there are no figures."
    text += " Figures of one label an image, such as top-1 error, confusions and calibration, do not apply."
    return f"{text} {TOKENS_NOTE}" if reads_tokens(audit.main.info) else text


def _headlines(figures: MultilabelFigures, rows: Sequence[LabelRow]) -> list[Headline]:
    def decimal(label: str, key: str, verdict: str) -> Headline:
        value = figures.values[key]
        if value is None:
            return Headline(label, None, LABELS_PAGE, "no image has a label, or none is predicted")
        detail = f"95 % interval {decimals(figures.intervals.get(key))}"
        return Headline(label, None, LABELS_PAGE, value=f"{value:.2f}", detail=detail, verdict=verdict)

    exact = figures.exact
    low, high = exact.interval
    chance = f"an order at random: {at_random(rows):.2f}" if figures.with_positives else ""
    return [
        decimal("mAP", "map", chance),
        decimal("Micro F1", "micro_f1", "over all pairs of image and label"),
        decimal("Macro F1", "macro_f1", f"mean over {counted(figures.with_positives, 'label', 'labels')}"),
        Headline(
            "Images with all labels right",
            None,
            "images/index.html#outcome=exact",
            value=f"{100 * exact.value:.1f} %",
            detail=f"{exact.count:,} of {exact.n:,} · 95 % interval {100 * low:.0f}–{100 * high:.0f} %",
            verdict=f"Hamming loss {figures.values['hamming_loss']:.3f}",
        ),
    ]
