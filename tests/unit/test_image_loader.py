"""The network's input equals that of Pillow and torchvision's reference transform, also for unusual images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from reportgen.data.decoding import MAX_PIXELS, decode, decode_scaled
from reportgen.data.samples import Sample
from reportgen.models.classifier import Preprocessing
from reportgen.pipeline.image_loader import (
    MAX_SCALED_SIDE,
    crop_window,
    load_image,
    load_images,
    network_input,
    reload_image,
)

RANDOM = np.random.default_rng(0)


def photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Smooth colours and a little noise."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 17 + k) + np.cos(y / 11 - k) for k in range(3)]
    pixels = 128 + 50 * np.stack(waves, 2) + RANDOM.normal(0, 4, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode)


def reference(image: Image.Image, p: Preprocessing, resize: str) -> np.ndarray:
    """torchvision's own Resize and CenterCrop."""
    mode = InterpolationMode(p.interpolation)
    if resize == "warp":
        return np.asarray(tv.resize(image, [p.size, p.size], mode))
    return np.asarray(tv.center_crop(tv.resize(image, p.resize_size, mode), p.size))


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def sixteen() -> Image.Image:
    return Image.fromarray(np.asarray(photo(60, 80, "L")).astype(np.uint16) * 257)


ODD = {
    "grey": saved(photo(90, 70, "L"), "PNG"),
    "grey and alpha": saved(photo(90, 70, "LA"), "PNG"),
    "alpha": saved(photo(90, 70, "RGBA"), "PNG"),
    "palette": saved(photo(90, 70).quantize(16), "PNG"),
    "one bit": saved(photo(90, 70, "1"), "PNG"),
    "CMYK": saved(photo(90, 70, "CMYK"), "JPEG"),
    "turned": saved(photo(90, 70), "JPEG", exif=turned()),
    "one pixel": saved(photo(1, 1), "PNG"),
    "a column": saved(photo(1, 300), "PNG"),
    "a high column": saved(photo(1, 20_000), "PNG"),
    "a long line": saved(photo(20_000, 1), "PNG"),
    "large": saved(photo(1500, 1100), "JPEG"),
}


@pytest.mark.parametrize("resize", ["warp", "crop"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_unusual_images_are_prepared_as_the_reference_prepares_them(data, interpolation, resize) -> None:
    p = Preprocessing(size=64, resize_size=72, interpolation=interpolation)
    image = Image.open(io.BytesIO(data))
    if image.getexif().get(0x0112) == 6:
        image = image.transpose(Image.Transpose.ROTATE_270)
    expected = reference(image.convert("RGB"), p, resize)
    found = np.asarray(network_input(decode(data, "x"), p, resize))
    panorama = max(image.size) / min(image.size) * p.resize_size > MAX_SCALED_SIDE and resize == "crop"
    np.testing.assert_allclose(found, expected, rtol=0, atol=1 if panorama else 0)


@pytest.mark.parametrize("resize", ["warp", "crop"])
def test_largest_image_is_prepared_as_the_reference_prepares_it(resize) -> None:
    side = int(MAX_PIXELS**0.5)
    image = Image.linear_gradient("L").resize((side + 80, side - 81))
    assert 0.999 * MAX_PIXELS < image.width * image.height <= MAX_PIXELS
    p = Preprocessing()
    found = np.asarray(network_input(decode(saved(image, "PNG", compress_level=1), "x"), p, resize))
    np.testing.assert_array_equal(found, reference(image.convert("RGB"), p, resize))


def test_16_bit_images_are_scaled_and_not_clipped() -> None:
    p = Preprocessing(size=64, resize_size=72)
    deep = sixteen()
    plain = Image.fromarray((np.asarray(deep) // 257).astype(np.uint8))
    found = np.asarray(network_input(decode(saved(deep, "PNG"), "x"), p, "crop"))
    np.testing.assert_array_equal(found, reference(plain.convert("RGB"), p, "crop"))


@given(st.integers(1, 400), st.integers(1, 400), st.integers(8, 40), st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_crop_of_any_size_equals_that_of_torchvision(width, height, size, more) -> None:
    p = Preprocessing(size=size, resize_size=size + more)
    image = Image.new("RGB", (width, height), (10, 20, 30))
    image.putpixel((width // 2, height // 2), (255, 0, 0))
    found = np.asarray(network_input(image, p, "crop"))
    if max(width, height) * (size + more) / min(width, height) <= MAX_SCALED_SIDE:
        np.testing.assert_array_equal(found, reference(image, p, "crop"))
    x0, y0, x1, y1 = crop_window((width, height), p, "crop")
    assert -1 <= x0 < x1 <= width + 1
    assert -1 <= y0 < y1 <= height + 1


def test_panorama_is_prepared_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, resize = [], Image.Image.resize

    def recorded(image: Image.Image, size: tuple[int, int], *how: object, **more: object) -> Image.Image:
        sizes.append(size)
        return resize(image, size, *how, **more)

    monkeypatch.setattr(Image.Image, "resize", recorded)
    p = Preprocessing(size=64, resize_size=72)
    assert network_input(photo(4, 8000), p, "crop").size == (64, 64)
    assert sizes == [(64, 64)]


def test_fast_decoding_differs_a_little_and_reports_the_true_size(tmp_path: Path) -> None:
    p = Preprocessing()
    path = tmp_path / "large.jpg"
    path.write_bytes(saved(photo(2400, 1800), "JPEG", exif=turned()))
    sample = Sample(path, "large.jpg", 3)
    exact, fast = (load_image(sample, lambda *_: False, p, "crop", how).decoded for how in ("exact", "fast"))
    assert exact.size == fast.size == (1800, 2400)
    assert exact.window == fast.window
    assert exact.id == fast.id
    difference = np.abs(exact.pixels.astype(int) - fast.pixels)
    assert 0 < difference.mean() < 2
    assert decode_scaled(path.read_bytes(), "x", 512)[0].size == (900, 1200)
    assert decode_scaled(ODD["grey"], "x", 8)[0].size == (90, 70)  # only JPEG can


def test_loader_reads_files_once_in_order_and_reports_bad_ones(tmp_path: Path) -> None:
    for i in range(7):
        (tmp_path / f"{i}.png").write_bytes(saved(photo(20 + i, 20), "PNG"))
    (tmp_path / "4.png").write_bytes(b"no image")
    (tmp_path / "5.png").unlink()
    samples = [Sample(tmp_path / f"{i}.png", f"{i}.png", i) for i in range(7)]
    p = Preprocessing(size=16, resize_size=16)
    first = load_image(samples[0], lambda *_: False, p, "warp").id
    found = list(load_images(samples, lambda i, _: i == first, p, "warp", "exact", 3, 2))
    assert found[0].id == first
    assert found[0].decoded is None
    assert [one.decoded.size[0] if one.decoded else None for one in found] == [None, 21, 22, 23, None, None, 26]
    assert "`4.png` cannot be decoded" in found[4].error
    assert "`5.png` cannot be read" in found[5].error


@pytest.mark.parametrize("how", ["exact", "fast"])
def test_reloaded_image_has_the_same_pixels_and_nothing_else(tmp_path: Path, monkeypatch, how: str) -> None:
    path, p = tmp_path / "large.jpg", Preprocessing()
    path.write_bytes(saved(photo(2400, 1800), "JPEG", exif=turned()))
    sample = Sample(path, "large.jpg", 3)
    first = load_image(sample, lambda *_: False, p, "crop", how).decoded
    monkeypatch.setattr("reportgen.pipeline.image_loader.thumbnail_jpeg", None)
    again = reload_image(sample, first.id, p, "crop", how)
    assert (again.id, again.label) == (first.id, 3)
    np.testing.assert_array_equal(again.pixels, first.pixels)
    path.write_bytes(saved(photo(240, 180), "JPEG"))
    assert reload_image(sample, first.id, p, "crop", how) is None
    path.unlink()
    assert reload_image(sample, first.id, p, "crop", how) is None
