"""The kernels of the first convolution, the only layer whose weights read as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.analysis.audit import Audit
from reportgen.analysis.filters import FilterRow, study_filters
from reportgen.draw.mosaic import mosaic, own_scale, shared_scale
from reportgen.views.album import Album, Media
from reportgen.views.panel import Figure, Page, Section, View

THUMB = 48
"""About how wide a single filter is drawn, in pixels."""
WIDTH = 640
"""About how wide the mosaic is drawn, in pixels."""


def draw(audit: Audit, album: Album, _: int | None) -> Section | None:
    """Every filter twice: stretched to its own range, and all on one scale."""
    filters = audit.card.filters
    if filters is None or filters.shape[1] not in (1, 3):
        return None
    count, channels, height, width = filters.shape
    columns = min(8, count)
    zoom = max(1, WIDTH // (columns * width + 2))
    about = f"{count} filters of {channels}×{height}×{width}, layer {audit.card.filters_layer}"
    figures = []
    for title, scaled, caption in (
        (
            "Each on its own scale",
            own_scale(filters),
            "Stretched to its own darkest and brightest weight: look for oriented edges, colour blobs and noise. "
            "A filter that is noise here was not learned.",
        ),
        (
            "All on one scale",
            shared_scale(filters),
            f"Mid-grey is 0, black and white are ∓{np.abs(filters).max():.3g}: look for filters that stay grey, "
            "which hardly see anything.",
        ),
    ):
        picture = album.draw(mosaic, scaled, zoom, columns)
        figures.append(
            Figure(picture, f"{about}, {title.lower()}", (picture.width, picture.height), title=title, caption=caption)
        )
    return Section("filters", about, "", figures, "wide")


@dataclass(frozen=True)
class FiltersPage:
    """The mosaics, and a row a filter with its picture. section: None where there are no such filters."""

    section: Section | None
    rows: Sequence[tuple[FilterRow, Media]]
    dead: int
    twins: int
    largest: float


def pages(audit: Audit, album: Album) -> Iterator[Page]:
    """The one page."""
    yield "filters/index.html", "filters.html", lambda: _page(audit, album)


def _page(audit: Audit, album: Album) -> FiltersPage:
    section, filters = draw(audit, album, None), audit.card.filters
    rows: list[tuple[FilterRow, Media]] = []
    if section is not None and filters is not None:
        zoom = max(1, THUMB // filters.shape[-1])
        tiles = own_scale(filters)
        found = study_filters(filters)
        rows = [(row, album.draw(mosaic, tiles[row.number : row.number + 1], zoom, 1)) for row in found]
    dead, twins = sum(row.dead for row, _ in rows), sum(row.twin is not None for row, _ in rows)
    largest = max((row.energy for row, _ in rows), default=0.0)
    return FiltersPage(section, rows, dead, twins, largest)


VIEW = View(
    name="filters",
    label="Filters",
    scope="model",
    order=10,
    about="The kernels of the first convolution, each on its own scale and all on one.",
    needs=(),
    draw=draw,
    pages=pages,
)
