"""A map as a transparent picture that lies over the photograph: that is stored once, each map in 1 to 3 KB."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from reportgen.draw.colormap import inferno
from reportgen.draw.png import palette_png

SIDE = 64
"""Longer side of an overlay in pixels; the browser smooths it to the photograph's size. A CAM has 7 × 7 numbers, some
networks' maps 14 × 14."""
MARGIN = 2
"""Rows repeated above and below each map of a strip: the browser's smoothing must not mix it with its neighbours."""
OPACITY = 0.62
"""Of the highest value; lower values let more of the photograph through, 0 all of it."""


def palette() -> tuple[bytes, bytes]:
    """Colours and opacities of the 256 steps from zero to the scale's end."""
    step = np.linspace(0, 1, 256)
    alpha = np.round(255 * OPACITY * np.minimum(1, step * 1.5)).astype(np.uint8)
    return inferno().tobytes(), alpha.tobytes()


PALETTE, ALPHA = palette()


def overlay_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the overlay of an image of this size."""
    scale = SIDE / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def draw_overlay(map_: np.ndarray, top: float, size: tuple[int, int], window: Sequence[float]) -> bytes:
    """PNG of a map `(h, w)` over a whole image of `size`; what lies outside `window` was not seen and stays clear.

    top: the value that gets the last colour; zero and less are transparent.
    """
    width, height = overlay_size(size)
    columns = _axis(map_.shape[1], width, window[0] / size[0], window[2] / size[0])
    rows = _axis(map_.shape[0], height, window[1] / size[1], window[3] / size[1])
    return palette_png(_steps(map_, top, rows, columns), PALETTE, ALPHA)


def draw_strip(maps: np.ndarray, top: float, size: tuple[int, int], window: Sequence[float]) -> bytes:
    """PNG of maps `(n, h, w)` over the same image, each as `draw_overlay` draws it, one below the other: for a page
    that shows all of them one file is fetched sooner than n. `part_of_strip` says where each is."""
    width, height = overlay_size(size)
    columns = _axis(maps.shape[2], width, window[0] / size[0], window[2] / size[0])
    rows = _axis(maps.shape[1], height, window[1] / size[1], window[3] / size[1])
    rows = rows[np.clip(np.arange(-MARGIN, height + MARGIN), 0, height - 1)]
    return palette_png(_steps(maps, top, rows, columns).reshape(-1, width), PALETTE, ALPHA)


def part_of_strip(k: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where map k is in a strip over an image of `size`: x, y, width and height in its pixels."""
    width, height = overlay_size(size)
    return 0, k * (height + 2 * MARGIN) + MARGIN, width, height


@lru_cache(64)  # the maps of an image have the same
def _axis(source: int, target: int, start: float, stop: float) -> np.ndarray:
    """Bilinear weights `(target, source)` of a source over [start, stop] of the target; zeros for what lies outside."""
    centre = ((np.arange(target) + 0.5) / target - start) / (stop - start)
    position = np.clip(centre * source - 0.5, 0, source - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(source)))
    return weights * ((centre >= 0) & (centre <= 1))[:, None]


def _steps(map_: np.ndarray, top: float, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The enlarged map in uint8 steps of the palette, `top` getting the last."""
    scaled = np.maximum(map_, 0) * (255 / top if top > 0 else 0)
    return np.minimum(np.rint(rows @ scaled @ columns.T), 255).astype(np.uint8)


def draw_map(map_: np.ndarray, top: float) -> bytes:
    """PNG of a map `(h, w)` by itself, from black at zero and below to the last colour at `top`."""
    height, width = map_.shape
    size = overlay_size((width, height))
    return palette_png(_steps(map_, top, _axis(height, size[1], 0, 1), _axis(width, size[0], 0, 1)), PALETTE)
