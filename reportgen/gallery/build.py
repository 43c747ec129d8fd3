"""Builds the site of a report: data for the browser, then every registered page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from types import MappingProxyType

import numpy as np

from reportgen import __version__
from reportgen.audit.audit import Audit
from reportgen.gallery.components.image_figures import image_card, photograph
from reportgen.gallery.components.image_inputs import card_inputs
from reportgen.gallery.components.label_figures import shown_labels
from reportgen.gallery.components.live_chunks import remove_live_chunks
from reportgen.gallery.components.photo_sheets import draw_photo_sheets
from reportgen.gallery.components.short_images import write_short_images
from reportgen.gallery.core.data_chunks import remove_unlisted_chunks, write_chunk
from reportgen.gallery.core.labels import input_size_label
from reportgen.gallery.core.media import AddedMedia, Media
from reportgen.gallery.core.page import Frame
from reportgen.gallery.core.registry import PageDraft, all_pages, navigation
from reportgen.gallery.core.urls import class_page, label_page
from reportgen.gallery.core.writer import Progress, open_media, silent, write_site
from reportgen.gallery.site_data import cams_chunk, images_chunk, search_chunk
from reportgen.parallel import run_parallel
from reportgen.store.staging import Staging
from reportgen.store.table import Table

BUILT_FIRST = "embedding"
"""The page that takes by far the longest. It is begun first, so that no core waits for it at the end."""
RELEASE_EVERY = 4
"""Pages that a process makes before it releases the memory of mapped files, whose images they show in any order."""


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
    audit.main.table.release_pages()
    last, media = open_media(site, image_format)
    info = audit.main.info
    footer = (
        f"{len(audit.samples):,} images · {info.name} · {input_size_label(info)}, "
        f"{info.resize} · {info.precision} · reportgen {__version__}"
    )
    keys = card_inputs(audit, image_format)
    cards, sheets = make_cards(audit, media, keys, last.cards), draw_photo_sheets(audit, media)
    write_short_images(audit, media, sheets)
    audit.main.table.release_pages()
    names = {i: cards[keys[i]] for i in np.flatnonzero(audit.full_pages.has).tolist()}
    data: dict[str, str | Sequence[str]] = {
        **compressed,
        "images": write_chunk(site, "images", images_chunk(audit, names, sheets)),
        "cams": write_chunk(site, "cams", cams_chunk(audit)),
    }
    audit.main.table.release_pages()  # every image has been read, which the processes that write pages would inherit
    nav = navigation(audit)
    page_of = label_page if audit.is_multilabel else class_page
    listed = shown_labels(audit) if audit.is_multilabel else audit.main.occurring_classes
    classes = [(audit.classes[k], page_of(audit, k)) for k in listed]
    write_chunk(site, "search", search_chunk(nav, classes, info.layers))
    frame = Frame(audit.title, "", nav, footer, f"{info.weights_digest[:16]}-{audit.title}")
    drafts = releasing(page_drafts(audit, media), audit.main.table)
    pages = write_site(site, frame, drafts, last, media, data, cards, progress, staging)
    audit.main.table.release_pages()
    return pages


def page_drafts(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """Every page of the report."""
    for entry in sorted(all_pages(), key=lambda entry: entry.name != BUILT_FIRST):
        if entry.applies_to(audit):
            yield from entry.draft(audit, media)


def releasing(drafts: Iterator[PageDraft], table: Table) -> Iterator[PageDraft]:
    """The pages, of which every so many release the memory of what was read of the table's files (in each process)."""
    number = count(1)

    def make_and_release(make: Callable[[], object]) -> object:
        page = make()
        if next(number) % RELEASE_EVERY == 0:
            table.release_pages()
        return page

    return (draft._replace(make=partial(make_and_release, draft.make)) for draft in drafts)


def compute_cached_properties(audit: Audit) -> None:
    """Compute what the audit and its first network compute on demand."""
    for owner in (audit, audit.main):
        for name, value in vars(type(owner)).items():
            if isinstance(value, cached_property):
                getattr(owner, name)


def make_cards(audit: Audit, media: Media, keys: Sequence[str], last: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The pictures of the card of each image with a full page, drawn by all cores: key → names of the card's
    photograph, of the map over it or "", and of the photograph of the image's page.

    keys: of each image, see `card_inputs`; last: the pictures of the last build, which are not drawn again.
    """
    rows = np.flatnonzero(audit.full_pages.has).tolist()
    cards = {keys[i]: last[keys[i]] for i in rows if keys[i] in last and media.keep([*filter(None, last[keys[i]])])}
    waiting = [i for i in rows if keys[i] not in cards]

    def names_of(i: int) -> list[str]:
        card, large = image_card(audit, media, i), photograph(audit.main, media, i)
        return [card.picture.name, card.overlay.name if card.overlay else "", large.name]

    def work(turns: Iterator[int]) -> Iterator[dict[str, list[str]] | AddedMedia]:
        yield {keys[i]: names_of(i) for i in map(waiting.__getitem__, turns)}
        yield media.added

    for result in run_parallel(work, len(waiting), lambda n: f"the picture of `{audit.samples[waiting[n]].name}`"):
        if isinstance(result, AddedMedia):
            media.merge(result)
        else:
            cards |= result
    return cards
