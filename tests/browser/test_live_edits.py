"""The changes of the live page's image against NumPy, SciPy and Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page
from scipy import ndimage

from reportgen.gallery.core.assets import published_assets
from tests.support.browser import opened

pytestmark = pytest.mark.browser
FILL = (10, 120, 230)
SIZE = (40, 56)
"""Height and width."""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page with the scripts that change images."""
    published = published_assets()
    with opened(browser, offline=True) as (page, said):
        for name in ("constants.js", "dom.js", "data.js", "live-resize.js", "live-edits.js"):
            page.add_script_tag(content=published[name].decode())
        yield page
        assert said == []


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(float)
    return ndimage.gaussian_filter(noise, (1, 1, 0)).round().astype(np.uint8)


def applied(page: Page, image: np.ndarray, **edits: Any) -> np.ndarray:
    height, width, channels = image.shape
    found = page.evaluate(
        """([pixels, [width, height, channels], fill, edits]) => {
          const editor = window.reportgen.liveEdits(fill);
          const image = { data: Uint8ClampedArray.from(pixels), width, height, channels };
          const made = editor.apply(image, { ...editor.none(), ...edits });
          return [...made.data, ...image.data];
        }""",
        [image.ravel().tolist(), [width, height, channels], FILL, edits],
    )
    made, original = np.split(np.array(found, np.uint8).reshape(2, *image.shape), 2)
    np.testing.assert_array_equal(original[0], image, "the original is not changed")
    return made[0]


def test_square_covers_its_pixels_and_is_cut_at_the_border(page: Page, image: np.ndarray) -> None:
    expected = image.copy()
    expected[30:40, 48:56] = FILL
    np.testing.assert_array_equal(applied(page, image, square=[48, 30, 20]), expected)
    expected = image.copy()
    expected[0:15, 0:12] = FILL
    np.testing.assert_array_equal(applied(page, image, square=[-8, -5, 20]), expected)


def test_eraser_covers_discs(page: Page, image: np.ndarray) -> None:
    y, x = np.indices(SIZE)
    expected = image.copy()
    expected[(np.hypot(x - 10, y - 12) <= 5) | (np.hypot(x - 50, y - 2) <= 4)] = FILL
    np.testing.assert_array_equal(applied(page, image, erased=[[10, 12, 5], [50, 2, 4]]), expected)


def test_shift_moves_the_image_and_fills_what_is_empty(page: Page, image: np.ndarray) -> None:
    expected = np.full_like(image, FILL)
    expected[:-6, 9:] = image[6:, :-9]
    np.testing.assert_array_equal(applied(page, image, shift=[9, -6]), expected)


def test_half_a_turn_reverses_both_axes(page: Page, image: np.ndarray) -> None:
    np.testing.assert_allclose(applied(page, image, turn=180).astype(int), image[::-1, ::-1], atol=1)


def test_quarter_turn_is_clockwise(page: Page, image: np.ndarray) -> None:
    square = image[:, :40]
    np.testing.assert_allclose(applied(page, square, turn=90).astype(int), np.rot90(square, -1), atol=1)


def test_turn_is_bilinear_and_fills_what_is_empty(page: Page, image: np.ndarray) -> None:
    found = applied(page, image, turn=30).astype(int)
    for c in range(3):
        expected = ndimage.rotate(image[..., c].astype(float), -30, reshape=False, order=1, cval=np.nan)
        inside = np.isfinite(expected)
        np.testing.assert_allclose(found[..., c][inside], expected[inside], atol=1)
    assert found[0, 0].tolist() == list(FILL)


def test_brightness_is_a_factor_that_saturates(page: Page, image: np.ndarray) -> None:
    expected = np.clip(np.rint(image * 1.7), 0, 255)
    np.testing.assert_allclose(applied(page, image, bright=170).astype(int), expected, atol=1)


@pytest.mark.parametrize("sigma", [1, 3])
def test_blur_is_a_gaussian(page: Page, image: np.ndarray, sigma: int) -> None:
    expected = ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="nearest", truncate=3)
    np.testing.assert_allclose(applied(page, image, blur=sigma).astype(int), expected, atol=1)


def test_zoom_enlarges_the_middle_as_pillow_does(page: Page, image: np.ndarray) -> None:
    expected = Image.fromarray(image).resize((56, 40), Image.Resampling.BILINEAR, box=(14, 10, 42, 30))
    np.testing.assert_array_equal(applied(page, image, zoom=200), np.asarray(expected))


def test_state_of_the_address_holds_every_change_and_ignores_what_is_none(page: Page) -> None:
    edits = {"square": [-3, 4, 32], "erased": [[1, 2, 3], [4, 5, 6]], "shift": [5, -7], "zoom": 150, "turn": -20}
    edits |= {"bright": 80, "blur": 2}
    script = """([edits, broken]) => {
      const editor = window.reportgen.liveEdits([0, 0, 0]);
      const state = Object.fromEntries(Object.entries(editor.toState(edits)).map(([k, v]) => [k, String(v)]));
      return [state, editor.fromState(state), editor.isNone(editor.fromState(broken)), editor.toState(editor.none())];
    }"""
    broken = {"square": "1.2", "erased": "x_1.2", "shift": "a.b", "zoom": "5000", "turn": "NaN", "blur": "-1"}
    state, read, is_none, empty = page.evaluate(script, [edits, broken])
    assert state["erased"] == "1.2.3_4.5.6"
    assert read == edits
    assert is_none
    assert set(empty.values()) == {""}
