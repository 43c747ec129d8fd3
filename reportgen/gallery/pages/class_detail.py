"""One page a class: its errors and its sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact, Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, draw_sections, pages
from reportgen.gallery.core.urls import class_page
from reportgen.gallery.pages.class_list import ClassRow, class_row
from reportgen.metrics.formatting import rate_with_count


@dataclass(frozen=True)
class ClassDetailPage:
    """One class."""

    name: str
    row: ClassRow
    sections: Sequence[Section]
    previous: Link | None
    next: Link | None
    facts: Sequence[Fact]


@pages("classes/", order=21, about="One page a class: its images, mean map, occlusion and strongest units.")
def class_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each class that has labelled images."""
    classes = np.unique(audit.labels[audit.labels >= 0]).tolist()
    links = [Link(audit.classes[k], class_page(audit, k)) for k in classes]
    for position, k in enumerate(classes):
        make = partial(_class_detail, audit, media, k, *previous_and_next(links, position))
        yield PageDraft(links[position].url, "class_detail.html", make)


def _class_detail(audit: Audit, media: Media, k: int, previous: Link | None, following: Link | None) -> ClassDetailPage:
    row = class_row(audit, k)
    facts = [
        Fact("Images", f"{row.images:,}"),
        Fact("Top-1 error", rate_with_count(row.top1)),
        Fact("Top-5 error", rate_with_count(row.top5)),
    ]
    if audit.main.localization is not None:
        facts.append(Fact("GT-known localization error", rate_with_count(row.gt_known)))
    if row.confused_with:
        facts.append(Fact("Most often predicted instead", row.confused_with))
    return ClassDetailPage(row.name, row, draw_sections("class", audit, media, k), previous, following, facts)
