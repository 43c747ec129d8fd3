"""Image formats: all that Pillow decodes safely are read, by their content; what is passed over is counted."""

from __future__ import annotations

import contextlib
import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageFile

from reportgen.data.class_names import ClassNames
from reportgen.data.decoding import decode
from reportgen.data.formats import BY_CONTENT, BY_ENDING, NOT_READ, has_image_ending, passed_over
from reportgen.data.readers.dataset import read_dataset
from reportgen.errors import DataError, ImageError
from tests.support.image_files import BUILT, GREYS, HEIGHT, IN_COLOUR, IN_GREY, REDS, WIDTH

Image.init()
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8))
NOT_DECODED = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF", "PDF", "PALM", "HEIF"}
CLASSES = ClassNames(("cat", "dog"))


def written(form: str) -> list[tuple[str, bytes]]:
    """A file in each mode that Pillow writes in this format, with its name."""
    endings = [ending for ending, f in Image.registered_extensions().items() if f == form]
    name = "x" + next(iter([*endings, *BY_ENDING.get(form, ()), ".jpg"]))
    files = []
    for mode in ("RGB", "L", "1", "P", "RGBA"):
        buffer = io.BytesIO()
        with contextlib.suppress(OSError, ValueError, NotImplementedError):  # not every mode can be written
            NOISE.convert(mode).save(buffer, form)
            files.append((name, buffer.getvalue()))
    return files


WRITTEN = [(form, *file) for form in sorted(set(Image.SAVE) - NOT_DECODED) for file in written(form)]


def test_every_opener_of_pillow_is_read_or_left_out_on_purpose() -> None:
    ours = {*BY_CONTENT, *BY_ENDING}
    assert set(Image.OPEN) - ours <= NOT_DECODED
    assert not ours & NOT_DECODED
    assert {form for form, _, _ in WRITTEN} >= set(Image.SAVE) - NOT_DECODED


@pytest.mark.parametrize(("form", "name", "data"), WRITTEN, ids=lambda value: value if isinstance(value, str) else "")
def test_file_has_the_pixels_of_pillow(form: str, name: str, data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB")).astype(int)
    found = np.asarray(decode(data, name)).astype(int)
    # `convert` cuts off the fractions of SPIDER's floats
    assert np.abs(found - expected).max() <= (1 if form == "SPIDER" else 0)


@pytest.mark.parametrize("ending", BUILT)
def test_file_built_by_hand_has_the_pixels_of_pillow(ending: str) -> None:
    data = BUILT[ending]()
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    found = np.asarray(decode(data, f"x.{ending}"))
    np.testing.assert_array_equal(found, expected)
    if ending in IN_GREY:
        assert found[..., 0].tobytes() == found[..., 2].tobytes() == GREYS
    elif ending in IN_COLOUR:
        assert found.tobytes() == REDS
    assert found.shape == (HEIGHT, WIDTH, 3)


def test_dcx_is_read_as_its_first_page() -> None:
    buffer = io.BytesIO()
    NOISE.save(buffer, "PCX")
    data = struct.pack("<III", 0x3ADE68B1, 12, 0) + buffer.getvalue()
    np.testing.assert_array_equal(np.asarray(decode(data, "x.dcx")), np.asarray(NOISE))


def test_photo_cd_is_read_at_768_by_512() -> None:
    head = bytearray(96 * 2048)
    head[2048:2052] = b"PCD_"
    data = bytes(head) + bytes([128]) * (768 * 512 * 3 // 2)
    with Image.open(io.BytesIO(data)) as image:
        expected = image.convert("RGB")
    assert expected.size == (768, 512)
    assert decode(data, "x.pcd").tobytes() == expected.tobytes()


@pytest.mark.parametrize("tolerant", [False, True])
def test_truncated_file_is_refused_in_every_format(tolerant: bool, monkeypatch) -> None:
    files = [file for _, *file in WRITTEN] + [(f"x.{ending}", make()) for ending, make in BUILT.items()]
    for name, data in files:
        if name == "x.icns":
            continue  # the largest icon counts; the others may be missing
        not_pixels = {"x.fits": 2880, "x.pcx": 769, "x.tga": 26}.get(name, 0)  # padding, palette, footer
        for cut in {1, 10, len(data) // 3, len(data) - not_pixels - 16}:
            monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
            with pytest.raises(ImageError):
                decode(data[:cut], name)


def test_heif_is_read_with_its_extra(monkeypatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_pillow(NOISE).save(buffer, quality=-1, chroma=444, matrix_coefficients=0)
    for name in ("x.heic", "x.jpg", "x"):
        np.testing.assert_array_equal(np.asarray(decode(buffer.getvalue(), name)), np.asarray(NOISE))
    for cut in (600, len(buffer.getvalue()) // 2, len(buffer.getvalue()) - 60):
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        with pytest.raises(ImageError):
            decode(buffer.getvalue()[:cut], "x.heic")


def test_heif_without_its_extra_names_the_package(monkeypatch) -> None:
    monkeypatch.setattr("reportgen.data.decoding.register_heif", lambda: False)
    data = b"\0\0\0\x18ftypheic" + bytes(100)
    with pytest.raises(ImageError) as error:
        decode(data, "x.jpg")
    assert str(error.value) == "`x.jpg` cannot be decoded: HEIF needs an extra: pip install 'reportgen[heif]'"


def test_other_formats_are_refused_whatever_their_ending() -> None:
    for form in ("EPS", "PDF"):
        buffer = io.BytesIO()
        NOISE.save(buffer, form)
        for name in ("x.jpg", "x.tga", "x"):
            with pytest.raises(ImageError, match=r"not an image in a format that can be read|truncated"):
                decode(buffer.getvalue(), name)
    iptc = b"\x1c\x03\x3c\0\2\1\0" + b"\x1c\x03\x14\0\1\4" + b"\x1c\x03\x1e\0\1\3"
    with pytest.raises(ImageError, match="not an image in a format that can be read"):
        decode(iptc + bytes(100), "x.iim")


def test_format_without_a_signature_needs_its_ending() -> None:
    data = next(data for _, name, data in WRITTEN if name == "x.tga")
    assert decode(data, "a/b.TGA").size == NOISE.size
    with pytest.raises(ImageError, match="not an image in a format"):
        decode(data, "x.jpg")


# Folders


def saved(form: str) -> bytes:
    buffer = io.BytesIO()
    NOISE.save(buffer, form)
    return buffer.getvalue()


def test_folder_recognizes_images_by_their_content_if_the_ending_does_not_say(tmp_path) -> None:
    contents = {
        "sign.ppm": saved("PPM"),
        "photo.png": saved("JPEG"),
        "no-ending": saved("PNG"),
        "scan": saved("TIFF"),
        "photo.jpg_large": saved("JPEG"),
        "raw.nef": saved("TIFF"),  # a camera's raw file, whose TIFF has a small preview
        "about.txt": b"BMW and P3 players",
        "more.txt": b"P5 is",
        "icon.h": b"#define WIDTH 3\n",
        "boxes.json": b"{}",
        "empty": b"",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    dataset = read_dataset(tmp_path, CLASSES)
    assert [s.name for s in dataset.samples] == ["no-ending", "photo.jpg_large", "photo.png", "scan", "sign.ppm"]
    assert [(row.where, row.reason) for row in dataset.refused] == [
        ("other files", "passed over: 2 .txt, 1 without ending, 1 .h, 1 .json, 1 .nef")
    ]
    assert all(decode(contents[s.name], s.name).size == NOISE.size for s in dataset.samples)


def test_folder_without_images_names_the_endings_it_saw(tmp_path) -> None:
    for name in ("a.txt", "b.TXT", "c.eps", "d"):
        (tmp_path / name).write_text("nothing")
    (tmp_path / "link.jpg").symlink_to("gone.jpg")
    with pytest.raises(DataError) as error:
        read_dataset(tmp_path, CLASSES)
    listed = "2 .txt, 1 without ending, 1 .eps (needs Ghostscript, an external program)"
    assert str(error.value).endswith(f"has no images; left out: 2, the first: other files: passed over: {listed}")


def test_line_of_endings_stays_short() -> None:
    line = passed_over([f"image.{k:04}" for k in range(100)] + ["a.\n" + "x" * 500, "b.jpg"])
    assert line.startswith("1 .\\nxxxxxxxx")
    assert line.endswith(", 90 with other endings")
    assert len(line) < 300


def test_no_ending_is_both_read_and_not() -> None:
    assert not [ending for ending in NOT_READ if has_image_ending(f"x{ending}")]
    for name in ("a.JPG", "b.heic", "c.pgm", "d.jp2", "e.avif", "f.psd", "g.spi", "h.mpo"):
        assert has_image_ending(name)


# Pixels


def tiff(pixels: np.ndarray, **tags: int) -> bytes:
    """A TIFF of deep grey with further tags (named by their number, as `t281=4095`)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF", tiffinfo={int(name[1:]): value for name, value in tags.items()})
    return buffer.getvalue()


def greys(data: bytes, name: str = "x.tif") -> list[int]:
    return np.asarray(decode(data, name))[0, :, 0].tolist()


def test_deep_grey_is_scaled_by_the_white_that_the_file_declares() -> None:
    twelve = np.array([[0, 2048, 4095]], np.uint16)
    assert greys(tiff(twelve)) == [0, 8, 16]
    assert greys(tiff(twelve, t281=4095)) == [0, 128, 255]
    assert greys(b"P2\n3 1\n4095\n0 2048 4095\n", "x.pgm") == [0, 128, 255]
    with pytest.raises(ImageError, match=r"grey values from 0 to 4095 are not between 0 and 1000"):
        decode(tiff(twelve, t281=1000), "x.tif")


def test_tiff_of_12_bits_a_sample_is_scaled_by_4095() -> None:
    tags = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 3)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    pixels = b"\x80\x0f\xff"  # 2048 and 4095: 12 bits each, the high bits first
    head = struct.pack("<2sHI", b"II", 42, 12) + pixels + b"\0"
    assert greys(head + struct.pack("<H", len(tags)) + entries + bytes(4)) == [128, 255]


def test_integers_of_at_most_255_are_taken_as_8_bits() -> None:
    for kind in (np.uint16, np.int32):
        assert greys(tiff(np.array([[0, 7, 255]], kind))) == [0, 7, 255]
        assert greys(tiff(np.array([[0, 0, 0]], kind))) == [0, 0, 0]
    assert greys(b"P2\n3 1\n65535\n0 200 255\n", "x.pgm") == [0, 1, 1]  # declared: 16 bits


def test_floats_count_from_0_to_1_or_to_255() -> None:
    assert greys(tiff(np.array([[0.0, 0.5, 1.0]], np.float32))) == [0, 128, 255]
    assert greys(tiff(np.array([[0.0, 0.5, 254.6]], np.float32))) == [0, 0, 255]
    for bad in (1.5, 256.0, -0.1, np.nan, np.inf):
        with pytest.raises(ImageError, match=r"are floats neither in 0 to 1 nor in 0 to 255"):
            decode(tiff(np.array([[0.0, bad]], np.float32)), "x.tif")


def test_grey_whose_zero_is_white_is_inverted() -> None:
    data = bytearray(tiff(np.array([[0, 65535, 65535]], np.uint16)))
    assert greys(bytes(data)) == [0, 255, 255]
    at = data.index(struct.pack("<HHI", 262, 3, 1))
    data[at + 8] = 0  # the tag's value: WhiteIsZero
    assert greys(bytes(data)) == [255, 0, 0]


def test_lab_is_converted_to_srgb() -> None:
    pixels = [255, 0, 0], [0, 0, 0], [137, 0, 0], [138, 81, 70]  # white, black, mid grey, red
    lab = Image.frombytes("LAB", (4, 1), bytes(value for pixel in pixels for value in pixel))
    buffer = io.BytesIO()
    lab.save(buffer, "TIFF")
    found = np.asarray(decode(buffer.getvalue(), "x.tif")).astype(int)[0]
    wanted = [[255] * 3, [0] * 3, [128] * 3, [255, 0, 0]]
    assert np.abs(found - wanted).max() <= 5
