"""Decoding: every image becomes upright RGB or one ImageError; thumbnails contain no metadata."""

import contextlib
import io
import os
import random
import struct
import threading
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from reportgen.data.decoding import MAX_PIXELS, TRANSPOSE_TO_UPRIGHT, decode, digest, read_bytes, thumbnail_jpeg
from reportgen.data.files import MAX_BYTES
from reportgen.errors import ImageError


def encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    image = decode(data, "x")
    assert image.mode == "RGB"
    assert image.info == {}
    return np.asarray(image)


# A 3 × 2 picture without any symmetry.
COLOURS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [10, 20, 30], [255, 255, 255]]], dtype=np.uint8
)
SAMPLE = Image.fromarray(COLOURS)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
FILES = {form: encoded(NOISE, form) for form in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")}

# The stored rows of an upright COLOURS under each EXIF orientation, written out from the standard's table
# (where the 0th row and the 0th column of the stored picture belong).
STORED = {
    1: COLOURS,
    2: COLOURS[:, ::-1],
    3: COLOURS[::-1, ::-1],
    4: COLOURS[::-1],
    5: COLOURS.transpose(1, 0, 2),
    6: COLOURS.transpose(1, 0, 2)[::-1],
    7: COLOURS.transpose(1, 0, 2)[::-1, ::-1],
    8: COLOURS.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_all_eight_exif_orientations_are_applied(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(Image.fromarray(np.ascontiguousarray(STORED[orientation])), form, exif=exif, **options)
    np.testing.assert_array_equal(pixels(data), COLOURS)


def test_exif_orientation_of_a_jpeg_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(SAMPLE, "JPEG", exif=exif), "x").size == (2, 3)
    assert set(TRANSPOSE_TO_UPRIGHT) == {2, 3, 4, 5, 6, 7, 8}


def test_16_bit_pixels_are_scaled_and_not_clipped() -> None:
    grey = np.array([[0, 128, 129, 257], [32768, 40000, 65534, 65535]], np.uint16)
    golden = np.array([[0, 0, 1, 1], [128, 156, 255, 255]], np.uint8)
    wanted = np.repeat(golden[:, :, None], 3, axis=2)
    little = encoded(Image.fromarray(grey), "PNG")
    np.testing.assert_array_equal(pixels(little), wanted)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(grey), "TIFF")), wanted)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(grey.astype(np.int32)), "TIFF")), wanted)
    big = Image.frombytes("I;16B", (4, 2), grey.astype(">u2").tobytes())
    np.testing.assert_array_equal(pixels(encoded(big, "TIFF")), wanted)
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(every), "PNG"))[..., 0], (every + 128.0) // 257)


def test_grey_beyond_16_bits_or_below_zero_is_refused() -> None:
    for bad in (np.array([[0, 70000]], np.int32), np.array([[-1, 0]], np.int32)):
        with pytest.raises(ImageError, match=r"`x` cannot be decoded: grey values from .* are not between 0 and"):
            decode(encoded(Image.fromarray(bad), "TIFF"), "x")


def test_every_colour_mode_becomes_rgb() -> None:
    one_bit = Image.fromarray(np.array([[True, False, True]]))
    assert pixels(encoded(one_bit, "PNG"))[0].tolist() == [[255] * 3, [0] * 3, [255] * 3]

    cmyk = Image.frombytes("CMYK", (2, 1), bytes([0, 0, 0, 0, 0, 255, 255, 0]))
    assert pixels(encoded(cmyk, "TIFF"))[0].tolist() == [[255, 255, 255], [255, 0, 0]]
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(pixels(encoded(flat, "JPEG", quality=100)).astype(int) - [255, 0, 0]).max() <= 2

    grey_alpha = Image.frombytes("LA", (2, 1), bytes([7, 0, 200, 255]))
    assert pixels(encoded(grey_alpha, "PNG"))[0].tolist() == [[7] * 3, [200] * 3]

    rgba = Image.frombytes("RGBA", (2, 1), bytes([1, 2, 3, 0, 4, 5, 6, 128]))
    assert pixels(encoded(rgba, "PNG"))[0].tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("transparency", [0, b"\x00\x80\xff"])
def test_palette_with_transparency_becomes_rgb(transparency: int | bytes, recwarn: pytest.WarningsRecorder) -> None:
    image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    image.putpalette([9, 8, 7, 60, 50, 40, 255, 0, 255])
    data = encoded(image, "PNG", transparency=transparency)
    assert pixels(data)[0].tolist() == [[9, 8, 7], [60, 50, 40], [255, 0, 255]]
    assert not recwarn.list


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation_is_decoded(form: str) -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert pixels(data).reshape(-1, 3).tolist() == [[255, 0, 0]] * 12


def test_decoding_errors_are_one_line_and_name_the_file() -> None:
    with pytest.raises(ImageError) as error:
        decode(b"", "a\nb\u202e\udcff.png")
    assert str(error.value) == "`a\\nb\\u202e\\udcff.png` cannot be decoded: the file is truncated"


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(MAX_PIXELS + 1, 1), (20_000, 10_000), (60_000, 60_000), (0, 5)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_oversized_image_is_refused_before_pixels_are_decoded(width: int, height: int) -> None:
    with pytest.raises(ImageError, match=r"pixels are not between 1 and|exceeds limit|not an image"):
        decode(png_that_claims(width, height), "x")


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1)])
def test_images_of_unusual_size_are_decoded(size: tuple[int, int]) -> None:
    image = decode(encoded(Image.new("RGB", size, "teal"), "PNG"), "x")
    assert image.size == size
    small = Image.open(io.BytesIO(thumbnail_jpeg(image, 64)))
    assert small.size == (min(size[0], 64), min(size[1], 64))


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_truncated_files_are_refused_whatever_the_settings_of_pillow(form: str, tolerant: bool, monkeypatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    data = FILES[form]
    pixels(data)
    for cut in sorted({0, 1, 10, 60, len(data) // 3, len(data) // 2, len(data) - 200, len(data) - 60}):
        with pytest.raises(ImageError):
            decode(data[:cut], "x")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255))),
)
@example("TIFF", 10_000, [])
def test_damaged_file_is_an_image_error_or_a_picture(form: str, end: int, flips: list[tuple[int, int]]) -> None:
    data = bytearray(FILES[form][:end])
    for at, bits in flips:
        if data:
            data[at % len(data)] ^= bits
    with contextlib.suppress(ImageError):
        assert decode(bytes(data), "x").mode == "RGB"


def test_any_damaged_header_byte_is_an_image_error_or_a_picture() -> None:
    for data in FILES.values():
        for at in range(0, 80):
            for value in (0, 127, 255):
                broken = data[:at] + bytes([value]) + data[at + 1 :]
                with contextlib.suppress(ImageError):
                    decode(broken, "x")


def test_decoding_in_threads_gives_the_same_pixels() -> None:
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(pixels(FILES["PNG"]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(result, np.asarray(NOISE)) for result in results)


def test_read_bytes_returns_the_file_and_digest_is_its_sha256(tmp_path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"abc")
    assert read_bytes(path) == b"abc"
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.unlink()
    with pytest.raises(ImageError, match=r"^`a.jpg` cannot be read: no such file or directory$"):
        read_bytes(path)
    with pytest.raises(ImageError, match="cannot be read: is a directory"):
        read_bytes(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match=r"^`pipe.jpg` cannot be read: not a regular file$"):
        read_bytes(tmp_path / "pipe.jpg")
    with open(tmp_path / "giant.png", "wb") as giant:
        giant.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match="exceed the limit of"):
        read_bytes(tmp_path / "giant.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_file_is_an_image_error(tmp_path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"abc")
    path.chmod(0)
    with pytest.raises(ImageError, match="permission denied"):
        read_bytes(path)


def test_thumbnail_fits_keeps_its_aspect_and_never_grows() -> None:
    wide = Image.new("RGB", (400, 100), "orange")
    assert Image.open(io.BytesIO(thumbnail_jpeg(wide, 100))).size == (100, 25)
    assert Image.open(io.BytesIO(thumbnail_jpeg(wide, 1000))).size == (400, 100)
    assert thumbnail_jpeg(NOISE, 20) == thumbnail_jpeg(NOISE, 20)
    noise = Image.frombytes("RGB", (512, 512), random.Random(0).randbytes(512 * 512 * 3))
    assert Image.open(io.BytesIO(thumbnail_jpeg(noise, 512, quality=95))).size == (512, 512)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
def test_thumbnail_contains_no_metadata(form: str) -> None:
    canary = "CANARY7f3a"
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = canary
    exif.get_ifd(0x8825)[1] = "N"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", canary)
    options = {"exif": exif, "comment": canary.encode(), "icc_profile": canary.encode() * 20, "pnginfo": text}
    if form == "TIFF":
        del options["comment"]
    data = encoded(NOISE, form, **options)
    assert canary.encode() in data
    thumbnail = thumbnail_jpeg(decode(data, canary), 32)
    assert canary.encode() not in thumbnail
    assert b"Exif" not in thumbnail
    assert b"ICC_PROFILE" not in thumbnail
    commented = NOISE.copy()
    commented.info["comment"] = canary
    assert canary.encode() not in thumbnail_jpeg(commented, 32)
