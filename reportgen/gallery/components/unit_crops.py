"""Parts of pictures in a unit's receptive field, enlarged."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from reportgen.gallery.components.figure import Figure
from reportgen.gallery.core.media import Media, MediaFile

SIDE = 224
"""Longer side of a crop in pixels of the page: small receptive fields are enlarged."""
PIXELATED_FROM = 4
"""Enlargement from which single pixels are shown as squares."""


def crop(media: Media, pixels: np.ndarray, box: np.ndarray) -> MediaFile:
    """The part x0 y0 x1 y1 of a picture `(H, W, 3)` uint8, enlarged."""
    x0, y0 = np.floor(box[:2]).astype(int)
    x1, y1 = np.maximum(np.ceil(box[2:]).astype(int), (x0 + 1, y0 + 1))
    part = Image.fromarray(np.ascontiguousarray(pixels[y0:y1, x0:x1]))
    scale = SIDE / max(part.size)
    size = (max(1, round(part.width * scale)), max(1, round(part.height * scale)))
    resampling = Image.Resampling.NEAREST if scale > PIXELATED_FROM else Image.Resampling.BICUBIC
    buffer = io.BytesIO()
    part.resize(size, resampling).save(buffer, "JPEG", quality=85)
    return media.add(buffer.getvalue())


def crop_figure(picture: MediaFile, alt: str, title: str, value: str, href: str = "") -> Figure:
    """A crop as a figure."""
    return Figure(picture, alt, (picture.width, picture.height), title=title, value=value, href=href)
