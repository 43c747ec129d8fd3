"""One page an image and layer: the activations of all channels, and the gradients with respect to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.draw.colormap import diverging, inferno
from reportgen.draw.mosaic import Sheet, draw_sheet
from reportgen.gallery.components.channel_maps import dequantized, range_text, shared_scale
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import image_figure, image_size
from reportgen.gallery.components.patch import side_text
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact, Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, pages
from reportgen.gallery.core.urls import activation_page, image_page, layer_page, unit_page

CLIP_QUANTILE = 0.995
"""Quantile of the gradients' magnitudes that gets the last colour: a few values are far larger than all others."""
MAX_CHANNELS = 16
"""Rows of the table of channels: the most active ones."""
PREVIEW_SIDE = 640
"""Longer side, at most, of the channel that the browser draws over the image, in pixels."""


@dataclass(frozen=True)
class Channel:
    """A row of the table of channels, as texts."""

    number: int
    url: str
    activity: str
    activations: str
    gradients: str


@dataclass(frozen=True)
class ActivationDetailPage:
    """One layer in one image. section: None where a value is not finite; layers: links to the same image's others."""

    name: str
    image_url: str
    layer: str
    section: Section | None
    facts: Sequence[Fact]
    channels: Sequence[Channel]
    layers: Sequence[Link]
    units_url: str
    previous: Link | None
    next: Link | None


@dataclass(frozen=True)
class LayerActivations:
    """What is stored of a layer in an image.

    levels, gradient_levels: `(C, h, w)` uint8, shares of each channel's range in 255ths; ranges, gradient_ranges:
    `(C, 2)`; activity: `(C,)` mean magnitude over all positions.
    """

    levels: np.ndarray
    ranges: np.ndarray
    activity: np.ndarray
    gradient_levels: np.ndarray
    gradient_ranges: np.ndarray

    @classmethod
    def of(cls, audit: Audit, i: int, layer: LayerInfo) -> LayerActivations:
        arrays = audit.main.selected["activations"].of_image(i)
        return cls(
            *(arrays[f"activations/{layer.name}/{name}"] for name in ("map", "range", "activity")),
            *(arrays[f"gradients/{layer.name}/{name}"] for name in ("map", "range")),
        )


@pages(
    "activations/",
    order=66,
    about="One page an image and layer: activations of all channels, and the gradient of the predicted class's logit.",
    multilabel=True,
)
def activation_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each selected image and recorded layer."""
    layers = audit.main.info.layers
    images = images_with_activations(audit)
    for layer in layers:
        links = [Link(audit.samples[i].name, activation_page(audit, i, layer)) for i in images]
        for n, i in enumerate(images):
            make = partial(_activation_detail, audit, media, i, layer, *previous_and_next(links, n))
            yield PageDraft(links[n].url, "activation_detail.html", make)


def images_with_activations(audit: Audit) -> list[int]:
    """The images whose activations have pages: those with stored activations and a full page, ascending."""
    images = audit.main.selected_images("activations") if audit.main.info.layers else []
    return [i for i in images if audit.full_pages.has[i]]


def _activation_detail(
    audit: Audit, media: Media, i: int, layer: LayerInfo, previous: Link | None, following: Link | None
) -> ActivationDetailPage:
    stored = LayerActivations.of(audit, i, layer)
    is_finite = bool(np.isfinite(stored.ranges).all() and np.isfinite(stored.gradient_ranges).all())
    return ActivationDetailPage(
        name=audit.samples[i].name,
        image_url=image_page(audit, i),
        layer=layer.name,
        section=_mosaics(audit, media, i, layer, stored) if is_finite else None,
        facts=_facts(layer, stored),
        channels=_channels(layer, stored) if is_finite else [],
        layers=[Link(one.name, activation_page(audit, i, one), one is layer) for one in audit.main.info.layers],
        units_url=layer_page(layer),
        previous=previous,
        next=following,
    )


def _facts(layer: LayerInfo, stored: LayerActivations) -> list[Fact]:
    return [
        Fact("Feature maps", "{} of {} × {}".format(*layer.shape)),
        Fact("Receptive field", side_text(layer.receptive_field)),
        Fact("Stride", side_text(layer.stride)),
        Fact("Parameters up to here", f"{layer.parameters:,}"),
        Fact("since the previous layer", f"{layer.new_parameters:,}"),
        Fact("Activations", range_text(stored.ranges)),
        Fact("Gradients", range_text(stored.gradient_ranges)),
    ]


def _channels(layer: LayerInfo, stored: LayerActivations) -> list[Channel]:
    """The most active channels."""
    order = np.argsort(-stored.activity, kind="stable")[:MAX_CHANNELS]
    return [
        Channel(
            int(u),
            unit_page(layer, int(u)),
            f"{stored.activity[u]:.3g}",
            range_text(stored.ranges[u]),
            range_text(stored.gradient_ranges[u]),
        )
        for u in order
    ]


def _mosaics(audit: Audit, media: Media, i: int, layer: LayerInfo, stored: LayerActivations) -> Section:
    """Three mosaics of all channels, and the image. The browser sorts them."""
    predicted = audit.classes[int(audit.main.selected["activations"].of_image(i)["activations/class"])]
    values = dequantized(stored.levels, stored.ranges)
    gradients = dequantized(stored.gradient_levels, stored.gradient_ranges)
    low, high = float(stored.ranges.min()), float(stored.ranges.max())
    colours, shares, scale = shared_scale(values, low, high)
    limit = float(np.quantile(np.abs(gradients), CLIP_QUANTILE)) or 1.0
    mosaics = (
        (
            "Activations, one scale",
            colours,
            shares,
            range_text(stored.ranges),
            f"One scale for all channels: which are active, and where. {scale}",
        ),
        (
            f"Gradient of the logit of {predicted}",
            diverging(),
            0.5 + gradients / (2 * limit),
            f"±{limit:.2g}",
            "Orange: a higher activation there raises the logit; blue: it lowers the logit; black: no effect. One "
            f"scale for all channels, clipped at the {100 * CLIP_QUANTILE:.1f} % quantile of the magnitudes.",
        ),
        (
            "Activations, normalized per channel",
            inferno(),
            stored.levels / 255,
            "",
            "From each channel's minimum to its maximum, which shows the patterns of weak channels.",
        ),
    )
    sheet = Sheet.square(*stored.levels.shape)
    figures = []
    for title, colours, shares, value, caption in mosaics:
        picture = media.draw(draw_sheet, shares, colours, sheet)
        alt = f"{len(stored.levels)} channels of {layer.name}: {title.lower()}"
        size = (picture.width, picture.height)
        figures.append(Figure(picture, alt, size, title=title, value=value, caption=caption))
    figures.append(image_figure(audit.main, media, i))
    caption = "Channels in their order, row by row."
    pooled = max(whole / shown for whole, shown in zip(layer.shape[1:], stored.levels.shape[1:], strict=True))
    if pooled > 1:
        caption += f" Each point is the mean of {pooled:.0f} × {pooled:.0f} positions."
    data = _mosaic_data(audit, i, layer, stored, gradients, sheet)
    return Section("All channels", caption, figures, "pair", data=data, id="activations")


def _mosaic_data(
    audit: Audit, i: int, layer: LayerInfo, stored: LayerActivations, gradients: np.ndarray, sheet: Sheet
) -> dict[str, Any]:
    """What the browser needs to sort the mosaics and to show a channel over the image."""
    size = image_size(audit.main, i)
    scale = min(1.0, PREVIEW_SIDE / max(size))
    return {
        "sheet": sheet.to_dict(),
        "noun": "channel",
        "pages": layer_page(layer).removesuffix("index.html"),
        "sorts": ["activity"],
        "fields": {
            "activity": _rounded(stored.activity),
            "minimum": _rounded(stored.ranges[:, 0]),
            "maximum": _rounded(stored.ranges[:, 1]),
            "least gradient": _rounded(gradients.min((1, 2))),
            "largest gradient": _rounded(gradients.max((1, 2))),
        },
        "sheets": 3,
        "preview": {
            "sheet": 2,
            "window": [round(scale * float(v), 1) for v in audit.main.windows[i]],
            "size": [round(scale * side) for side in size],
        },
    }


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{v:.3g}") for v in values]
