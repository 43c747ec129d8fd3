"""Builds the site of a report: data for the browser, then every registered page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from reportgen import __version__
from reportgen.audit.audit import Audit
from reportgen.gallery.components.image_figures import image_card, photograph
from reportgen.gallery.components.live_chunks import remove_live_chunks
from reportgen.gallery.components.photo_sheets import draw_photo_sheets
from reportgen.gallery.components.short_images import write_short_images
from reportgen.gallery.core.data_chunks import remove_unlisted_chunks, write_chunk
from reportgen.gallery.core.labels import input_size_label
from reportgen.gallery.core.media import AddedMedia, Media
from reportgen.gallery.core.page import Frame
from reportgen.gallery.core.registry import PageDraft, all_pages, navigation
from reportgen.gallery.core.urls import class_page
from reportgen.gallery.core.writer import Progress, open_media, silent, write_site
from reportgen.gallery.site_data import Card, cams_chunk, images_chunk, search_chunk
from reportgen.parallel import run_parallel
from reportgen.store.staging import Staging

BUILT_FIRST = "embedding"
"""The page that takes by far the longest. It is begun first, so that no core waits for it at the end."""


def build_site(
    audit: Audit,
    site: Path,
    progress: Progress = silent,
    image_format: str = "jpeg",
    compressed: Mapping[str, str] = MappingProxyType({}),
    staging: Staging | None = None,
) -> int:
    """Build the site with all cores, and return the number of pages. Errors: OutputError.

    image_format: `jpeg` or `webp`, of photographs; compressed: name → URL of result files that were compressed;
    staging: see `write_site`.
    """
    remove_unlisted_chunks(site)
    if audit.live is None:
        remove_live_chunks(site)
    compute_cached_properties(audit)  # once here, not once in every process
    media = open_media(site, image_format)
    info = audit.main.info
    footer = (
        f"{len(audit.samples):,} images · {info.name} · {input_size_label(info)}, "
        f"{info.resize} · {info.precision} · reportgen {__version__}"
    )
    cards, sheets = make_cards(audit, media), draw_photo_sheets(audit, media)
    write_short_images(audit, media, sheets)
    data = {
        **compressed,
        "images": write_chunk(site, "images", images_chunk(audit, cards, sheets)),
        "cams": write_chunk(site, "cams", cams_chunk(audit)),
    }
    nav = navigation(audit)
    classes = [(audit.classes[k], class_page(audit, k)) for k in audit.main.occurring_classes]
    write_chunk(site, "search", search_chunk(nav, classes, info.layers))
    frame = Frame(audit.title, "", nav, footer, f"{info.weights_digest[:16]}-{audit.title}")
    return write_site(site, frame, page_drafts(audit, media), media, data, progress, staging)


def page_drafts(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """Every page of the report."""
    for entry in sorted(all_pages(), key=lambda entry: entry.name != BUILT_FIRST):
        if entry.applies_to(audit):
            yield from entry.draft(audit, media)


def compute_cached_properties(audit: Audit) -> None:
    """Compute what the audit and its first network compute on demand."""
    for owner in (audit, audit.main):
        for name, value in vars(type(owner)).items():
            if isinstance(value, cached_property):
                getattr(owner, name)


def make_cards(audit: Audit, media: Media) -> dict[int, Card]:
    """A card of every image with a full page, and its photograph as large as there; drawn by all cores."""
    rows = np.flatnonzero(audit.full_pages.has).tolist()
    cards: dict[int, Card] = {}

    def work(turns: Iterator[int]) -> Iterator[dict[int, Card] | AddedMedia]:
        images = map(rows.__getitem__, turns)
        yield {i: Card(image_card(audit, media, i), photograph(audit.main, media, i)) for i in images}
        yield media.added

    for result in run_parallel(work, len(rows), lambda turn: f"the picture of `{audit.samples[rows[turn]].name}`"):
        if isinstance(result, AddedMedia):
            media.merge(result)
        else:
            cards |= result
    return cards
