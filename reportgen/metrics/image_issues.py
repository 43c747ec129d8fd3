"""Images that are dark, bright, blurred, nearly uniform, or of an odd size or shape: limits on their properties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.data.image_properties import PROPERTIES

DARK, BRIGHT = 0.32, 0.95
"""Dark: 99 % of the pixels have a lower luma than this. Bright: 95 % of them have a higher one. As in CleanVision."""
BLURRED = 0.008
"""Sharpness ÷ variance of the luma of a blurred image. Photographs have 0.02 and more at 224 × 224 pixels; a Gaussian
blur with a standard deviation of a hundredth of the side leaves 0.004."""
UNIFORM = 0.02
"""Contrast of a nearly uniform image: five of 255 grey levels."""
LOW_ENTROPY = 3.0
"""Bits of an image with little information, such as a drawing in a few flat tones."""
SIZE_RATIO, ASPECT_RATIO = 5.0, 3.0
"""Odd size: the geometric mean of the sides is so many times the median or less than its inverse. Odd shape: the longer
side is so many times the shorter one."""


@dataclass(frozen=True, eq=False)
class ImageIssue:
    """Images with one issue. rows: the clearest ones first."""

    name: str
    rows: np.ndarray


def image_issues(properties: np.ndarray, sizes: np.ndarray) -> list[ImageIssue]:
    """Return the issues that some images have. An image that is nearly uniform has no other issue of its pixels.

    properties: `(N, 8)` of `image_properties`; sizes: `(N, 2)` width and height of the originals.
    """
    of = {name: properties[:, k].astype(np.float64) for k, name in enumerate(PROPERTIES)}
    variance = np.maximum(np.square(255 * of["contrast"]), 1e-9)
    side = np.sqrt(sizes.prod(1, dtype=np.float64))
    size = np.abs(np.log(side / np.median(side)))
    shape = sizes.max(1) / sizes.min(1)
    is_plain = of["contrast"] < UNIFORM
    # name → which images have it, and how far they are from it: the lowest first
    rules = {
        "nearly uniform": (is_plain, of["contrast"]),
        "dark": (~is_plain & (of["brightest"] < DARK), of["brightest"]),
        "bright": (~is_plain & (of["darkest"] > BRIGHT), -of["darkest"]),
        "blurred": (~is_plain & (of["sharpness"] / variance < BLURRED), of["sharpness"] / variance),
        "little information": (~is_plain & (of["entropy"] < LOW_ENTROPY), of["entropy"]),
        "odd size": (size > np.log(SIZE_RATIO), -size),
        "odd shape": (shape > ASPECT_RATIO, -shape),
    }
    found = []
    for name, (flags, order) in rules.items():
        rows = np.flatnonzero(flags)
        if len(rows):
            found.append(ImageIssue(name, rows[np.argsort(order[rows], kind="stable")]))
    return found
