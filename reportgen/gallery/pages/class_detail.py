"""One page a class: its outcomes, its confusions and its sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from reportgen.audit.audit import Audit
from reportgen.gallery.components.class_confusions import ClassConfusions, class_confusions
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact, Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, draw_sections, pages
from reportgen.gallery.core.urls import class_page, image_list
from reportgen.gallery.pages.class_list import ClassRow, class_row
from reportgen.metrics.formatting import interval, rate_with_count


@dataclass(frozen=True)
class ClassDetailPage:
    """One class. row: without images for a class that is only predicted; predicted_url: images predicted as it."""

    name: str
    row: ClassRow
    predicted: int
    predicted_url: str
    confusions: ClassConfusions
    sections: Sequence[Section]
    previous: Link | None
    next: Link | None
    facts: Sequence[Fact]


@pages(
    "classes/",
    order=21,
    about="One page a class: its outcomes, confusions, worst images, mean map, occlusion and strongest units.",
)
def class_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each class that is the label or the predicted class of an image."""
    classes = audit.main.occurring_classes
    links = [Link(audit.classes[k], class_page(audit, k)) for k in classes]
    for position, k in enumerate(classes):
        make = partial(_class_detail, audit, media, k, *previous_and_next(links, position))
        yield PageDraft(links[position].url, "class_detail.html", make)


def _class_detail(audit: Audit, media: Media, k: int, previous: Link | None, following: Link | None) -> ClassDetailPage:
    row = class_row(audit, k)
    errors = (("Top-1 error", row.top1), ("Top-5 error", row.top5), ("GT-known localization error", row.gt_known))
    facts = [
        Fact(name, f"{rate_with_count(rate)} (95 % interval {interval(rate.interval)})")
        for name, rate in errors
        if rate
    ]
    return ClassDetailPage(
        name=row.name,
        row=row,
        predicted=int((audit.main.classification.top_classes[:, 0] == k).sum()),
        predicted_url=image_list(predicted=k),
        confusions=class_confusions(audit, k),
        sections=draw_sections("class", audit, media, k),
        previous=previous,
        next=following,
        facts=facts,
    )
