"""Conversion of every kind of pixel to 8-bit RGB, by one rule for each kind."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageCms

BITS_TAG, PHOTOMETRIC_TAG, MAX_VALUE_TAG = 258, 262, 281
"""TIFF tags: bits of a sample; 0 in the second means that 0 is white; the value of white."""
FLOAT_WHITES = {1.0: (0.0, 1.0), 255.0: (2.0, 255.0)}
"""Value of white → the range in which the largest value must be. Between them it could be either."""


def rgb(image: Image.Image) -> Image.Image:
    """Return a loaded image as RGB, by Pillow's `convert("RGB")`, which drops alpha, except for two kinds.

    LAB is converted by its definition to sRGB. Deep grey is scaled to 8 bits, where `convert` would clip it: integers
    and floats as in `_white`. Errors: ValueError for values beyond the range.
    """
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _lab_to_srgb()) or image
    if image.mode[0] not in "IF":
        image.info.pop("transparency", None)  # `convert` would warn about it
        return image.convert("RGB")
    grey = np.asarray(image).astype(np.float32)
    low, high = float(grey.min()), float(grey.max())
    white = _white(image, low, high)
    if _zero_is_white(image):
        grey = white - grey
    return Image.fromarray(np.rint(grey * np.float32(255 / white)).astype(np.uint8)).convert("RGB")


def _white(image: Image.Image, low: float, high: float) -> float:
    """Return the value of white in a deep grey image whose values are between `low` and `high`.

    Integers: what the file declares, else 65535; values of at most 255 are taken as 8 bits, as `convert` takes them.
    Floats: 1 if no value is larger, else 255. Errors: ValueError.
    """
    if image.mode == "F":
        for white, (least, most) in FLOAT_WHITES.items():
            if low >= 0 and (least <= high <= most):
                return white
        raise ValueError(f"grey values from {low:g} to {high:g} are floats neither in 0 to 1 nor in 0 to 255")
    white = _declared_white(image) or (255 if 0 <= high <= 255 else 65535)
    if not 0 <= low <= high <= white:
        raise ValueError(f"grey values from {low:g} to {high:g} are not between 0 and {white:g}")
    return white


def _declared_white(image: Image.Image) -> int | None:
    """Return the value of white that a TIFF declares; 65535 for PGM, which Pillow scales to it; else None."""
    if image.format == "PPM":
        return 65535
    tags = getattr(image, "tag_v2", {})
    declared, bits = (_first(tags.get(tag)) for tag in (MAX_VALUE_TAG, BITS_TAG))
    if declared:
        return declared
    return (1 << bits) - 1 if bits and bits < 16 else None


def _zero_is_white(image: Image.Image) -> bool:
    return _first(getattr(image, "tag_v2", {}).get(PHOTOMETRIC_TAG)) == 0


def _first(value: object) -> int | None:
    """Return the first number of a TIFF tag, which may have one for each channel."""
    first = value[0] if isinstance(value, tuple) and value else value
    return int(first) if isinstance(first, (int, float)) and first > -1 else None


@cache
def _lab_to_srgb() -> ImageCms.ImageCmsTransform:
    profiles = (ImageCms.createProfile(space) for space in ("LAB", "sRGB"))
    lab, srgb = map(ImageCms.ImageCmsProfile, profiles)
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
