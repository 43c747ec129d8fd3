"""All images as cards; scripts add filters and a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.coverage_notice import full_pages_text
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import image_card
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link, links_to_parts
from reportgen.gallery.core.registry import PageDraft, pages

IMAGES_PER_PAGE = 96


@dataclass(frozen=True)
class ImageListPage:
    """A part of the images with a full page. first, last: their positions; parts: links to all parts.

    full_pages: what is said of images without one, or ""; unreadable: number of files; map_of: the class whose
    activation map is shown.
    """

    cards: Sequence[Figure]
    first: int
    last: int
    total: int
    parts: Sequence[Link]
    full_pages: str
    unreadable: int
    map_of: str


@pages(
    "images/index.html",
    nav=("Images", "Images"),
    order=10,
    about="All images as cards or as a table, with filters.",
    multilabel=True,
)
def image_list(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """The cards, in parts."""
    rows = np.flatnonzero(audit.full_pages.has).tolist()
    starts = range(0, len(rows), IMAGES_PER_PAGE)
    urls = [f"images/{f'page-{n}' if n > 1 else 'index'}.html" for n in range(1, len(starts) + 1)]
    for start, url in zip(starts, urls, strict=True):
        make = partial(_image_list, audit, media, rows, start, links_to_parts(urls, url))
        yield PageDraft(url, "image_list.html", make)


def _image_list(audit: Audit, media: Media, rows: Sequence[int], start: int, parts: Sequence[Link]) -> ImageListPage:
    cards = [image_card(audit, media, i) for i in rows[start : start + IMAGES_PER_PAGE]]
    return ImageListPage(
        cards=cards,
        first=start + 1,
        last=start + len(cards),
        total=len(rows),
        parts=parts,
        full_pages=full_pages_text(audit),
        unreadable=len(audit.unreadable),
        map_of="most probable label" if audit.is_multilabel else "predicted class",
    )
