"""Photographs in another file format."""

from __future__ import annotations

import io

from PIL import Image

QUALITY = 80
"""Of WebP: about what 82 is for JPEG."""


def as_webp(picture: bytes) -> bytes:
    """An RGB picture file as WebP."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()
