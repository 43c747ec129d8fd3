"""The top patch of every unit of a layer, in one picture file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.draw.patch_sheet import Crop, draw_patch_sheet
from reportgen.gallery.components.image_figures import image_size
from reportgen.gallery.components.patch import crop_around
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.metrics.localization.boxes import to_image

TILES_ACROSS = 16
MAX_LARGE_TILES = 512
"""Units up to which tiles have 72 pixels; of more units 48, so that the file stays below about 2 MB."""


@dataclass(frozen=True)
class UnitSheet:
    """A picture with a tile for each unit, in their order. side: of a tile in pixels; across: tiles in a row."""

    picture: MediaFile
    side: int
    across: int


def unit_sheet(audit: Audit, media: Media, layer: LayerInfo) -> UnitSheet | None:
    """The tiles of a layer: each the first top patch of a unit, empty for a dead one; None without units."""
    model, units = audit.main, audit.main.units[layer.name]
    if not units:
        return None
    images = np.unique([int(unit.images[0]) for unit in units if len(unit.images) and not unit.is_dead]).tolist()
    crops: list[Crop | None] = []
    for unit in units:
        if unit.is_dead or not len(unit.images):
            crops.append(None)
            continue
        i = int(unit.images[0])
        width, height = image_size(model, i)
        box = to_image(layer.box(int(unit.where[0])), model.windows[i], model.info.input_size, model.sizes[i])
        x, y, w, h = crop_around(box, width, height)
        crops.append((images.index(i), x / width, y / height, w / width, h / height))
    side = 72 if len(units) <= MAX_LARGE_TILES else 48
    across = min(TILES_ACROSS, len(units))
    picture = media.draw(draw_patch_sheet, [model.jpeg(i) for i in images], crops, side, across)
    return UnitSheet(picture, side, across)
