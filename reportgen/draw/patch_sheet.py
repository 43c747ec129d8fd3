"""Crops of photographs side by side in one file: the top patches of a layer's units."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from reportgen.draw.tiles import BACKGROUND

QUALITY = 78
Crop = tuple[int, float, float, float, float]
"""Index of the photograph, then left, top, width and height as shares of its width and height."""


def draw_patch_sheet(photographs: Sequence[bytes], crops: Sequence[Crop | None], side: int, across: int) -> bytes:
    """Return a JPEG file with a tile of `side` pixels for each crop, `across` in a row; None leaves a tile empty.

    photographs: JPEG files. What a crop has outside of its photograph is background.
    """
    sheet = Image.new("RGB", (across * side, -(-len(crops) // across) * side), BACKGROUND)
    for number, photograph in enumerate(photographs):
        with Image.open(io.BytesIO(photograph)) as file:
            picture = file.convert("RGB")
        for place, crop in enumerate(crops):
            if crop is not None and crop[0] == number:
                _paste(sheet, picture, crop, side, (place % across * side, place // across * side))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def _paste(sheet: Image.Image, picture: Image.Image, crop: Crop, side: int, corner: tuple[int, int]) -> None:
    """Paste the part of the crop that is inside the photograph at its place in the tile."""
    _, x, y, width, height = crop
    inside = [(max(0.0, x), min(1.0, x + width)), (max(0.0, y), min(1.0, y + height))]
    sizes = [
        max(1, round(side * (high - low) / share)) for (low, high), share in zip(inside, (width, height), strict=True)
    ]
    offsets = [
        round(side * (low - start) / share)
        for (low, _), start, share in zip(inside, (x, y), (width, height), strict=True)
    ]
    (left, right), (top, bottom) = inside
    box = (left * picture.width, top * picture.height, right * picture.width, bottom * picture.height)
    tile = picture.resize((sizes[0], sizes[1]), Image.Resampling.LANCZOS, box, reducing_gap=2.0)
    sheet.paste(tile, (corner[0] + offsets[0], corner[1] + offsets[1]))
