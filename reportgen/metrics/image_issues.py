"""Images that are dark, bright, blurred, nearly uniform, or of an odd size or shape: limits on their properties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.data.image_properties import PROPERTIES

DARK, BRIGHT = 35.0, 85.0
"""Dark: 99 % of the pixels have a lower lightness L* than this. Bright: 95 % of them have a higher one. In steps of 10
around 18 % grey (L* = 50), as in Adams's zone system (The Negative, 1981): nothing above zone III, or below zone IX."""
BLURRED = 0.008
"""Sharpness ÷ variance of the luma of a blurred image. Photographs have 0.02 and more at 224 × 224 pixels; a Gaussian
blur with a standard deviation of a hundredth of the side leaves 0.004."""
UNIFORM = 0.02
"""Contrast of a nearly uniform image: five of 255 grey levels."""
LOW_ENTROPY = 3.0
"""Bits of an image with little information, such as a drawing in a few flat tones. As in CleanVision."""
SIZE_RATIO, ASPECT_RATIO = 5.0, 3.0
"""Odd size: the geometric mean of the sides is so many times the median or less than its inverse. Odd shape: the longer
side is so many times the shorter one."""


@dataclass(frozen=True, eq=False)
class ImageIssue:
    """Images with one issue. rows: the clearest ones first."""

    name: str
    rows: np.ndarray


def image_issues(properties: np.ndarray, sizes: np.ndarray) -> list[ImageIssue]:
    """Return the issues that some images have. Arguments: see `excesses`."""
    found = []
    for name, excess in excesses(properties, sizes).items():
        rows = np.flatnonzero(excess > 0)
        if len(rows):
            found.append(ImageIssue(name, rows[np.argsort(-excess[rows], kind="stable")]))
    return found


def excesses(properties: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Return by how much each image exceeds the limit of each issue, `(N,)` float64; above 0, it has the issue.

    A nearly uniform image may be dark or bright, but neither blurred nor of little information: −inf.

    properties: `(N, 8)` of `image_properties`; sizes: `(N, 2)` width and height of the originals.
    """
    of = {name: properties[:, k].astype(np.float64) for k, name in enumerate(PROPERTIES)}
    variance = np.maximum(np.square(255 * of["contrast"]), 1e-9)
    side = np.sqrt(sizes.prod(1, dtype=np.float64))
    is_plain = of["contrast"] < UNIFORM
    return {
        "nearly uniform": UNIFORM - of["contrast"],
        "dark": DARK - of["brightest"],
        "bright": of["darkest"] - BRIGHT,
        "blurred": np.where(is_plain, -np.inf, BLURRED - of["sharpness"] / variance),
        "little information": np.where(is_plain, -np.inf, LOW_ENTROPY - of["entropy"]),
        "odd size": np.abs(np.log(side / np.median(side))) - np.log(SIZE_RATIO),
        "odd shape": sizes.max(1) / sizes.min(1) - ASPECT_RATIO,
    }
