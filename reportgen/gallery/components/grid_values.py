"""The numbers behind pictures of grids, so that the browser can show the value under the pointer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

DECADE = 63.5
"""Steps of `magnitudes` for a factor of ten: 254 of them span four decades."""


def cells(rows: np.ndarray, columns: np.ndarray, input_size: int, layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The cells' centres as shares of the network's input. rows, columns: in its pixels; layers: what `numbers`,
    `kinds` or `magnitudes` gives, one for each picture."""
    y, x = ((axis / input_size).round(5).tolist() for axis in (rows, columns))
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
