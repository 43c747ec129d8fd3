"""Checks of annotated boxes, shared by all readers."""

from __future__ import annotations

import math

import numpy as np

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1, half-open, in pixels of the image."""
MAX_COORDINATE = 2.0**24
"""Pixels. float32 represents all integers up to here, and no image that can be decoded is larger."""


class AnnotationError(Exception):
    """The reason why an annotation, or the box in it, is left out."""


def checked_box(x0: float, y0: float, x1: float, y1: float) -> Box:
    """Return a box rounded to float32 and clipped at the image's left and top. Errors: AnnotationError."""
    shown = f"box {x0:g} {y0:g} {x1:g} {y1:g}"
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        raise AnnotationError(f"{shown} is not finite")
    if max(map(abs, (x0, y0, x1, y1))) > MAX_COORDINATE:
        raise AnnotationError(f"{shown} is larger than any image")
    x0, y0, x1, y1 = np.array([x0, y0, x1, y1], np.float32).tolist()
    if x1 < x0 or y1 < y0:
        raise AnnotationError(f"{shown} is reversed: the order is left, top, right, bottom")
    if x1 == x0 or y1 == y0:
        raise AnnotationError(f"{shown} has no area")
    if x1 <= 0 or y1 <= 0:
        raise AnnotationError(f"{shown} lies outside of the image")
    return max(x0, 0.0), max(y0, 0.0), x1, y1
