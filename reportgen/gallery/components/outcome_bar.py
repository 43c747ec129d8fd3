"""Images by outcome as a stacked bar; each part links to the list of its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reportgen.gallery.core.urls import image_list

BAR_ORDER = ("class", "other", "more", "part", "multi-instance", "right", "inexact", "exact", "unlabelled")
"""Outcomes from left to right: a wrong class, wrong boxes, right; those of a multi-label data set; none."""


@dataclass(frozen=True)
class OutcomePart:
    """The images of one outcome. url: the list of exactly these images."""

    outcome: str
    count: int
    url: str


@dataclass(frozen=True)
class OutcomeBar:
    """Images by outcome, in the order of `BAR_ORDER`; outcomes without images are left out. total: all images."""

    parts: Sequence[OutcomePart]
    total: int

    def share(self, outcome: str) -> float:
        """The share of an outcome, 0 to 1."""
        return sum(part.count for part in self.parts if part.outcome == outcome) / max(1, self.total)


def outcome_bar(outcomes: Iterable[str], **filters: object) -> OutcomeBar:
    """Count the outcomes of some images. filters: what selects these images on the page Images, such as `label=3`."""
    counts = Counter(outcomes)
    parts = [
        OutcomePart(outcome, counts[outcome], image_list(**filters, outcome=outcome))
        for outcome in BAR_ORDER
        if counts[outcome]
    ]
    return OutcomeBar(parts, counts.total())
