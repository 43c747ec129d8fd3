"""Findings as cards: their evidence as figures and small charts, with links to exactly their images and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Bars, Evidence, Finding, Lines, Maps, Pairs, Size
from reportgen.audit.findings.registry import Topic, kind_of
from reportgen.audit.model_audit import LABEL
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import figure_boxes, highest, image_size, map_layer, photograph
from reportgen.gallery.components.photo_cards import photo_card, reference_photo_card
from reportgen.gallery.core.labels import label_text, prediction_text
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link
from reportgen.gallery.core.urls import finding_page, image_list, image_page
from reportgen.metrics.formatting import counted, interval, iou_text

MAX_LINES = 5
"""Lines of a list on a card."""


@dataclass(frozen=True)
class EvidenceView:
    """One piece of evidence: groups of figures (the maps of one image, or two images), bars, or lines; one of them.

    caption: what is drawn, or "".
    """

    groups: Sequence[Sequence[Figure]] = ()
    bars: Bars | None = None
    lines: Lines | None = None
    caption: str = ""


@dataclass(frozen=True)
class FindingCard:
    """A finding for a template. rank: from 1; topic: for its colour; images: their number with the unit.

    size: how many of how many, with the interval; links: to exactly its images, and to the figures.
    """

    rank: int
    title: str
    topic: Topic
    images: str
    headline: str
    url: str
    size: str
    evidence: Sequence[EvidenceView]
    inference: str
    next_step: str
    links: Sequence[Link]


def first_findings(audit: Audit, media: Media, n: int) -> list[FindingCard]:
    """The cards of the first n findings, in rank order, each with as many figures as fit a third of a page."""
    return [finding_card(audit, media, rank, width=3) for rank in range(1, 1 + min(n, len(audit.findings)))]


def finding_card(audit: Audit, media: Media, rank: int, width: int) -> FindingCard:
    """The card of a finding. rank: its place in `audit.findings`, from 1; width: figures in a row."""
    finding = audit.findings[rank - 1]
    kind, size = kind_of(finding), finding.size
    return FindingCard(
        rank=rank,
        title=kind.title,
        topic=kind.topic,
        images=counted(size.count, "image", "images") if finding.images else f"{size.count:,} of {size.n:,}",
        headline=finding.headline,
        url=finding_page(finding),
        size=size_text(size),
        evidence=[view for one in finding.evidence[:2] if (view := evidence_view(audit, media, one, width))],
        inference=finding.inference,
        next_step=finding.next_step,
        links=finding_links(finding),
    )


def size_text(size: Size) -> str:
    """`12 of 12 images of tabby (95 % interval 76–100 %)`."""
    text = f"{size.count:,} of {size.n:,} {size.of}"
    return text if size.interval is None else f"{text} (95 % interval {interval(size.interval)})"


def finding_links(finding: Finding) -> list[Link]:
    """The list of exactly its images, and the page of its figures."""
    links = []
    if finding.images:
        n = len(finding.images)
        links.append(Link("The 1 image" if n == 1 else f"All {n:,} images", image_list(finding=finding.slug)))
    if finding.see:
        links.append(Link(*finding.see))
    return links


def evidence_view(audit: Audit, media: Media, evidence: Evidence, width: int) -> EvidenceView | None:
    """Evidence as a template draws it; None where it has no figures. width: at most so many figures, or one group."""
    if isinstance(evidence, Bars):
        return EvidenceView(bars=evidence)
    if isinstance(evidence, Lines):
        return EvidenceView(lines=Lines(evidence.rows[:MAX_LINES], evidence.total))
    per_group = 2 if isinstance(evidence, Pairs) else max(1, len(evidence.columns))
    groups = list(islice(_groups(audit, media, evidence), max(1, width // per_group)))
    return EvidenceView(groups, caption=_caption(evidence)) if groups else None


def _groups(audit: Audit, media: Media, evidence: Maps | Pairs) -> Iterator[list[Figure]]:
    if isinstance(evidence, Maps):
        for i in evidence.images:
            yield _map_figures(audit, media, i, evidence)
        return
    second_card = reference_photo_card if evidence.in_reference else photo_card
    for i, j, distance in evidence.pairs:
        yield [photo_card(audit, media, i, value=f"distance {distance:.3g}"), second_card(audit, media, j)]


def _map_figures(audit: Audit, media: Media, i: int, evidence: Maps) -> list[Figure]:
    """Image i with each of the maps, on one scale; without a map where none is asked for."""
    model = audit.main
    columns = [c for c in evidence.columns if model.cam_classes[i, c] >= 0]
    top = max((highest(model.cams[i, c]) for c in columns), default=0.0)
    figures = [_map_figure(audit, media, i, c, top, evidence.boxes) for c in columns]
    if figures:
        return figures
    return [
        Figure(
            photograph(model, media, i),
            model.samples[i].name,
            image_size(model, i),
            title=label_text(model.samples[i], model.classes),
            caption=f"predicted: {prediction_text(model, i)}",
            href=image_page(audit, i),
        )
    ]


def _map_figure(audit: Audit, media: Media, i: int, column: int, top: float, boxes: bool) -> Figure:
    model = audit.main
    k = int(model.cam_classes[i, column])
    iou = ""
    if boxes and model.localization is not None and model.localization.judged[i]:
        iou = f"IoU {iou_text(model.localization.best_iou[i, column])}"
    return Figure(
        picture=photograph(model, media, i),
        alt=f"{model.samples[i].name} with the activation map of {model.classes[k]}",
        size=image_size(model, i),
        overlay=map_layer(model, media, i, column, top),
        boxes=figure_boxes(model, i, column) if boxes else (),
        title=f"{model.classes[k]} (label)" if column == LABEL else model.classes[k],
        value=f"{model.probabilities(i)[k]:.2f}",
        caption=iou,
        href=image_page(audit, i),
    )


def _caption(evidence: Maps | Pairs) -> str:
    if isinstance(evidence, Pairs) or not evidence.columns:
        return ""
    if len(evidence.columns) > 1:
        text = "Activation maps of the predicted class and of the label, on one scale, with the probability"
    else:
        whose = "the label" if evidence.columns[0] == LABEL else "the predicted class"
        text = f"Activation maps of {whose}, each normalized, with the probability"
    return f"{text}. Boxes: solid ground truth, dashed predicted." if evidence.boxes else f"{text}."
