"""The review page, which scripts fill: tag images, take notes, export both."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page


@page(
    "review.html",
    nav=("Review", "Review"),
    order=110,
    about="Review of images one after the other, with tags and notes that can be exported.",
    multilabel=True,
)
def review(audit: Audit, media: Media) -> None:
    """The template needs no data."""
