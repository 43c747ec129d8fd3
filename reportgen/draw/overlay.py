"""Activation maps as transparent PNG files of 1 to 3 KB, which the pages lay over the photograph."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from reportgen.draw.colormap import diverging, inferno
from reportgen.draw.png import palette_png

OVERLAY_SIDE = 64
"""Longer side of an overlay in pixels; the browser enlarges it smoothly to the photograph's size. A CAM has only 7 × 7
or 14 × 14 values."""
CARD_OVERLAY_SIDE = 40
"""The same for cards, whose pictures are small."""
STRIP_MARGIN = 2
"""Rows that are repeated above and below each map of a strip, because the browser's smoothing mixes adjacent rows."""
OPACITY = 0.62
"""Opacity of the highest value; lower values are more transparent, and 0 completely."""
OPACITY_RAMP = 1.5
"""The opacity increases so many times as fast as the value, up to `OPACITY`."""


def palette() -> tuple[bytes, bytes]:
    """Return the colours and opacities of the 256 steps of the scale."""
    step = np.linspace(0, 1, 256)
    alpha = np.round(255 * OPACITY * np.minimum(1, step * OPACITY_RAMP)).astype(np.uint8)
    return inferno().tobytes(), alpha.tobytes()


PALETTE, ALPHA = palette()

SIGNED_ALPHA = np.round(255 * OPACITY * np.minimum(1, OPACITY_RAMP * np.abs(np.linspace(-1, 1, 256)))).astype(np.uint8)
"""Opacities of the 256 steps of a signed scale: 0 in its middle is transparent."""


def overlay_size(size: tuple[int, int], side: int = OVERLAY_SIDE) -> tuple[int, int]:
    """Return width and height of the overlay of an image with this width and height; side: the longer of the two."""
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def draw_overlay(
    map_: np.ndarray, vmax: float, size: tuple[int, int], window: Sequence[float], side: int = OVERLAY_SIDE
) -> bytes:
    """Return a PNG file of a map `(h, w)` over a whole image.

    vmax: the value of the last colour; values ≤ 0 are transparent. size: width and height of the image.
    window: x0 y0 x1 y1 of the network's input in the image; the outside is transparent. side: longer side of the file.
    """
    width, height = overlay_size(size, side)
    columns = _axis(map_.shape[1], width, window[0] / size[0], window[2] / size[0])
    rows = _axis(map_.shape[0], height, window[1] / size[1], window[3] / size[1])
    return palette_png(_steps(map_, vmax, rows, columns), PALETTE, ALPHA)


def draw_difference(map_: np.ndarray, limit: float, size: tuple[int, int], window: Sequence[float]) -> bytes:
    """Return a PNG file of a signed map `(h, w)` over a whole image: blue below 0, orange above, 0 transparent.

    limit: the magnitude of the last colours. size, window: see `draw_overlay`.
    """
    width, height = overlay_size(size)
    columns = _axis(map_.shape[1], width, window[0] / size[0], window[2] / size[0])
    rows = _axis(map_.shape[0], height, window[1] / size[1], window[3] / size[1])
    values = rows @ map_ @ columns.T  # 0 outside of the window
    step = np.rint(127.5 + 127.5 * np.clip(values / limit if limit > 0 else 0 * values, -1, 1))
    return palette_png(step.astype(np.uint8), diverging().tobytes(), SIGNED_ALPHA.tobytes())


def draw_strip(maps: np.ndarray, vmax: float, size: tuple[int, int], window: Sequence[float]) -> bytes:
    """Return a PNG file of maps `(n, h, w)` over the same image, one below the other: a page that shows all of them
    loads one file faster than n. Arguments as in `draw_overlay`; `strip_rectangle` returns the position of a map."""
    width, height = overlay_size(size)
    columns = _axis(maps.shape[2], width, window[0] / size[0], window[2] / size[0])
    rows = _axis(maps.shape[1], height, window[1] / size[1], window[3] / size[1])
    rows = rows[np.clip(np.arange(-STRIP_MARGIN, height + STRIP_MARGIN), 0, height - 1)]
    return palette_png(_steps(maps, vmax, rows, columns).reshape(-1, width), PALETTE, ALPHA)


def strip_rectangle(k: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return x, y, width and height of map k in the strip of an image of this size."""
    width, height = overlay_size(size)
    return 0, k * (height + 2 * STRIP_MARGIN) + STRIP_MARGIN, width, height


@lru_cache(64)  # all maps of an image use the same weights
def _axis(source: int, target: int, start: float, stop: float) -> np.ndarray:
    """Return bilinear weights `(target, source)` for a source that covers [start, stop] of the target; 0 outside."""
    centre = ((np.arange(target) + 0.5) / target - start) / (stop - start)
    position = np.clip(centre * source - 0.5, 0, source - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(source)))
    return np.asarray(weights * ((centre >= 0) & (centre <= 1))[:, None])


def _steps(map_: np.ndarray, vmax: float, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the enlarged map in uint8 steps of the palette; `vmax` gets the last one.

    Negative values are clipped after the interpolation, as in the browser and for boxes: a map has one shape.
    """
    scaled = map_ * (255 / vmax if vmax > 0 else 0)
    return np.asarray(np.clip(np.rint(rows @ scaled @ columns.T), 0, 255).astype(np.uint8))


def draw_map(map_: np.ndarray, vmax: float) -> bytes:
    """Return an opaque PNG file of a map `(h, w)`: black for values ≤ 0, the last colour for `vmax`."""
    height, width = map_.shape
    size = overlay_size((width, height))
    return palette_png(_steps(map_, vmax, _axis(height, size[1], 0, 1), _axis(width, size[0], 0, 1)), PALETTE)
