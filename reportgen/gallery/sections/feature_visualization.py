"""Of a unit that was asked for: the input that optimisation finds for it, and the guided gradient of its top patches
(as in Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015)."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from reportgen.audit.audit import Audit, Preferred
from reportgen.audit.model_info import LayerCard
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.core.media import Album, Media
from reportgen.gallery.core.urls import image_page
from reportgen.metrics.localization.boxes import to_image

SIDE = 224
"""Least side of a picture: small fields are shown pixel by pixel."""


def sections(audit: Audit, album: Album, layer: LayerCard, u: int) -> Sequence[Section]:
    """What a unit's page shows beside its top patches; nothing for a unit that was not asked for."""
    found = audit.preferred.get((layer.name, u))
    return () if found is None else (_input(audit, album, layer, u, found), _guided(audit, album, layer, u, found))


def _input(audit: Audit, album: Album, layer: LayerCard, u: int, found: Preferred) -> Section:
    unit = audit.units[layer.name][u]
    figures = [
        _figure(
            _cut(album, found.picture, layer.box(found.where)),
            f"input found for unit {u} of {layer.name}", "Found by optimisation", f"{found.reached:.3g}",
        )
    ]  # fmt: skip
    caption = (
        "The first picture is no photograph: from grey noise the network's input was changed, step by step, so that "
        "the unit grows, in the frequencies and colours of photographs and under small random turns, scalings and "
        "shifts (Olah et al., Distill 2017). The number is the unit's largest value there."
    )
    if len(unit.values):
        i = int(unit.images[0])
        box = to_image(layer.box(int(unit.where[0])), audit.windows[i], audit.card.input_size, audit.sizes[i])
        with Image.open(io.BytesIO(audit.picture(i))) as picture:
            scale = np.tile(np.array(picture.size) / audit.sizes[i], 2)
            photo = np.asarray(picture.convert("RGB"))
        figures.append(
            _figure(
                _cut(album, photo, box * scale), f"strongest patch of unit {u}", "Best photograph",
                f"{unit.values[0]:.3g}", image_page(audit, i),
            )
        )  # fmt: skip
        caption += (
            " Far above the best photograph's: nothing in the data set is quite what the unit answers to. Below it: "
            "the optimisation stopped short."
        )
    return Section("preferred", "What it prefers", caption, figures, "pair")


def _guided(audit: Audit, album: Album, layer: LayerCard, u: int, found: Preferred) -> Section:
    unit = audit.units[layer.name][u]
    figures = [
        _figure(
            _cut(album, gradient, layer.box(int(where))),
            f"guided gradient in {audit.samples[int(i)].name}",
            audit.samples[int(i)].name.rsplit("/", 1)[-1], f"{value:.3g}", image_page(audit, int(i)),
        )
        for i, where, value, gradient in zip(unit.images, unit.where, unit.values, found.gradients, strict=True)
    ]  # fmt: skip
    caption = (
        "Guided backpropagation (Springenberg et al. 2015) of the unit's value in each of its top patches, on the "
        "receptive field, each on a scale of its own; grey is zero. It mostly restores the edges of the photograph "
        "and hardly depends on what the network has learned (Adebayo et al., NeurIPS 2018): it shows where to look, "
        "and is no evidence of what the unit detects."
    )
    return Section("guided_patches", "Guided gradient of its top patches", caption, figures, "cards")


def _figure(picture: Media, alt: str, title: str, value: str, href: str = "") -> Figure:
    return Figure(picture, alt, (picture.width, picture.height), title=title, value=value, href=href)


def _cut(album: Album, pixels: np.ndarray, box: np.ndarray) -> Media:
    """The part x0 y0 x1 y1 of a picture `(H, W, 3)` uint8, enlarged to a modest size."""
    x0, y0 = np.floor(box[:2]).astype(int)
    x1, y1 = np.maximum(np.ceil(box[2:]).astype(int), (x0 + 1, y0 + 1))
    part = Image.fromarray(np.ascontiguousarray(pixels[y0:y1, x0:x1]))
    scale = SIDE / max(part.size)
    size = (max(1, round(part.width * scale)), max(1, round(part.height * scale)))
    buffer = io.BytesIO()
    part.resize(size, Image.Resampling.NEAREST if scale > 4 else Image.Resampling.BICUBIC).save(
        buffer, "JPEG", quality=85
    )
    return album.add(buffer.getvalue())


VIEW = View(
    name="preferred",
    label="Preferred input",
    scope="unit",
    order=50,
    about="Of the units asked for with `synthesize`: the input found by optimisation, and guided gradients.",
    needs=("preferred/picture", "guided/picture"),
)
