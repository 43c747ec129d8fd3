"""Grids of numbers or categories as PNG files that cover a part of the photograph."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from reportgen.draw.colormap import diverging, inferno

MAX_SIDE = 160
"""Longer side of the PNG file in pixels."""
CATEGORY_COLOURS = ("#4e79a7", "#f28e2b", "#76b7b2", "#e15759", "#b07aa1", "#edc948", "#9c755f", "#59a14f")
"""Colours of kinds (Tableau 10 without its pink and grey), distinguishable in most forms of colour blindness."""
OTHER_COLOUR = "#8c8c8c"


def draw_values(grid: np.ndarray, low: float, high: float, placement: GridPlacement) -> bytes:
    """Return a PNG file of a grid `(R, C)` in inferno from `low` to `high`."""
    share = (grid - low) / (high - low) if high > low else np.zeros_like(grid, dtype=np.float64)
    return _draw(inferno()[np.clip(np.round(255 * share), 0, 255).astype(int)], placement)


def draw_signed(grid: np.ndarray, limit: float, placement: GridPlacement) -> bytes:
    """Return a PNG file of a grid `(R, C)`: blue below 0, nearly black at 0, orange above. limit: magnitude of the last
    colours."""
    share = (grid / limit + 1) / 2 if limit > 0 else np.full(grid.shape, 0.5)
    return _draw(diverging()[np.clip(np.round(255 * share), 0, 255).astype(int)], placement)


def draw_categories(grid: np.ndarray, placement: GridPlacement) -> bytes:
    """Return a PNG file of a grid `(R, C)` of categories: 0, 1, … get the `CATEGORY_COLOURS`, further ones are grey."""
    colours = np.array([list(bytes.fromhex(colour[1:])) for colour in (*CATEGORY_COLOURS, OTHER_COLOUR)], np.uint8)
    return _draw(colours[np.minimum(grid, len(CATEGORY_COLOURS))], placement)


class GridPlacement:
    """The placement of a grid on an image."""

    def __init__(
        self, rows: np.ndarray, columns: np.ndarray, input_size: tuple[int, int], window: np.ndarray, size: np.ndarray
    ) -> None:
        """rows, columns: centres of the cells in the network's input of this height and width; window: x0 y0 x1 y1 of
        that input in the image; size: width and height of the image."""
        input_height, input_width = input_size
        scale = MAX_SIDE / max(size)
        self.width, self.height = (max(1, round(float(v) * scale)) for v in size)
        self.y, self.inside_y = _nearest(rows, self.height, input_height, window[1] / size[1], window[3] / size[1])
        self.x, self.inside_x = _nearest(columns, self.width, input_width, window[0] / size[0], window[2] / size[0])


def _nearest(centres: np.ndarray, target: int, extent: int, start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest cell of each of `target` pixels, and which pixels are at most half a cell off the grid."""
    position = ((np.arange(target) + 0.5) / target - start) / (stop - start) * extent
    half = np.diff(centres).max() / 2 if len(centres) > 1 else extent
    nearest = np.abs(position[:, None] - centres).argmin(1)
    return nearest, (position >= centres[0] - half) & (position <= centres[-1] + half)


def _draw(colours: np.ndarray, placement: GridPlacement) -> bytes:
    pixels = np.zeros((placement.height, placement.width, 4), np.uint8)
    pixels[..., :3] = colours[placement.y[:, None], placement.x[None]]
    pixels[..., 3] = 255 * (placement.inside_y[:, None] & placement.inside_x[None])
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").quantize(64, Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
