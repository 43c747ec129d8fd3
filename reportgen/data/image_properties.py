"""Properties of an image that can explain errors: how bright, sharp or colourful it is, how strongly compressed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

PROPERTIES = (
    "brightness", "darkest", "brightest", "contrast", "sharpness", "saturation", "entropy", "JPEG quality",
)  # fmt: skip
"""What `image_properties` returns, in this order."""
DEFINITION = 1
"""Number of this definition. Stores have it in their settings: a change of the definition needs another store."""
DARKEST, BRIGHTEST = 0.05, 0.99
"""Quantiles of the luma that are called the darkest and the brightest."""
STANDARD_TABLE = np.sort([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
])  # fmt: skip
"""Luminance table of the JPEG standard (ITU-T T.81, table K.1), `(64,)`, sorted."""


def image_properties(pixels: np.ndarray, data: bytes) -> np.ndarray:
    """Return the properties of one image, `(8,)` float32: of the pixels that the network sees, and of its file.

    brightness, contrast: mean and standard deviation of the luma (ITU-R BT.601), in [0, 1].
    darkest, brightest: 5 % and 99 % quantile of the luma, in [0, 1].
    sharpness: variance of the Laplacian of the luma, 4 neighbours, luma in 0–255 (Pech-Pacheco et al., ICPR 2000).
    saturation: mean of HSV's saturation, (max − min) ÷ max of red, green and blue.
    entropy: Shannon entropy of the histogram of the luma in whole steps of 0–255, in bits.

    JPEG quality: see `jpeg_quality`.

    pixels: `(C, H, W)` uint8, the network's input before it is normalized, C is 3 or 1; data: the bytes of the file.
    """
    luma = _luma(pixels)
    counts = np.bincount(luma.ravel(), minlength=256)
    total = luma.size
    levels = np.arange(256)
    mean = float(counts @ levels) / total
    deviation = np.sqrt(max(0.0, float(counts @ np.square(levels)) / total - mean**2))
    ends = np.cumsum(counts)
    shares = counts[counts > 0] / total
    return np.array(
        [
            mean / 255,
            np.searchsorted(ends, DARKEST * total) / 255,
            np.searchsorted(ends, BRIGHTEST * total) / 255,
            deviation / 255,
            _laplacian_variance(luma),
            _saturation(pixels),
            -float(shares @ np.log2(shares)),
            jpeg_quality(data),
        ],
        np.float32,
    )


def _luma(pixels: np.ndarray) -> np.ndarray:
    """`(H, W)` uint8, as Pillow's `convert("L")`: in whole numbers, 65536 for 1."""
    if len(pixels) == 1:
        luma: np.ndarray = pixels[0]
        return luma
    weighted = pixels[0] * np.uint32(19595) + pixels[1] * np.uint32(38470) + pixels[2] * np.uint32(7471)
    luma = ((weighted + 0x8000) >> 16).astype(np.uint8)
    return luma


def _laplacian_variance(luma: np.ndarray) -> float:
    """Of the inner pixels; 0 for an image without any."""
    x = luma.astype(np.int16)
    if min(x.shape) < 3:
        return 0.0
    laplacian = (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]).astype(np.float32)
    return float(laplacian.var())


def _saturation(pixels: np.ndarray) -> float:
    """Mean saturation; a black pixel has none."""
    if len(pixels) == 1:
        return 0.0
    high, low = np.maximum(np.maximum(*pixels[:2]), pixels[2]), np.minimum(np.minimum(*pixels[:2]), pixels[2])
    return float(((high - low) / np.maximum(high, 1, dtype=np.float32)).mean())


def jpeg_quality(data: bytes) -> float:
    """Return the quality, 1 to 100, at which libjpeg would write a JPEG's luminance table; NaN for other formats.

    libjpeg multiplies the standard table by 50 ÷ quality below 50, and by 2 − quality ÷ 50 from there on, rounds, and
    limits to 1–255. The sum of the entries below 255 gives the factor. data: the bytes of the file.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return np.nan
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            table = getattr(image, "quantization", {}).get(0)
    except Exception:  # as in decoding: damaged files raise nearly every type of exception
        return np.nan
    if not table:
        return np.nan
    below = np.sort([entry for entry in table if entry < 255])
    if not len(below):
        return 1.0
    if below.max() == 1 and len(below) == len(table):
        return 100.0
    factor = below.sum() / STANDARD_TABLE[: len(below)].sum()
    return float(np.clip(round(100 - 50 * factor if factor <= 1 else 50 / factor), 1, 100))
