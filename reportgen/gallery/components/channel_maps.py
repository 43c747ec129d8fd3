"""Maps of all channels of a layer: stored values back to numbers, and colours on one scale for all."""

from __future__ import annotations

import numpy as np

from reportgen.draw.colormap import diverging, inferno
from reportgen.metrics.formatting import minus_signs

SIGNED_SHARE = 0.1
"""A layer whose minimum is below minus this share of its maximum is drawn on a signed colour scale."""


def dequantized(levels: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """`(C, h, w)` values from uint8 levels, which are shares of each channel's range `(C, 2)` in 255ths."""
    low, high = ranges[:, 0, None, None], ranges[:, 1, None, None]
    return np.asarray(low + levels / 255 * (high - low))


def shared_scale(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray, str]:
    """Colours `(256, 3)`, shares of that scale for values between `low` and `high`, and a sentence about it.

    A layer without an activation function has about as much below zero as above: it gets the signed scale. The small
    negative values of a swish do not make a layer signed.
    """
    if low < -SIGNED_SHARE * high:
        limit = max(-low, high)
        return diverging(), 0.5 + values / (2 * limit), "Orange: positive; blue: negative; black: zero."
    return inferno(), (values - low) / (high - low or 1), "From black, the minimum, to pale yellow, the maximum."


def range_text(ranges: np.ndarray) -> str:
    """`−0.278 to 6.15`: minimum and maximum of ranges; `not finite`."""
    if not np.isfinite(ranges).all():
        return "not finite"
    return minus_signs(f"{ranges.min():.3g} to {ranges.max():.3g}")
