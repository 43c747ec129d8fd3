"""The site of a report: every page of it, and where each is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from reportgen import __version__
from reportgen.audit.audit import Audit
from reportgen.gallery.components.figure import Figure, Page, View
from reportgen.gallery.components.image_figures import card
from reportgen.gallery.components.page_data import Frame, Link, ViewPage
from reportgen.gallery.core import data_chunks as payload
from reportgen.gallery.core.media import Added, Album
from reportgen.gallery.core.urls import class_page
from reportgen.gallery.core.writer import Progress, open_album, silent, write_site
from reportgen.gallery.pages import image as images
from reportgen.gallery.pages import overview as compose
from reportgen.gallery.pages.confusions import confusions_page
from reportgen.gallery.pages.embedding import maps_page
from reportgen.gallery.pages.failures import failure_pages
from reportgen.gallery.pages.gap_gmp import poolings_page
from reportgen.gallery.pages.localization import localization_page
from reportgen.gallery.pages.models import models_page
from reportgen.gallery.pages.neighbours import neighbours_page
from reportgen.gallery.sections import views_of
from reportgen.metrics.gap_gmp import pair_of
from reportgen.parallel import shared_out


def pages(audit: Audit, album: Album, cards: Sequence[Figure], site: Path) -> Iterator[Page]:
    """Every page."""
    rows = compose.class_rows(audit)
    yield "maps/index.html", "maps.html", lambda: maps_page(audit, album, site)  # takes by far the longest: first
    yield "index.html", "index.html", lambda: compose.index_page(audit, album, rows)
    yield from compose.classes_pages(audit, rows)
    yield from compose.class_pages(audit, album, rows)
    yield from images.images_pages(audit, cards)
    yield from images.image_pages(audit, album)
    for view in (*views_of("model"), *views_of("dataset")):
        if view.pages is not None:
            yield from view.pages(audit, album)
        else:
            yield f"{view.name}/index.html", "view.html", partial(_view_page, audit, album, view)
    yield "localization/index.html", "localization.html", lambda: localization_page(audit)
    yield from failure_pages(audit, album)
    yield "models/index.html", "models.html", lambda: models_page(audit, compose.tables(audit))
    yield "review.html", "review.html", lambda: None
    yield "reviewed.html", "reviewed.html", lambda: None  # until `reportgen review` fills it
    yield "confusions/index.html", "confusions.html", lambda: confusions_page(audit, album, site)
    yield "neighbours/index.html", "neighbours.html", lambda: neighbours_page(audit, album)
    if (poolings := poolings_page(audit, album)) is not None:
        yield "poolings/index.html", "poolings.html", lambda: poolings
    yield "404.html", "404.html", lambda: None
    yield "about.html", "about.html", lambda: compose.about_page(audit, __version__)


def _view_page(audit: Audit, album: Album, view: View) -> ViewPage:
    return ViewPage(view.label, view.about, view.draw(audit, album, None))


def navigation(poolings: bool) -> list[Link]:
    """The places that every page leads to. poolings: there is a page GAP and GMP."""
    own = [Link(view.label, f"{view.name}/index.html") for view in (*views_of("model"), *views_of("dataset"))]
    fixed = [Link("Overview", "index.html"), Link("Classes", "classes/index.html"), Link("Images", "images/index.html")]
    where = [Link("Localization", "localization/index.html"), Link("Failures", "failures/index.html")]
    if poolings:
        where.append(Link("GAP and GMP", "poolings/index.html"))
    space = [
        Link("Confusions", "confusions/index.html"),
        Link("Maps", "maps/index.html"),
        Link("Neighbours", "neighbours/index.html"),
    ]
    return [
        *fixed,
        *where,
        *space,
        *own,
        Link("Models", "models/index.html"),
        Link("Review", "review.html"),
        Link("About", "about.html"),
    ]


def build(
    audit: Audit,
    site: Path,
    progress: Progress = silent,
    pictures: str = "jpeg",
    packed: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Builds the site, its pictures and pages by all cores; returns the number of pages. Errors: OutputError.

    pictures: `jpeg` or `webp`, what photographs are; packed: addresses of the results that are not under their names.
    """
    for name, value in vars(Audit).items():  # once here, not once in every process
        if isinstance(value, cached_property):
            getattr(audit, name)
    album = open_album(site, pictures)
    network = audit.card
    footer = (
        f"{len(audit.samples):,} images · {network.name} · {network.input_size} × {network.input_size}, "
        f"{network.resize} · {network.precision} · reportgen {__version__}"
    )
    cards = make_cards(audit, album)
    data = {
        **packed,
        "images": payload.write_chunk(site, "images", payload.images_chunk(audit, cards)),
        "maps": payload.write_chunk(site, "maps", payload.maps_chunk(audit)),
    }
    nav = navigation(pair_of(audit) is not None and audit.study is not None)
    classes = [(audit.classes[k], class_page(audit, k)) for k in np.unique(audit.labels[audit.labels >= 0]).tolist()]
    payload.write_chunk(site, "switch", payload.switch_chunk(nav, classes, network.layers))
    frame = Frame(audit.title, "", nav, footer)
    return write_site(site, frame, pages(audit, album, cards, site), album, data, progress)


def make_cards(audit: Audit, album: Album) -> list[Figure]:
    """A card of every image."""
    n = len(audit.samples)
    cards: dict[int, Figure] = {}

    def work(turns: Iterator[int]) -> Iterator[dict[int, Figure] | Added]:
        yield {i: card(audit, album, i) for i in turns}
        yield album.added

    for made in shared_out(work, n):
        if isinstance(made, Added):
            album.take(made)
        else:
            cards |= made
    return [cards[i] for i in range(n)]
