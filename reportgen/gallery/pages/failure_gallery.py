"""The images of one failure type, or of one combination of right and wrong class and box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from reportgen.audit.audit import Audit
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.core.labels import OUTCOME_LABELS
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link
from reportgen.gallery.core.registry import PageDraft, pages
from reportgen.gallery.pages.failures import (
    MEANINGS,
    QUADRANT_LABELS,
    NetworkFailures,
    failure_card,
    network_failures,
    outcome_links,
    part_test_text,
)

MAX_CARDS = 120

ADVICE = {
    "right": "Nothing to fix. These images show which evidence the network uses, and whether it is the object.",
    "class": (
        "Compare the predicted class with the image. If it fits as well, add a second label; if it is wrong, add "
        "images of both classes. The GT-known error evaluates the box of the label's own map, whatever class was "
        "predicted."
    ),
    "part": (
        "Common remedies: a lower threshold; occluding the most discriminative part in training (Hide-and-Seek, ACoL, "
        "CutMix); dropping features at random (ADL); combining maps of several layers and views."
    ),
    "more": (
        "Common remedies: a higher threshold, maps of an earlier layer, a larger input. Look for context that images "
        "of the class share, such as rails behind trains."
    ),
    "multi-instance": (
        "The map is right, the single box is not. Split the map at its peaks, or evaluate such images by pixels."
    ),
    "other": (
        "Check these images first. A caption, a border or a background that reveals the class is a flaw of the data, "
        "not of the network."
    ),
}
"""Outcome → what to do about it."""


@dataclass(frozen=True)
class FailureGalleryPage:
    """Images of one outcome or quadrant. text: sentences above them; home: the page Failures; others: all outcomes."""

    heading: str
    home: Link
    count: int
    text: Sequence[str]
    cards: Sequence[Figure]
    others: Sequence[Link]


@pages(
    "failures/",
    order=13,
    about="One page a failure type, with its meaning, remedies, images, and the causal test of part-only failures.",
)
def failure_gallery(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each outcome and each quadrant, of each network."""
    for failed in network_failures(audit):
        for outcome, rows in failed.by_outcome.items():
            text = [MEANINGS[outcome], ADVICE[outcome]]
            if outcome == "part" and failed.model.part_test is not None:
                text.append(part_test_text(failed.model))
            yield _draft(failed, media, outcome, OUTCOME_LABELS[outcome].capitalize(), rows, text)
        for quadrant, images in failed.by_quadrant.items():
            text = ["Dashed: predicted box, from the map of the predicted class. Solid: ground-truth box."]
            yield _draft(failed, media, quadrant, QUADRANT_LABELS[quadrant], images.tolist(), text)


def _draft(
    failed: NetworkFailures, media: Media, name: str, heading: str, rows: Sequence[int], text: Sequence[str]
) -> PageDraft:
    make = partial(_failure_gallery, failed, media, name, heading, rows, text)
    return PageDraft(failed.url(name), "failure_gallery.html", make)


def _failure_gallery(
    failed: NetworkFailures, media: Media, name: str, heading: str, rows: Sequence[int], text: Sequence[str]
) -> FailureGalleryPage:
    home = Link(f"Failures of {failed.model.info.name}" if failed.networks else "Failures", failed.url("index"))
    cards = [failure_card(failed, media, i) for i in rows[:MAX_CARDS]]
    more = [f"The first {len(cards)} of {len(rows):,} images."] if len(rows) > len(cards) else []
    return FailureGalleryPage(heading, home, len(rows), [*text, *more], cards, outcome_links(failed, name))
