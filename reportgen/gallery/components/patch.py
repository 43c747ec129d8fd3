"""A top patch of a unit: the part of a photograph around the unit's receptive field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.chart import rectangle
from reportgen.gallery.components.image_figures import image_size, photograph
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.gallery.core.urls import image_page
from reportgen.metrics.localization.boxes import to_image

MARGIN = 1.5
"""Side of the crop relative to the receptive field's."""
MIN_SIDE = 48
"""Least side of the crop in pixels of the image: receptive fields of first layers are only a few pixels wide."""

Rectangle = tuple[float, float, float, float]
"""x, y, width, height in pixels of the image."""


@dataclass(frozen=True)
class Patch:
    """A top patch. size: width and height of the image; crop: the part that is shown, as a view box.

    receptive_field: as a path; value: of the unit, and text: where it is written: x, y, size, width of its outline.
    title: the image's label, or its file name; is_unconfirmed: the value differs when the image is run through the
    network alone.
    """

    picture: MediaFile
    size: tuple[int, int]
    crop: str
    receptive_field: str
    value: str
    text: tuple[float, float, float, float]
    title: str
    href: str
    is_unconfirmed: bool


def unit_patch(audit: Audit, media: Media, layer: LayerInfo, u: int, j: int) -> Patch:
    """The j-th top patch of a unit."""
    model, unit = audit.main, audit.main.units[layer.name][u]
    i = int(unit.images[j])
    size = image_size(model, i)
    box = to_image(layer.box(int(unit.where[j])), model.windows[i], model.info.input_size, model.sizes[i])
    x, y, width, height = crop_around(box, *size)
    sample = audit.samples[i]
    return Patch(
        picture=photograph(model, media, i),
        size=size,
        crop=f"{x} {y} {width} {height}",
        receptive_field=_path(box),
        value=f"{unit.values[j]:.3g}",
        text=(round(x + 0.04 * width, 1), round(y + 0.95 * height, 1), round(height / 9, 1), round(height / 60, 2)),
        title=audit.classes[sample.label] if sample.label is not None else sample.name.rsplit("/", 1)[-1],
        href=image_page(audit, i),
        is_unconfirmed=(layer.name, u, i) in model.unconfirmed_patches,
    )


def crop_around(box: np.ndarray, width: int, height: int) -> Rectangle:
    """A square around a box x0 y0 x1 y1, inside the image where it fits."""
    side = min(max(MARGIN * float((box[2:] - box[:2]).max()), MIN_SIDE), max(width, height))
    x, y = (box[:2] + box[2:]) / 2 - side / 2
    x, y = (
        (extent - side) / 2 if side > extent else min(max(v, 0.0), extent - side)
        for v, extent in ((x, width), (y, height))
    )
    return round(float(x), 1), round(float(y), 1), round(side, 1), round(side, 1)


def _path(box: np.ndarray) -> str:
    x0, y0, x1, y1 = box.tolist()
    return rectangle(round(x0, 1), round(y0, 1), round(x1 - x0, 1), round(y1 - y0, 1))


def receptive_field_text(layer: LayerInfo) -> str:
    """`67`, `67 × 99`, `whole image`; with an effective field `21 of 67`: pixels of the network's input."""
    if layer.effective_field is None:
        return side_text(layer.receptive_field)
    (top, bottom), (left, right) = layer.effective_field
    of = "the whole image" if layer.sees_whole_image else side_text(layer.receptive_field)
    return f"{side_text((bottom - top, right - left))} of {of}"


def side_text(pair: tuple[float, float] | None) -> str:
    """Height and width: `11` if they are equal, else `11 × 7`; `whole image` for None."""
    if pair is None:
        return "whole image"
    return f"{pair[0]:g}" if pair[0] == pair[1] else f"{pair[0]:g} × {pair[1]:g}"
