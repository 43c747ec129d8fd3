"""A grid of numbers or kinds as an opaque picture that lies over the part of the photograph that it is about."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from reportgen.draw.colormap import inferno

SIDE = 160
"""Longer side of the picture in pixels."""
KINDS = ("#4e79a7", "#f28e2b", "#76b7b2", "#e15759", "#b07aa1", "#edc948", "#9c755f", "#59a14f")
"""Colours of kinds (Tableau 10 without its pink and grey), told apart in most forms of colour blindness."""
REST = "#8c8c8c"


def draw_values(grid: np.ndarray, low: float, high: float, place: Place) -> bytes:
    """PNG of a grid `(R, C)` in inferno from `low` to `high`."""
    share = (grid - low) / (high - low) if high > low else np.zeros_like(grid, dtype=np.float64)
    return _draw(inferno()[np.clip(np.round(255 * share), 0, 255).astype(int)], place)


def draw_kinds(grid: np.ndarray, place: Place) -> bytes:
    """PNG of a grid `(R, C)` of kinds: 0, 1, … get the colours of `KINDS`, what is beyond them grey."""
    colours = np.array([list(bytes.fromhex(colour[1:])) for colour in (*KINDS, REST)], np.uint8)
    return _draw(colours[np.minimum(grid, len(KINDS))], place)


class Place:
    """Where a grid lies on an image.

    rows, columns: centres of its cells in the network's input of side `input_size`; window: x0 y0 x1 y1 of that input
    in the image; size: width and height of the image.
    """

    def __init__(
        self, rows: np.ndarray, columns: np.ndarray, input_size: int, window: np.ndarray, size: np.ndarray
    ) -> None:
        scale = SIDE / max(size)
        self.width, self.height = (max(1, round(float(v) * scale)) for v in size)
        self.y, self.seen_y = _nearest(rows, self.height, input_size, window[1] / size[1], window[3] / size[1])
        self.x, self.seen_x = _nearest(columns, self.width, input_size, window[0] / size[0], window[2] / size[0])


def _nearest(
    centres: np.ndarray, target: int, input_size: int, start: float, stop: float
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest cell of each of `target` pixels, and which of them lie on the grid, half a cell around it."""
    position = ((np.arange(target) + 0.5) / target - start) / (stop - start) * input_size
    half = np.diff(centres).max() / 2 if len(centres) > 1 else input_size
    nearest = np.abs(position[:, None] - centres).argmin(1)
    return nearest, (position >= centres[0] - half) & (position <= centres[-1] + half)


def _draw(colours: np.ndarray, place: Place) -> bytes:
    pixels = np.zeros((place.height, place.width, 4), np.uint8)
    pixels[..., :3] = colours[place.y[:, None], place.x[None]]
    pixels[..., 3] = 255 * (place.seen_y[:, None] & place.seen_x[None])
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").quantize(64, Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
