"""One page a filter of the first convolution: its weights, its responses and its top patches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.data.sampling import evenly_spaced
from reportgen.draw.colormap import diverging
from reportgen.draw.mosaic import Sheet, draw_sheet, mosaic, normalize_each
from reportgen.draw.raster import GridPlacement, draw_values
from reportgen.gallery.components.channel_maps import dequantized, range_text
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.grid_values import cell_centres
from reportgen.gallery.components.image_figures import image_size, photograph
from reportgen.gallery.components.patch import Patch, unit_patch
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, pages
from reportgen.gallery.core.urls import activation_page, unit_page
from reportgen.gallery.pages.filters import filter_rows, filter_url
from reportgen.metrics.filters import FilterStats

PICTURE_WIDTH = 240
"""Approximate width in pixels of the filter."""
MAX_RESPONSES = 4
"""Images whose response is shown."""


@dataclass(frozen=True)
class FilterDetailPage:
    """One filter. weights: as a whole and by channel; responses: in some of the selected images.

    activation_pages: name and URL of the response in every selected image; patches: top patches of the filter's unit;
    unit_url: its page, or None where the units of the layer were not recorded.
    """

    row: FilterStats
    layer: str
    weights: Section
    responses: Section | None
    activation_pages: Sequence[tuple[str, str]]
    patches: Sequence[Patch]
    unit_url: str | None
    previous: Link | None
    next: Link | None


@pages(
    "filters/",
    order=61,
    about="One page a filter of the first convolution: weights by channel, responses and top patches.",
    multilabel=True,
)
def filter_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each filter."""
    rows = filter_rows(audit)
    links = [Link(f"filter {row.index}", filter_url(row)) for row in rows]
    for n, (row, link) in enumerate(zip(rows, links, strict=True)):
        make = partial(_filter_detail, audit, media, row, *previous_and_next(links, n))
        yield PageDraft(link.url, "filter_detail.html", make)


def _filter_detail(
    audit: Audit, media: Media, row: FilterStats, previous: Link | None, following: Link | None
) -> FilterDetailPage:
    info, number = audit.main.info, row.index
    layer = next((layer for layer in info.layers if layer.name == info.filter_units), None)
    page = FilterDetailPage(
        row, info.filters_layer or "", _weights(audit, media, number), None, [], [], None, previous, following
    )
    if layer is None:
        return page
    return FilterDetailPage(
        row,
        page.layer,
        page.weights,
        _responses(audit, media, layer, number),
        [
            (audit.samples[i].name, _response_url(audit, i, layer, number))
            for i in audit.main.selected_images("activations")
        ],
        [unit_patch(audit, media, layer, number, j) for j in range(len(audit.main.units[layer.name][number].images))],
        unit_page(layer, number),
        previous,
        following,
    )


def _weights(audit: Audit, media: Media, number: int) -> Section:
    """The filter as a picture, and its weights on each input channel."""
    assert audit.main.info.filters is not None
    kernel = audit.main.info.filters[number]
    zoom = max(1, PICTURE_WIDTH // kernel.shape[-1])
    limit = float(np.abs(kernel).max()) or 1.0
    whole = media.draw(mosaic, normalize_each(kernel[None]), zoom, 1)
    figures = [
        Figure(
            whole,
            f"filter {number}",
            (whole.width, whole.height),
            title="Filter",
            caption="Normalized from its minimum to its maximum.",
        )
    ]
    names = ("Red", "Green", "Blue") if len(kernel) == 3 else ("Grey",)
    sheet = Sheet(1, kernel.shape[2], kernel.shape[1], 1, 1)
    for name, weights in zip(names, kernel, strict=True):
        picture = media.draw(draw_sheet, 0.5 + weights[None] / (2 * limit), diverging(), sheet)
        size = (picture.width, picture.height)
        figures.append(Figure(picture, f"weights on {name.lower()}", size, title=name, value=range_text(weights)))
    caption = f"Weights by input channel. Orange: positive; blue: negative; black: 0. One scale for all, ±{limit:.2g}."
    return Section("Weights", caption, figures, "four", id="weights")


def _responses(audit: Audit, media: Media, layer: LayerInfo, number: int) -> Section | None:
    """The filter's response in some of the selected images, after normalization and activation function."""
    figures = []
    for i in evenly_spaced(audit.main.selected_images("activations"), MAX_RESPONSES):
        arrays = audit.main.selected["activations"].of_image(i)
        codes, ranges = (arrays[f"activations/{layer.name}/{name}"][number : number + 1] for name in ("map", "range"))
        if not np.isfinite(ranges).all():
            continue
        map_ = dequantized(codes, ranges)[0]
        centres = cell_centres(map_, audit.main.info.input_size)
        place = GridPlacement(*centres, audit.main.info.input_size, audit.main.windows[i], audit.main.sizes[i])
        low, high = (float(v) for v in ranges[0])
        figures.append(
            Figure(
                picture=photograph(audit.main, media, i),
                alt=f"response of filter {number} in {audit.samples[i].name}",
                size=image_size(audit.main, i),
                overlay=media.draw(draw_values, map_, low, high, place),
                title=audit.samples[i].name.rsplit("/", 1)[-1],
                value=range_text(ranges),
                href=_response_url(audit, i, layer, number),
            )
        )
    if not figures:
        return None
    caption = f"Output of {layer.name}, which follows the convolution. Each image from its minimum to its maximum."
    return Section("Responses", caption, figures, "four", id="responses")


def _response_url(audit: Audit, i: int, layer: LayerInfo, number: int) -> str:
    """The page with the filter's response over the whole of image i."""
    return f"{activation_page(audit, i, layer)}#channel={number}"
