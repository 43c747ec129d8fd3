"""Decoding of image files to upright RGB pixels, and encoding of thumbnails."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from reportgen.data.files import cause, one_line, read_regular
from reportgen.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
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
        with Image.open(_CompleteFile(data), formats=FORMATS) as image:
            if not 0 < image.width * image.height <= MAX_PIXELS:
                raise ValueError(f"{image.width} × {image.height} pixels are not between 1 and {MAX_PIXELS}")
            size = image.size
            if min_side is not None:
                image.draft(None, (min_side, min_side))
            image.load()
            orientation = image.getexif().get(ORIENTATION_TAG, 1)  # read after `load`, which makes a TIFF upright
            transpose = TRANSPOSE_TO_UPRIGHT.get(orientation)
            rgb = _rgb(image)
        upright = rgb if transpose is None else rgb.transpose(transpose)
        upright.info = {}
        return upright, size[::-1] if transpose in SWAPS_SIDES else size
    except UnidentifiedImageError:
        reason = "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"
    except Exception as error:  # Pillow's decoders raise nearly every type of exception on damaged input
        reason = cause(error)
    raise ImageError(f"`{one_line(name)}` cannot be decoded: {reason}")


def thumbnail_jpeg(image: Image.Image, side: int, quality: int = 82) -> bytes:
    """Return an RGB image as a JPEG file without metadata, scaled down to at most `side` pixels a side."""
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.info = {}  # Pillow would write a comment stored here
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


class _CompleteFile(io.BytesIO):
    """A file that raises at its end, so that truncated images are rejected even if a library has set Pillow's
    process-wide LOAD_TRUNCATED_IMAGES."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data and size and size > 0:
            raise OSError("the file is truncated")
        return data


def _rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image to RGB. Deep greyscale is scaled to 8 bits; `convert("RGB")` would clip it at 255.

    Integers are taken as 16 bits deep (0 to 65535), floats as 0 to 1. Errors: ValueError for values beyond that.
    """
    if image.mode[0] not in "IF":
        image.info.pop("transparency", None)  # alpha is dropped, and `convert` would warn about it
        return image.convert("RGB")
    white = 1.0 if image.mode == "F" else 65535.0
    grey = np.asarray(image).astype(np.float32)
    if not (grey.min() >= 0 and grey.max() <= white):  # written so that NaN is rejected too
        raise ValueError(f"grey values from {grey.min():g} to {grey.max():g} are not between 0 and {white:g}")
    return Image.fromarray(np.rint(grey * np.float32(255 / white)).astype(np.uint8)).convert("RGB")
