"""The short page of every image that has no full one; scripts fill it with the image that the address names."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.gallery.components.coverage_notice import full_pages_text
from reportgen.gallery.components.short_images import chunk_bits
from reportgen.gallery.core.check import SHORT_PAGE
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page


def has_short_pages(audit: Audit) -> bool:
    """Whether some images have no full page."""
    return not audit.full_pages.has.all()


@dataclass(frozen=True)
class ImagePage:
    """bits: of an image's id, that are the number of its chunk of data; total: number of images; why: of a short page.

    features: what the nearest neighbours are compared by.
    """

    bits: int
    total: int
    why: str
    features: str


@page(
    SHORT_PAGE,
    order=12,
    requires=("cam/map", "cam/class", "logits"),
    when=has_short_pages,
    multilabel=True,
    about="Of very many images, those without a full page, one at a time: photograph, maps of the most probable "
    "classes, boxes, figures and nearest neighbours.",
)
def image(audit: Audit, media: Media) -> ImagePage:
    """The one page of all these images."""
    full = audit.full_pages
    return ImagePage(
        chunk_bits(len(full.short)), len(full.has), full_pages_text(audit), audit.feature_source.description
    )
