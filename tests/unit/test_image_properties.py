"""Properties of images against their definitions, written as loops over pixels."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from reportgen.data.image_properties import PROPERTIES, image_properties, jpeg_quality


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
    shares = [flat.count(level) / n for level in set(flat)]
    return {
        "brightness": mean / 255,
        "darkest": flat[math.ceil(0.05 * n) - 1] / 255,
        "brightest": flat[math.ceil(0.99 * n) - 1] / 255,
        "contrast": math.sqrt(sum((v - mean) ** 2 for v in flat) / n) / 255,
        "sharpness": sum((v - centre) ** 2 for v in laplacians) / len(laplacians),
        "saturation": sum((max(c) - min(c)) / max(c) if max(c) else 0 for c in colours) / n,
        "entropy": -sum(share * math.log2(share) for share in shares),
    }


@pytest.mark.parametrize("high", [256, 40, 2])
def test_properties_match_their_definitions(high: int) -> None:
    pixels = np.random.default_rng(high).integers(0, high, (3, 9, 13)).astype(np.uint8)
    found = dict(zip(PROPERTIES, image_properties(pixels, b"").tolist(), strict=True))
    assert math.isnan(found.pop("JPEG quality"))
    assert found == pytest.approx(by_definition(pixels), rel=1e-5, abs=1e-6)


def test_uniform_and_grey_images_have_no_contrast_and_no_saturation() -> None:
    pixels = np.full((1, 5, 5), 51, np.uint8)
    found = dict(zip(PROPERTIES, image_properties(pixels, b"").tolist(), strict=True))
    assert found["brightness"] == found["darkest"] == found["brightest"] == pytest.approx(0.2)
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
