"""From the bytes of an image file to upright RGB pixels, and from pixels to a thumbnail."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from reportgen.data.files import cause, one_line, read_regular
from reportgen.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MAX_PIXELS = 178_956_970 // 2  # where Pillow begins to warn of a decompression bomb; here it is the end
ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_ITS_SIDE = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""What swaps width and height."""


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file; ImageError if it is gone, forbidden, too large or not a regular file."""
    try:
        return read_regular(path)
    except (OSError, ValueError) as error:
        raise ImageError(f"`{one_line(path.name)}` cannot be read: {cause(error)}") from None


def digest(data: bytes) -> str:
    """SHA-256 of the file's bytes in hex: the image's identity everywhere."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, name: str) -> Image.Image:
    """The first frame, upright by its EXIF orientation, mode RGB, with no metadata left; ImageError, naming `name`.

    Colours are those of Pillow's `convert("RGB")`, torchvision's reference: alpha is dropped, not composited.
    Images of more than MAX_PIXELS pixels, and of files that end early, are refused.
    """
    return decode_scaled(data, name, None)[0]


def decode_scaled(data: bytes, name: str, at_least: int | None) -> tuple[Image.Image, tuple[int, int]]:
    """As `decode`, and the size of the upright original.

    at_least: a large JPEG comes scaled down to a half, a quarter or an eighth (by its DCT, which is much faster), each
    side still of at least so many pixels. None: as it is.
    """
    try:
        with Image.open(_Whole(data), formats=FORMATS) as image:
            if not 0 < image.width * image.height <= MAX_PIXELS:
                raise ValueError(f"{image.width} × {image.height} pixels are not within 1 and {MAX_PIXELS}")
            size = image.size
            if at_least is not None:
                image.draft(None, (at_least, at_least))
            image.load()
            turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))  # after `load`, which turns a TIFF by itself
            rgb = _rgb(image)
        upright = rgb if turn is None else rgb.transpose(turn)
        upright.info = {}
        return upright, size[::-1] if turn in ON_ITS_SIDE else size
    except UnidentifiedImageError:
        reason = "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"
    except Exception as error:  # on damaged input Pillow's decoders raise nearly every type that there is
        reason = cause(error)
    raise ImageError(f"`{one_line(name)}` cannot be decoded: {reason}")


def thumbnail_jpeg(image: Image.Image, side: int, quality: int = 82) -> bytes:
    """An RGB image as a small JPEG file, rebuilt from its pixels: `side` pixels at most each way, never enlarged."""
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.info = {}  # Pillow would write a comment that it finds here
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


class _Whole(io.BytesIO):
    """A file whose end is an error: truncated images stay refused even where a library has set Pillow's
    process-wide LOAD_TRUNCATED_IMAGES."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data and size and size > 0:
            raise OSError("the file ends early")
        return data


def _rgb(image: Image.Image) -> Image.Image:
    """RGB pixels of a loaded image. Deep greys are scaled to 8 bits; `convert("RGB")` would clip them at 255.

    Integers count as 16 bits deep (0 to 65535), floats as 0 to 1; what goes beyond has no known white, and is refused.
    """
    if image.mode[0] not in "IF":
        image.info.pop("transparency", None)  # alpha is dropped anyway, and `convert` would warn of it
        return image.convert("RGB")
    white = 1.0 if image.mode == "F" else 65535.0
    grey = np.asarray(image).astype(np.float32)
    if not (grey.min() >= 0 and grey.max() <= white):  # so put, NaN is refused too
        raise ValueError(f"grey values from {grey.min():g} to {grey.max():g} are not within 0 and {white:g}")
    return Image.fromarray(np.rint(grey * np.float32(255 / white)).astype(np.uint8)).convert("RGB")
