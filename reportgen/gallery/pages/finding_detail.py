"""One finding: all of its evidence, what follows from it, its criterion, the figures behind it, and its images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from reportgen.audit.audit import Audit
from reportgen.audit.findings.registry import kind_of
from reportgen.data.sampling import evenly_spaced
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.finding_cards import EvidenceView, FindingCard, evidence_view, finding_card
from reportgen.gallery.components.image_figures import image_card
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact, Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, pages
from reportgen.gallery.core.urls import finding_page
from reportgen.metrics.formatting import minus_signs, p_text

WIDTH = 8
"""Figures of each piece of evidence."""
MAX_IMAGES = 24


@dataclass(frozen=True)
class FindingDetailPage:
    """card: the finding as on other pages; evidence: more of it; figures: the numbers behind the sentences.

    images: cards of some of the images, if the evidence does not show all of them.
    """

    card: FindingCard
    evidence: Sequence[EvidenceView]
    criterion: str
    figures: Sequence[Fact]
    images: Sequence[Figure]
    images_total: int
    total: int
    previous: Link | None
    next: Link | None


@pages("findings/", order=6, about="One page a finding: its evidence, criterion, figures and images.", multilabel=True)
def finding_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each finding."""
    links = [Link(finding.headline, finding_page(finding)) for finding in audit.findings]
    for rank in range(1, len(links) + 1):
        around = previous_and_next(links, rank - 1)
        yield PageDraft(links[rank - 1].url, "finding_detail.html", partial(_page, audit, media, rank, around))


def _page(audit: Audit, media: Media, rank: int, around: tuple[Link | None, Link | None]) -> FindingDetailPage:
    finding = audit.findings[rank - 1]
    views = [view for one in finding.evidence if (view := evidence_view(audit, media, one, WIDTH))]
    figures = [Fact(name, _number(value)) for name, value in finding.figures]
    if finding.p is not None:
        figures.append(Fact("p", p_text(finding.p)))
    return FindingDetailPage(
        card=finding_card(audit, media, rank, WIDTH),
        evidence=views,
        criterion=kind_of(finding).criterion,
        figures=figures,
        images=[image_card(audit, media, i) for i in evenly_spaced(finding.images, MAX_IMAGES)],
        images_total=len(finding.images),
        total=len(audit.findings),
        previous=around[0],
        next=around[1],
    )


def _number(value: float) -> str:
    """`12`, `1,000`, `0.702`, `−0.31`."""
    text = f"{value:,.0f}" if (value == round(value) and abs(value) != 1) or abs(value) >= 1000 else f"{value:.3g}"
    return minus_signs(text)
