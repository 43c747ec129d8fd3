"""Conversion of photographs to WebP."""

from __future__ import annotations

import io

from PIL import Image

QUALITY = 80
"""WebP quality that corresponds to about 82 for JPEG."""


def as_webp(picture: bytes) -> bytes:
    """Convert an RGB image file to WebP."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()
