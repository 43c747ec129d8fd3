"""The numbers behind pictures of grids, so that the browser can show the value under the pointer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

DECADE = 63.5
"""Steps of `magnitudes` for a factor of ten: 254 of them span four decades."""


def cell_centres(grid: np.ndarray, input_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cells' centres of a grid `(R, C)` that covers the network's input, in its pixels.

    input_size: its height and width.
    """
    rows, columns = ((np.arange(n) + 0.5) * side / n for n, side in zip(grid.shape, input_size, strict=True))
    return rows, columns


def cells(
    rows: np.ndarray, columns: np.ndarray, input_size: tuple[int, int], layers: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The cells' centres as shares of the network's input, of this height and width. rows, columns: in its pixels;
    layers: what `numbers`, `categories` or `magnitudes` gives, one for each picture."""
    y, x = ((axis / side).round(5).tolist() for axis, side in zip((rows, columns), input_size, strict=True))
    return {"x": x, "y": y, "layers": list(layers)}


def numbers(grid: np.ndarray) -> dict[str, Any]:
    """A grid to three digits."""
    return {"values": [float(f"{value:.3g}") for value in grid.ravel()]}


def categories(grid: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """A grid of indices into names."""
    return {"values": grid.ravel().tolist(), "names": list(names)}


def magnitudes(grid: np.ndarray) -> dict[str, Any]:
    """A large grid ≥ 0 in a byte each: to 2 %, and 0 where it is less than a ten thousandth of its maximum."""
    top = float(grid.max())
    with np.errstate(divide="ignore", invalid="ignore"):
        code = np.nan_to_num(255 + DECADE * np.log10(grid / top), nan=0, neginf=0)
    packed = np.clip(np.round(code), 0, 255).astype(np.uint8).tobytes()
    return {"codes": base64.b64encode(packed).decode(), "top": float(f"{top:.4g}"), "decade": DECADE}
