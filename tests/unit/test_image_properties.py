"""Properties of images against their definitions, written as loops over pixels."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from reportgen.data.image_properties import PROPERTIES, image_properties, jpeg_quality


def lightness(colour: list[float]) -> float:
    """L* of red, green and blue of sRGB, each 0 to 255."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (level / 255 for level in colour)]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * y ** (1 / 3) - 16 if y > (6 / 29) ** 3 else y * (29 / 3) ** 3


def by_definition(pixels: np.ndarray) -> dict[str, float]:
    """pixels: `(3, H, W)` uint8."""
    _, height, width = pixels.shape
    luma = np.asarray(Image.fromarray(pixels.transpose(1, 2, 0)).convert("L")).astype(float)
    flat = sorted(luma.ravel().tolist())
    n = len(flat)
    mean = sum(flat) / n
    laplacians = [
        luma[y - 1, x] + luma[y + 1, x] + luma[y, x - 1] + luma[y, x + 1] - 4 * luma[y, x]
        for y in range(1, height - 1)
        for x in range(1, width - 1)
    ]
    centre = sum(laplacians) / len(laplacians)
    colours = pixels.reshape(3, -1).T.astype(float).tolist()
    tones = sorted(map(lightness, colours))
    shares = [flat.count(level) / n for level in set(flat)]
    return {
        "brightness": mean / 255,
        "darkest": tones[math.ceil(0.05 * n) - 1],
        "brightest": tones[math.ceil(0.99 * n) - 1],
        "contrast": math.sqrt(sum((v - mean) ** 2 for v in flat) / n) / 255,
        "sharpness": sum((v - centre) ** 2 for v in laplacians) / len(laplacians),
        "saturation": sum((max(c) - min(c)) / max(c) if max(c) else 0 for c in colours) / n,
        "entropy": -sum(share * math.log2(share) for share in shares),
    }


@pytest.mark.parametrize("high", [256, 40, 2])
def test_properties_match_their_definitions(high: int) -> None:
    pixels = np.random.default_rng(high).integers(0, high, (3, 9, 13)).astype(np.uint8)
    image = Image.fromarray(pixels.transpose(1, 2, 0))
    found = dict(zip(PROPERTIES, image_properties(pixels, image, b"").tolist(), strict=True))
    assert math.isnan(found.pop("JPEG quality"))
    expected = by_definition(pixels)
    for name in ("darkest", "brightest"):  # of a luminance in steps of 1 / 60,000
        assert found.pop(name) == pytest.approx(expected.pop(name), abs=0.05)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_entropy_is_that_of_the_images_own_tones_and_not_of_interpolated_ones() -> None:
    flat = np.kron(np.random.default_rng(0).integers(0, 2, (100, 100)), np.full((9, 9), 200)).astype(np.uint8)
    image = Image.fromarray(flat)
    small = np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR))[None]
    entropy = image_properties(small, image, b"")[PROPERTIES.index("entropy")]
    assert entropy == pytest.approx(1, abs=0.01)


def test_uniform_and_grey_images_have_no_contrast_and_no_saturation() -> None:
    pixels = np.full((1, 5, 5), 51, np.uint8)
    found = dict(zip(PROPERTIES, image_properties(pixels, Image.fromarray(pixels[0]), b"").tolist(), strict=True))
    assert found["brightness"] == pytest.approx(0.2)
    assert found["darkest"] == found["brightest"] == pytest.approx(lightness([51] * 3), abs=0.01)
    assert found["contrast"] == found["sharpness"] == found["saturation"] == found["entropy"] == 0


def test_quality_of_a_jpeg_is_the_one_that_it_was_written_with() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8))
    for quality in range(1, 101):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        assert abs(jpeg_quality(file.getvalue()) - quality) <= 1
    file = io.BytesIO()
    image.save(file, "PNG")
    assert math.isnan(jpeg_quality(file.getvalue()))
    assert math.isnan(jpeg_quality(b"\xff\xd8\xff no JPEG"))
