"""The kernels of the convolutions: the first layer's as pictures, each with its page, the deeper ones as grids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerCard
from reportgen.draw.colormap import signed
from reportgen.draw.mosaic import Sheet, draw_sheet, mosaic, own_scale, shared_scale
from reportgen.draw.raster import Place, draw_values
from reportgen.gallery.components.figure import Figure, Page, Section, View
from reportgen.gallery.components.image_figures import photograph
from reportgen.gallery.core.media import Album, Media
from reportgen.gallery.core.urls import activation_page, unit_page
from reportgen.gallery.pages.activations import restored
from reportgen.gallery.pages.units import Patch, patch
from reportgen.metrics.filters import FilterRow, Kernels, study_filters
from reportgen.pipeline.selection import spread

THUMB = 48
"""About how wide a single filter is drawn, in pixels."""
LARGE = 240
"""About how wide it is drawn on its own page."""
WIDTH = 640
"""About how wide the mosaic is drawn, in pixels."""
GAP = 2
RESPONSES = 4
"""Images whose response to a filter is shown, at most."""


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
        picture = album.draw(mosaic, scaled, zoom, columns, GAP)
        figures.append(
            Figure(picture, f"{about}, {title.lower()}", (picture.width, picture.height), title=title, caption=caption)
        )
    rows = study_filters(filters)
    data = {
        "sheet": Sheet(columns, width * zoom, height * zoom, GAP, count).numbers(),
        "noun": "filter",
        "pages": "filters/",
        "sorts": ["energy", "colour", "frequency"],
        "fields": {
            name: [float(f"{getattr(row, name):.3g}") for row in rows] for name in ("energy", "colour", "frequency")
        },
        "sheets": 2,
    }
    return Section("filters", about, "", figures, "wide", data=data)


@dataclass(frozen=True)
class FiltersPage:
    """The mosaics, and a row a filter with its picture and page. section: None where there are no such filters."""

    section: Section | None
    rows: Sequence[tuple[FilterRow, Media, str]]
    dead: int
    twins: int
    deeper: int


@dataclass(frozen=True)
class FilterPage:
    """One filter. weights: of each input channel; responses: of images that were looked at; patches: its top images.

    answers: of every image that was looked at, its name and where the filter's answer lies over it.
    units: its unit's page, or None where its answers are not watched.
    """

    row: FilterRow
    layer: str
    weights: Section
    responses: Section | None
    answers: Sequence[tuple[str, str]]
    patches: Sequence[Patch]
    units: str | None
    previous: tuple[str, str] | None
    next: tuple[str, str] | None


@dataclass(frozen=True)
class KernelsPage:
    """The deeper convolutions."""

    section: Section


def pages(audit: Audit, album: Album) -> Iterator[Page]:
    """The overview, a page a filter, and one of the deeper kernels."""
    filters = audit.card.filters
    found = study_filters(filters) if filters is not None and filters.shape[1] in (1, 3) else []
    urls = [f"filters/{row.number:04d}.html" for row in found]
    yield "filters/index.html", "filters.html", lambda: _overview(audit, album, found, urls)
    around = [None, *((f"filter {n}", url) for n, url in enumerate(urls)), None]
    for row, url, before, after in zip(found, urls, around, around[2:], strict=False):
        yield url, "filter.html", partial(_filter_page, audit, album, row, before, after)
    if audit.card.kernels:
        yield "filters/deeper.html", "kernels.html", lambda: KernelsPage(_deeper(album, audit.card.kernels))


def _overview(audit: Audit, album: Album, found: Sequence[FilterRow], urls: Sequence[str]) -> FiltersPage:
    rows: list[tuple[FilterRow, Media, str]] = []
    if audit.card.filters is not None and found:
        tiles, zoom = own_scale(audit.card.filters), max(1, THUMB // audit.card.filters.shape[-1])
        pictures = [album.draw(mosaic, tiles[row.number : row.number + 1], zoom, 1) for row in found]
        rows = list(zip(found, pictures, urls, strict=True))
    dead, twins = sum(row.dead for row in found), sum(row.twin is not None for row in found)
    return FiltersPage(draw(audit, album, None), rows, dead, twins, len(audit.card.kernels))


def _filter_page(
    audit: Audit, album: Album, row: FilterRow, before: tuple[str, str] | None, after: tuple[str, str] | None
) -> FilterPage:
    layer = next((layer for layer in audit.card.layers if layer.name == audit.card.filters_units), None)
    unit = audit.units[layer.name][row.number] if layer else None
    return FilterPage(
        row,
        audit.card.filters_layer or "",
        _weights(audit, album, row.number),
        _responses(audit, album, layer, row.number) if layer else None,
        [(audit.samples[i].name, _answer(audit, i, layer, row.number)) for i in _looked_at(audit)] if layer else [],
        [patch(audit, album, layer, row.number, j) for j in range(len(unit.images))] if layer and unit else [],
        unit_page(layer, row.number) if layer else None,
        before,
        after,
    )


def _weights(audit: Audit, album: Album, f: int) -> Section:
    assert audit.card.filters is not None
    kernel = audit.card.filters[f]
    zoom = max(1, LARGE // kernel.shape[-1])
    limit = float(np.abs(kernel).max()) or 1.0
    whole = album.draw(mosaic, own_scale(kernel[None]), zoom, 1)
    figures = [
        Figure(whole, f"filter {f}", (whole.width, whole.height), title="The filter", caption="On its own scale.")
    ]
    names = ("Red", "Green", "Blue") if len(kernel) == 3 else ("Grey",)
    sheet = Sheet(1, kernel.shape[2], kernel.shape[1], 1, 1)
    for name, weights in zip(names, kernel, strict=True):
        picture = album.draw(draw_sheet, 0.5 + weights[None] / (2 * limit), signed(), sheet)
        span = f"{weights.min():.2g} to {weights.max():.2g}"
        figures.append(
            Figure(picture, f"weights on {name.lower()}", (picture.width, picture.height), title=name, value=span)
        )
    caption = f"The weights by channel: orange positive, blue negative, black 0; one scale, ∓{limit:.2g}."
    return Section("weights", "Weights", caption, figures, "four")


def _responses(audit: Audit, album: Album, layer: LayerCard, f: int) -> Section | None:
    """The filter's answers, normalised and activated as the network does it, in some of the images looked at."""
    look = audit.looks.get("activations")
    figures = []
    for i in spread(_looked_at(audit), RESPONSES):
        assert look is not None
        codes, ends = (
            np.asarray(look.store[f"activations/{layer.name}/{what}"][look.rows[i]])[f : f + 1]
            for what in ("map", "range")
        )
        if not np.isfinite(ends).all():
            continue
        map_ = restored(codes, ends)[0]
        centres = (np.arange(len(map_)) + 0.5) * audit.card.input_size / len(map_)
        place = Place(centres, centres, audit.card.input_size, audit.windows[i], audit.sizes[i])
        low, high = (float(v) for v in ends[0])
        figures.append(
            Figure(
                picture=photograph(audit, album, i),
                alt=f"response of filter {f} to {audit.samples[i].name}",
                size=(int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
                overlay=album.draw(draw_values, map_, low, high, place),
                title=audit.samples[i].name.rsplit("/", 1)[-1],
                value=f"{low:.2g} to {high:.2g}",
                href=_answer(audit, i, layer, f),
            )
        )
    if not figures:
        return None
    caption = (
        f"As {layer.name} gives it, which normalises and activates it; each image from its least to its largest value."
    )
    return Section("responses", "Response", caption, figures, "four")


def _looked_at(audit: Audit) -> list[int]:
    look = audit.looks.get("activations")
    return sorted(look.rows) if look else []


def _answer(audit: Audit, i: int, layer: LayerCard, f: int) -> str:
    """Where the filter's answer lies over the whole of image i."""
    return f"{activation_page(audit, i, layer)}#channel={f}"


def _deeper(album: Album, kernels: Sequence[Kernels]) -> Section:
    figures = []
    for one in kernels:
        limit = float(np.abs(one.tiles).max()) or 1.0
        across = len(one.inputs) if one.shape[1] > 1 else max(1, round(len(one.outputs) ** 0.5))
        sheet = Sheet(across, one.shape[3], one.shape[2], 1, len(one.tiles))
        picture = album.draw(draw_sheet, 0.5 + one.tiles / (2 * limit), signed(), sheet)
        shape = " × ".join(map(str, one.shape))
        figures.append(
            Figure(
                picture,
                f"kernels of {one.layer}",
                (picture.width, picture.height),
                title=one.layer,
                value=f"∓{limit:.2g}",
                caption=shape,
            )
        )
    caption = (
        "A row is an output channel, a column an input channel, the strongest of both; of a depthwise convolution, "
        "whose kernels see one channel each, the strongest kernels. Orange: positive, blue: negative, black: 0; each "
        "layer on its own scale. Beneath: outputs × inputs × height × width of all weights. Kernels of one weight are "
        "left out."
    )
    return Section("kernels", "The strongest of each layer", caption, figures, "four")


VIEW = View(
    name="filters",
    label="Filters",
    scope="model",
    order=10,
    about="The kernels of the first convolution, each on its own scale and all on one, and those of the deeper ones.",
    needs=(),
    draw=draw,
    pages=pages,
)
