"""Properties of an image that can explain errors: how bright, sharp or colourful it is, how strongly compressed."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

PROPERTIES = (
    "brightness", "darkest", "brightest", "contrast", "sharpness", "saturation", "entropy", "JPEG quality",
)  # fmt: skip
"""What `image_properties` returns, in this order."""
DEFINITION = 2
"""Number of this definition. Stores have it in their settings: a change of the definition needs another store."""
DARKEST, BRIGHTEST = 0.05, 0.99
"""Quantiles of the lightness that are called the darkest and the brightest."""
MAX_SAMPLED_SIDE = 128
"""The entropy is that of at most this many columns and rows of the image's own pixels."""
STANDARD_TABLE = np.sort([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
])  # fmt: skip
"""Luminance table of the JPEG standard (ITU-T T.81, table K.1), `(64,)`, sorted."""


WHITE = 60_000
"""Luminance of white in `LUMINANCE`: a number that its parts divide without a rest, and that 16 bits hold."""


def _luminance_tables() -> np.ndarray:
    """Part of each channel in the luminance of an sRGB colour (IEC 61966-2-1), `(3, 256)` uint16."""
    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    parts: np.ndarray = np.rint(WHITE * np.outer((0.2126, 0.7152, 0.0722), linear)).astype(np.uint16)
    return parts


LUMINANCE = _luminance_tables()


def image_properties(pixels: np.ndarray, image: Image.Image, data: bytes) -> np.ndarray:
    """Return the properties of one image, `(8,)` float32: of the pixels that the network sees, and of its file.

    brightness, contrast: mean and standard deviation of the luma (ITU-R BT.601), in [0, 1].
    darkest, brightest: 5 % and 99 % quantile of the lightness L* (ISO/CIE 11664-4), in [0, 100].
    sharpness: variance of the Laplacian of the luma, 4 neighbours, luma in 0–255 (Pech-Pacheco et al., ICPR 2000).
    saturation: mean of HSV's saturation, (max − min) ÷ max of red, green and blue.
    entropy: Shannon entropy of the histogram of the luma in whole steps of 0–255, in bits. It is that of `image`, as
    interpolation between a few flat tones makes new ones.
    JPEG quality: see `jpeg_quality`.

    pixels: `(C, H, W)` uint8, the network's input before it is normalized, C is 3 or 1; image: the decoded image, RGB
    or grey; data: the bytes of its file.
    """
    luma = _luma(pixels)
    counts = np.bincount(luma.ravel(), minlength=256)
    total = luma.size
    levels = np.arange(256)
    mean = float(counts @ levels) / total
    deviation = np.sqrt(max(0.0, float(counts @ np.square(levels)) / total - mean**2))
    darkest, brightest = _lightness_quantiles(pixels, (DARKEST, BRIGHTEST))
    return np.array(
        [
            mean / 255,
            darkest,
            brightest,
            deviation / 255,
            _laplacian_variance(luma),
            _saturation(pixels),
            _entropy(image),
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


def _lightness_quantiles(pixels: np.ndarray, shares: tuple[float, ...]) -> list[float]:
    """The lowest lightness L* that at least each share of the pixels does not exceed."""
    red, green, blue = (LUMINANCE[k].take(pixels[k % len(pixels)]) for k in range(3))  # grey: one channel for all
    luminance = (red + green + blue).ravel()
    ranks = [max(math.ceil(share * luminance.size) - 1, 0) for share in shares]
    y = np.array([np.partition(luminance, rank)[rank] for rank in ranks]) / WHITE
    lightness: list[float] = np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, 24389 / 27 * y).tolist()
    return lightness


def _entropy(image: Image.Image) -> float:
    """Of the luma of evenly spaced pixels, which are not interpolated."""
    size = (min(image.width, MAX_SAMPLED_SIDE), min(image.height, MAX_SAMPLED_SIDE))
    counts = np.array(image.resize(size, Image.Resampling.NEAREST).convert("L").histogram())
    shares = counts[counts > 0] / counts.sum()
    return -float(shares @ np.log2(shares))


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
