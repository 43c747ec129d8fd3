"""Many small pictures in one grid."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image


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
