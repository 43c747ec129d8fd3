"""The page that static hosts show for URLs without a page."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page


@page("404.html", order=112, about="The page that static hosts show for URLs without a page.", multilabel=True)
def not_found(audit: Audit, media: Media) -> None:
    """The template needs no data."""
