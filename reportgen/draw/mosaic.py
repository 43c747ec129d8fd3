"""Mosaics: many small images in one file."""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

N_COLOURS = 32
"""Number of colours in a sheet of maps; more would double the file size, with hardly any visible difference."""


@dataclass(frozen=True)
class Sheet:
    """The layout of `count` tiles of `width` × `height` pixels: rows of `columns` tiles, separated by `gap` pixels."""

    columns: int
    width: int
    height: int
    gap: int
    count: int

    @classmethod
    def square(cls, count: int, height: int, width: int, gap: int = 1) -> Sheet:
        """Return a layout with about as many rows as columns."""
        return cls(math.ceil(math.sqrt(count)), width, height, gap, count)

    def to_dict(self) -> dict[str, int]:
        """Return the fields by name, for the browser."""
        return asdict(self)


def draw_sheet(shares: np.ndarray, colours: np.ndarray, sheet: Sheet) -> bytes:
    """Return a PNG file of maps `(n, h, w)` with transparent gaps. shares: in [0, 1] of the colour map `(256, 3)`."""
    rows = math.ceil(sheet.count / sheet.columns)
    high, wide = sheet.height + sheet.gap, sheet.width + sheet.gap
    canvas = np.full((rows * sheet.columns, high, wide), N_COLOURS, np.uint8)
    canvas[: sheet.count, : sheet.height, : sheet.width] = np.round((N_COLOURS - 1) * np.clip(shares, 0, 1))
    pixels = canvas.reshape(rows, sheet.columns, high, wide).swapaxes(1, 2).reshape(rows * high, sheet.columns * wide)
    picture = Image.fromarray(pixels[: -sheet.gap, : -sheet.gap], "P")
    picture.putpalette(colours[np.linspace(0, 255, N_COLOURS).round().astype(int)].tobytes() + bytes(3))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=N_COLOURS)
    return buffer.getvalue()


def normalize_each(filters: np.ndarray) -> np.ndarray:
    """Scale each filter `(out, in, kh, kw)` to [0, 1] separately, so that the structure of weak ones is visible."""
    low = filters.min((1, 2, 3), keepdims=True)
    high = filters.max((1, 2, 3), keepdims=True)
    return np.asarray((filters - low) / np.where(high > low, high - low, 1))


def normalize_together(filters: np.ndarray) -> np.ndarray:
    """Scale all filters together: zero becomes 0.5, the largest magnitude of any weight 0 or 1."""
    limit = np.abs(filters).max()
    return 0.5 + filters / (2 * limit) if limit > 0 else np.full_like(filters, 0.5)


def mosaic(tiles: np.ndarray, zoom: int, columns: int, gap: int = 2) -> bytes:
    """Return a PNG file of tiles `(n, 3 or 1, h, w)` in [0, 1], row by row, with transparent gaps.

    zoom: each value becomes a square of so many pixels.
    """
    n, _, h, w = tiles.shape
    rows = math.ceil(n / columns)
    height, width = h * zoom + gap, w * zoom + gap
    canvas = np.zeros((rows * height - gap, columns * width - gap, 4), np.uint8)
    pixels = np.round(255 * np.clip(tiles, 0, 1)).astype(np.uint8).repeat(zoom, 2).repeat(zoom, 3)
    pixels = np.broadcast_to(pixels.transpose(0, 2, 3, 1), (n, h * zoom, w * zoom, 3))
    for i in range(n):
        y, x = i // columns * height, i % columns * width
        canvas[y : y + h * zoom, x : x + w * zoom, :3] = pixels[i]
        canvas[y : y + h * zoom, x : x + w * zoom, 3] = 255
    buffer = io.BytesIO()
    Image.fromarray(canvas, "RGBA").save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
