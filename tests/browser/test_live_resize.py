"""The live page's preprocessing in the browser against Pillow's, pixel for pixel."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from reportgen.audit.live_network import LivePreprocessing
from reportgen.gallery.core.assets import published_assets
from reportgen.models.classifier import Preprocessing
from reportgen.pipeline.image_loader import MAX_SCALED_SIDE, network_input
from reportgen.pipeline.live import scales_height_first
from tests.support.browser import opened

pytestmark = pytest.mark.browser
SIZES = [(640, 427), (427, 640), (300, 300), (224, 224), (90, 400), (57, 31), (3, 2), (60, 500), (1, 500)]


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page with the scripts that make the network's input."""
    published = published_assets()
    with opened(browser, offline=True) as (page, said):
        for name in ("constants.js", "dom.js", "data.js", "live-resize.js", "live-pixels.js"):
            page.add_script_tag(content=published[name].decode())
        yield page
        assert said == []


def picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Noise on smooth colours: sharp edges, and both ends of the range."""
    width, height = size
    random = np.random.default_rng(width * 1000 + height)
    smooth = np.indices((height, width, 3)).sum(0)[..., None].repeat(3, 2).reshape(height, -1, 3)[:, :width]
    noise = random.integers(0, 256, (height, width, 3))
    return Image.fromarray(
        np.where(random.random((height, width, 1)) < 0.5, smooth % 256, noise).astype(np.uint8), mode
    )


def png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return b64encode(buffer.getvalue()).decode()


def input_in_browser(page: Page, image: Image.Image, how: Preprocessing, resize: str) -> np.ndarray:
    given = LivePreprocessing(
        how.channels, how.height, how.width, how.mean, how.std, resize, how.resized, how.squash, how.crop_offset,
        how.interpolation, scales_height_first(), MAX_SCALED_SIDE,
    )  # fmt: skip
    found = page.evaluate(
        """async ([file, how]) => {
          const { data, livePixels } = window.reportgen;
          const image = await livePixels.decode(new Blob([data.decodeBase64(file)]), how.channels);
          const bytes = Array.from(livePixels.input(image, how).pixels.data, (value) => String.fromCharCode(value));
          return btoa(bytes.join(""));  // a list of numbers takes Playwright seconds
        }""",
        [png(image), asdict(given)],
    )
    return np.frombuffer(b64decode(found), np.uint8).reshape(how.height, how.width, how.channels)


def expected_input(image: Image.Image, how: Preprocessing, resize: str) -> np.ndarray:
    grey = image.convert("L") if how.channels == 1 else image
    return np.atleast_3d(np.asarray(network_input(grey, how, resize)))


@pytest.mark.parametrize("filter_", ["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"])
def test_every_filter_gives_pillows_pixels_at_every_size(page: Page, filter_: str) -> None:
    how = Preprocessing(size=(96, 80), interpolation=filter_)
    for size in SIZES:
        image = picture(size)
        found = input_in_browser(page, image, how, "warp")
        np.testing.assert_array_equal(found, expected_input(image, how, "warp"), str(size))


@pytest.mark.parametrize(
    "how",
    [
        Preprocessing(size=224, resize_size=256),
        Preprocessing(size=65, resize_size=80, crop_offset="floor"),
        Preprocessing(size=64, resize_size=80, squash=True),
        Preprocessing(size=(48, 100), resize_size=(60, 110), interpolation="bicubic"),
        Preprocessing(size=100, resize_size=60),
        Preprocessing(size=50, resize_size=56, channels=1, mean=(0.5,), std=(0.5,)),
    ],
    ids=["usual", "floor", "squashed", "not square", "larger than scaled", "grey"],
)
def test_every_crop_gives_the_jobs_pixels(page: Page, how: Preprocessing) -> None:
    for size in SIZES[:-1]:
        image = picture(size)
        np.testing.assert_array_equal(
            input_in_browser(page, image, how, "crop"), expected_input(image, how, "crop"), str(size)
        )


def test_very_long_image_is_not_scaled_as_a_whole(page: Page) -> None:
    how = Preprocessing(size=32, resize_size=40)
    image = picture((2, 900))
    np.testing.assert_array_equal(input_in_browser(page, image, how, "crop"), expected_input(image, how, "crop"))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_photograph_is_upright_and_its_colours_are_not_converted(page: Page, orientation: int) -> None:
    """A profile would change the colours: Pillow, and with it the job, does not apply it."""
    from PIL import ImageCms, ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    picture((60, 40)).save(buffer, "PNG", exif=exif, icc_profile=profile)
    found = page.evaluate(
        """async (file) => {
          const { data, livePixels } = window.reportgen;
          const { data: pixels, width, height } = await livePixels.decode(new Blob([data.decodeBase64(file)]), 3);
          return [width, height, ...pixels];
        }""",
        b64encode(buffer.getvalue()).decode(),
    )
    with Image.open(buffer) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert found[:2] == [*expected.shape[1::-1]]
    np.testing.assert_array_equal(np.array(found[2:], np.uint8).reshape(expected.shape), expected)


def test_normalization_equals_the_jobs_to_the_last_bit(page: Page) -> None:
    import torch

    how = Preprocessing(size=16)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    found = page.evaluate(
        """([pixels, mean, std]) => {
          const image = { data: Uint8ClampedArray.from(pixels), width: 16, height: 16, channels: 3 };
          return [...window.reportgen.livePixels.normalize(image, { mean, std })];
        }""",
        [pixels.ravel().tolist(), how.mean, how.std],
    )
    expected = how.normalize(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None])[0].numpy().ravel()
    np.testing.assert_array_equal(np.array(found, np.float32), expected)
