"""Many small pictures in one grid."""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

LEVELS = 32
"""Colours of a sheet of maps: more would double the file, and hardly show."""


@dataclass(frozen=True)
class Sheet:
    """Where the tiles of a mosaic lie: row by row, `columns` in a row, `width` × `height` pixels each, `gap` apart."""

    columns: int
    width: int
    height: int
    gap: int
    count: int

    @classmethod
    def square(cls, count: int, height: int, width: int, gap: int = 1) -> Sheet:
        """About as high as wide."""
        return cls(math.ceil(math.sqrt(count)), width, height, gap, count)

    def numbers(self) -> dict[str, int]:
        """For the browser."""
        return asdict(self)


def draw_sheet(shares: np.ndarray, colours: np.ndarray, sheet: Sheet) -> bytes:
    """PNG of maps `(n, h, w)`, each value a share in [0, 1] of a colour scale `(256, 3)`; clear gaps."""
    rows = math.ceil(sheet.count / sheet.columns)
    high, wide = sheet.height + sheet.gap, sheet.width + sheet.gap
    canvas = np.full((rows * sheet.columns, high, wide), LEVELS, np.uint8)
    canvas[: sheet.count, : sheet.height, : sheet.width] = np.round((LEVELS - 1) * np.clip(shares, 0, 1))
    pixels = canvas.reshape(rows, sheet.columns, high, wide).swapaxes(1, 2).reshape(rows * high, sheet.columns * wide)
    picture = Image.fromarray(pixels[: -sheet.gap, : -sheet.gap], "P")
    picture.putpalette(colours[np.linspace(0, 255, LEVELS).round().astype(int)].tobytes() + bytes(3))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=LEVELS)
    return buffer.getvalue()


def own_scale(filters: np.ndarray) -> np.ndarray:
    """Each filter `(out, in, kh, kw)` stretched to its own [0, 1], so that the structure of weak ones shows."""
    low = filters.min((1, 2, 3), keepdims=True)
    high = filters.max((1, 2, 3), keepdims=True)
    return (filters - low) / np.where(high > low, high - low, 1)


def shared_scale(filters: np.ndarray) -> np.ndarray:
    """All filters on one scale: zero is mid-grey, the largest magnitude of any weight is 0 or 1."""
    limit = np.abs(filters).max()
    return 0.5 + filters / (2 * limit) if limit > 0 else np.full_like(filters, 0.5)


def mosaic(tiles: np.ndarray, zoom: int, columns: int, gap: int = 2) -> bytes:
    """PNG of `(n, 3 or 1, h, w)` tiles in [0, 1], row by row, a value a square of `zoom` pixels, clear gaps."""
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
