"""Decoding of image files to upright RGB pixels, and encoding of thumbnails."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError

from reportgen.data.files import cause, one_line, read_regular
from reportgen.data.formats import SIGNATURE_BYTES, formats_of, is_heif, register_heif
from reportgen.data.isolated import Answer
from reportgen.data.pixel_modes import rgb
from reportgen.errors import ImageError

MAX_PIXELS = 178_956_970 // 2
"""Larger images are rejected: the size from which on Pillow warns of a decompression bomb."""
ORIENTATION_TAG = 0x0112
"""EXIF tag of the orientation."""
TRANSPOSE_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → the operation that makes the image upright; orientation 1 needs none."""
SWAPS_SIDES = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""Operations that swap width and height."""
FIND_TRUNCATION = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"FTEX")
"""Signatures of JPEG 2000 and FTEX: their decoders, as HEIF's, may read beyond the last byte that they need, and find
truncation unless Pillow is set to load truncated images."""


def read_bytes(path: Path) -> bytes:
    """Return the bytes of an image file. Errors: ImageError if it is missing, unreadable, too large or not regular."""
    try:
        return read_regular(path)
    except (OSError, ValueError) as error:
        raise ImageError(f"`{one_line(path.name)}` cannot be read: {cause(error)}") from None


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file's bytes in hex, which identifies the image in the store."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, name: str) -> Image.Image:
    """Return the first frame as an RGB image, upright by its EXIF orientation and without metadata.

    Colours are those of Pillow's `convert("RGB")`, as in torchvision's reference: alpha is dropped, not composited.
    Errors: ImageError, which names `name`, also for more than `MAX_PIXELS` pixels and for truncated files.
    """
    return decode_scaled(data, name, None)[0]


def decode_scaled(data: bytes, name: str, min_side: int | None) -> tuple[Image.Image, tuple[int, int]]:
    """As `decode`, but also return the width and height of the upright original, and scale large JPEGs down.

    min_side: a JPEG is decoded at a half, a quarter or an eighth of its size (in the DCT domain, which is much faster)
        as long as both sides keep at least so many pixels. None: every image is decoded at full size.
    """
    try:
        with _open(_complete(data), name) as image:
            size = image.size
            scaled = None if min_side is None else image.draft(None, (min_side, min_side))
            image.load()
            if scaled is None:
                size = image.size  # an icon's header may state another
                _check_size(image)
            orientation = image.getexif().get(ORIENTATION_TAG, 1)  # read after `load`, which makes a TIFF upright
            transpose = TRANSPOSE_TO_UPRIGHT.get(orientation)
            upright = rgb(image) if transpose is None else rgb(image).transpose(transpose)
        upright.info = {}
        return upright, size[::-1] if transpose in SWAPS_SIDES else size
    except Exception as error:  # Pillow's decoders raise nearly every type of exception on damaged input
        raise ImageError(f"`{one_line(name)}` cannot be decoded: {cause(error)}") from None


def check_decoding(data: bytes, name: str) -> None:
    """Decode an image for its errors: ImageError."""
    decode(data, name)


def decoding_error(name: str, answer: Answer) -> str:
    """Return the line for an image that an isolated process could not decode, with what the decoder printed."""
    said = f" (the decoder printed: {answer.said})" if answer.said else ""
    if isinstance(answer.error, ImageError):
        return f"{answer.error}{said}"
    return f"`{one_line(name)}` cannot be decoded: {cause(answer.error or Exception())}{said}"


def stored_size(file: IO[bytes], name: str) -> tuple[tuple[int, int], int]:
    """Return the width and height as stored, and the EXIF orientation, of an image file. Errors: ImageError."""
    try:
        with _open(file, name) as image:
            return image.size, image.getexif().get(ORIENTATION_TAG, 1)
    except Exception as error:  # as in `decode_scaled`
        raise ImageError(f"`{one_line(name)}` cannot be read: {cause(error)}") from None


def _open(file: IO[bytes], name: str) -> Image.Image:
    """Return the image in a file, its pixels not yet decoded. The name matters for formats without a signature.

    Errors: ValueError if it is no image that can be read, or too large; what Pillow raises on damaged input.
    """
    formats, heif = formats_of(name), is_heif(file.read(SIGNATURE_BYTES))
    file.seek(0)
    if heif and register_heif():
        formats += ("HEIF",)
    try:
        image = Image.open(file, formats=formats)
    except UnidentifiedImageError:
        if heif and not register_heif():
            raise ValueError("HEIF needs an extra: pip install 'reportgen[heif]'") from None
        raise ValueError("not an image in a format that can be read") from None
    _check_size(image)
    return image


def _check_size(image: Image.Image) -> None:
    if not 0 < image.width * image.height <= MAX_PIXELS:
        raise ValueError(f"{image.width} × {image.height} pixels are not between 1 and {MAX_PIXELS}")


def thumbnail_jpeg(image: Image.Image, side: int, quality: int = 82) -> bytes:
    """Return an RGB image as a JPEG file without metadata, scaled down to at most `side` pixels a side."""
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.info = {}  # Pillow would write a comment stored here
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def _complete(data: bytes) -> IO[bytes]:
    """Return a file that never passes for whole if it is truncated, whatever the settings of Pillow."""
    if not (data.startswith(FIND_TRUNCATION) or is_heif(data)):
        return _CompleteFile(data)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    return io.BytesIO(data)


class _CompleteFile(io.BytesIO):
    """A file that raises at its end, so that truncated images are rejected even if a library has set Pillow's
    process-wide LOAD_TRUNCATED_IMAGES."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data and size and size > 0:
            raise OSError("the file is truncated")
        return data
