"""The filters of the first convolution, in two mosaics and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.draw.mosaic import Sheet, mosaic, normalize_each, normalize_together
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.gallery.core.registry import page
from reportgen.metrics.filters import FilterStats, summarize_filters

THUMBNAIL_WIDTH, MOSAIC_WIDTH = 48, 640
"""Approximate widths in pixels of a single filter in the table, and of the mosaics."""
MAX_COLUMNS = 8
GAP = 2
"""Pixels between the filters of a mosaic."""
SORT_FIELDS = ("energy", "colour", "frequency")


@dataclass(frozen=True)
class FiltersPage:
    """section: the mosaics, or None without filters on colours; rows: each filter with its picture and page.

    dead: number of dead filters; twins: of filters that nearly equal another or its negative; deeper: of other
    convolutions with kernels.
    """

    section: Section | None
    rows: Sequence[tuple[FilterStats, MediaFile, str]]
    dead: int
    twins: int
    deeper: int


@page(
    "filters/index.html",
    nav=("Internals", "Filters"),
    order=60,
    about="The filters of the first convolution as pictures, with energy, colour and spatial frequency.",
    multilabel=True,
)
def filters(audit: Audit, media: Media) -> FiltersPage:
    """The page."""
    rows, info = filter_rows(audit), audit.main.info
    thumbnails: list[MediaFile] = []
    if info.filters is not None and rows:
        tiles, zoom = normalize_each(info.filters), max(1, THUMBNAIL_WIDTH // info.filters.shape[-1])
        thumbnails = [media.draw(mosaic, tiles[row.index : row.index + 1], zoom, 1) for row in rows]
    return FiltersPage(
        section=_mosaics(audit, media, rows) if rows else None,
        rows=list(zip(rows, thumbnails, map(filter_url, rows), strict=True)),
        dead=sum(row.is_dead for row in rows),
        twins=sum(row.twin is not None for row in rows),
        deeper=len(info.kernels),
    )


def filter_rows(audit: Audit) -> list[FilterStats]:
    """The filters of the first convolution; none if it does not read one grey or three colour channels."""
    weights = audit.main.info.filters
    return summarize_filters(weights) if weights is not None and weights.shape[1] in (1, 3) else []


def filter_url(row: FilterStats) -> str:
    """The page of a filter."""
    return f"filters/{row.index:04d}.html"


def _mosaics(audit: Audit, media: Media, rows: Sequence[FilterStats]) -> Section:
    """All filters twice: normalized per filter, and on one scale."""
    weights = audit.main.info.filters
    assert weights is not None
    count, channels, height, width = weights.shape
    columns = min(MAX_COLUMNS, count)
    zoom = max(1, MOSAIC_WIDTH // (columns * width + 2))
    title = f"{count} filters of {channels} × {height} × {width}, layer {audit.main.info.filters_layer}"
    figures = []
    for name, scaled, caption in (
        (
            "Normalized per filter",
            normalize_each(weights),
            "From each filter's minimum to its maximum. Look for oriented edges and colour blobs. A filter that looks "
            "like noise may be hardly trained.",
        ),
        (
            "One scale for all",
            normalize_together(weights),
            f"Mid-grey is 0, black and white are ±{np.abs(weights).max():.3g}. Filters that stay grey have small "
            "weights.",
        ),
    ):
        picture = media.draw(mosaic, scaled, zoom, columns, GAP)
        size = (picture.width, picture.height)
        figures.append(Figure(picture, f"{title}, {name.lower()}", size, title=name, caption=caption))
    data = {
        "sheet": Sheet(columns, width * zoom, height * zoom, GAP, count).to_dict(),
        "noun": "filter",
        "pages": "filters/",
        "sorts": list(SORT_FIELDS),
        "fields": {name: [float(f"{getattr(row, name):.3g}") for row in rows] for name in SORT_FIELDS},
        "sheets": 2,
    }
    return Section(title, "", figures, "wide", data=data, id="filters")
