"""Findings: what a reader should know first, ranked, and when there is a finding of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.findings.registry import FindingKind, all_kinds
from reportgen.gallery.components.finding_cards import FindingCard, finding_card
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page

CARD_WIDTH = 4
"""Figures in a row on a card of this page."""


@dataclass(frozen=True)
class Criterion:
    """When there is a finding of a kind; found: how many there are."""

    title: str
    text: str
    found: int


@dataclass(frozen=True)
class FindingsPage:
    """cards: in rank order; criteria: of every kind, also of those that found nothing."""

    heading: str
    cards: Sequence[FindingCard]
    criteria: Sequence[Criterion]


@page(
    "findings/index.html",
    nav=("Findings", "Findings"),
    order=5,
    about="What a reader should know first: ranked cards with evidence, an inference and a next step.",
    multilabel=True,
)
def findings(audit: Audit, media: Media) -> FindingsPage:
    """The page."""
    n = len(audit.findings)
    kinds = [kind for kind in finding_kinds() if kind.is_multilabel or not audit.is_multilabel]
    counts = {kind.name: sum(finding.kind == kind.name for finding in audit.findings) for kind in kinds}
    return FindingsPage(
        heading=f"{n:,} findings" if n > 1 else "One finding" if n else "No findings",
        cards=[finding_card(audit, media, rank, CARD_WIDTH) for rank in range(1, n + 1)],
        criteria=[Criterion(kind.title, kind.criterion, counts[kind.name]) for kind in kinds],
    )


def finding_kinds() -> list[FindingKind]:
    """Every kind of finding, by title."""
    return sorted(all_kinds(), key=lambda kind: kind.title)
