"""Palette PNG files, read back by Pillow."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from reportgen.draw.png import palette_png

COLOURS = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)
ALPHA = bytes(range(255, -1, -1))


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40)), st.booleans())
def test_pillow_reads_colours_and_opacities_of_a_palette_png(index: np.ndarray, transparent: bool) -> None:
    data = palette_png(index, COLOURS.tobytes(), ALPHA if transparent else b"")
    with Image.open(io.BytesIO(data)) as picture:
        picture.verify()
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        assert picture.mode == "P"
        assert ("transparency" in picture.info) == transparent
        pixels = np.asarray(picture.convert("RGBA"))
    np.testing.assert_array_equal(pixels[..., :3], COLOURS[index])
    np.testing.assert_array_equal(pixels[..., 3], 255 - index if transparent else np.full_like(index, 255))


def test_png_takes_rows_that_are_not_contiguous() -> None:
    index = np.arange(60, dtype=np.uint8).reshape(6, 10)[::2, 1::3]
    with Image.open(io.BytesIO(palette_png(index, COLOURS.tobytes()))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), index)
