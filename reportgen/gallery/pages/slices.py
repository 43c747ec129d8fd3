"""Slices: groups of images with a higher error than the rest, found by search or named in the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.slices import ERRORS, FoundSlice, NamedSlice, SliceStudy, TooSmall
from reportgen.data.sampling import evenly_spaced
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import image_card
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.urls import image_list
from reportgen.metrics.formatting import between, counted, p_text, signed
from reportgen.metrics.intervals import Rate
from reportgen.metrics.slice_search import MIN_IMAGES
from reportgen.metrics.slices import MAX_Q

MAX_CARDS = 6
"""Images shown of a slice, of those with the error."""
MAX_NAMES = 12
"""Values listed of an attribute that have too few images."""
WRONG = {"class": "outcome=class", "box": "flag=known"}
"""Error → the filter of the page Images for it."""


@dataclass(frozen=True)
class SliceRow:
    """A slice with one error. images: number in all; inside, outside: errors of the slice and of the rest, None for too
    few images; excess: their difference in points with its interval; p: adjusted, or "" where none was adjusted."""

    name: str
    error: str
    url: str
    images: int
    inside: Rate | None
    outside: Rate | None
    excess: str
    p: str
    cards: Sequence[Figure] = ()
    wrong: int = 0


@dataclass(frozen=True)
class SmallValues:
    """Values of an attribute with too few images. names: the first of them."""

    attribute: str
    count: int
    images: int
    names: Sequence[str]


@dataclass(frozen=True)
class SlicesPage:
    """named: of the settings, measured on all images; found: confirmed, pairs measured on the half not searched.

    why_not: why nothing was searched, or "".
    """

    heading: str
    lead: str
    named: Sequence[SliceRow]
    found: Sequence[SliceRow]
    searched: Sequence[str]
    why_not: str
    too_small: Sequence[SmallValues]
    min_images: int


@page(
    "slices/index.html",
    nav=("Findings", "Slices"),
    order=7,
    about="Groups of images with a higher error than the rest, by annotations, image, object and features.",
)
def slices(audit: Audit, media: Media) -> SlicesPage:
    """The page."""
    study = audit.slices
    return SlicesPage(
        heading=_heading(study),
        lead=_lead(study),
        named=[row for one in study.named for row in _named_rows(one)],
        found=[_found_row(audit, media, one) for one in study.found],
        searched=study.searched,
        why_not="" if study.searched else _why_not(audit),
        too_small=[_small(one) for one in study.too_small],
        min_images=MIN_IMAGES,
    )


def _heading(study: SliceStudy) -> str:
    n = len(study.found)
    if not study.searched:
        return "Slices"
    return f"{counted(n, 'slice has', 'slices have')} a higher error than the rest" if n else "No slice is confirmed"


def _lead(study: SliceStudy) -> str:
    if not study.searched:
        return ""
    n = len(study.found)
    return (
        f"{counted(study.tested, 'slice was', 'slices were')} tested: single values on all labelled images, and pairs "
        f"that were found on one half of them on the other half. {n:,} {'is' if n == 1 else 'are'} confirmed (adjusted "
        f"p of at most {MAX_Q}) and {'repeats' if n == 1 else 'repeat'} no other one."
    )


def _why_not(audit: Audit) -> str:
    labelled = int((audit.labels >= 0).sum())
    if labelled < 4 * MIN_IMAGES:
        return f"Slices are searched from {4 * MIN_IMAGES} labelled images on; there are {labelled:,}."
    return "All labelled images have the same outcome, so that no group can differ from the rest."


def _found_row(audit: Audit, media: Media, one: FoundSlice) -> SliceRow:
    figures = one.measured
    shown = evenly_spaced(one.wrong.tolist(), MAX_CARDS)
    column = 0 if one.error == "class" else -1
    return SliceRow(
        name=one.name,
        error=ERRORS[one.error],
        url=image_list(slice=one.name),
        images=len(one.images),
        inside=figures.inside,
        outside=figures.outside,
        excess=f"{signed(figures.excess)} ({between(figures.interval)})",
        p=p_text(one.q),
        cards=[image_card(audit, media, i, column=column) for i in shown],
        wrong=len(one.wrong),
    )


def _named_rows(one: NamedSlice) -> list[SliceRow]:
    rows = []
    for error, rate in one.errors.items():
        compared = one.compared[error]
        rows.append(
            SliceRow(
                name=one.name,
                error=ERRORS[error],
                url=image_list(slice=one.name),
                images=len(one.images),
                inside=rate,
                outside=compared.outside if compared else None,
                excess=f"{signed(compared.excess)} ({between(compared.interval)})" if compared else "too few images",
                p="",
            )
        )
    return rows


def _small(one: TooSmall) -> SmallValues:
    return SmallValues(one.attribute, len(one.names), one.images, one.names[:MAX_NAMES])
