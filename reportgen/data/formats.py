"""Image formats: which are read, how a file's format is recognized, and why others are passed over."""

from __future__ import annotations

import importlib
import posixpath
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from PIL import Image

from reportgen.data.files import one_line

BY_CONTENT = (
    "JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO", "PSD", "DDS", "QOI", "ICNS", "SUN",
    "FITS", "XBM", "XPM", "BLP", "FTEX", "FLI", "DCX", "MSP", "PIXAR", "MCIDAS", "XVTHUMB",
)  # fmt: skip
"""Formats of Pillow with a signature, the most frequent first; tried for every file, whatever its name."""
BY_ENDING = {
    "TGA": (".tga", ".icb", ".vda", ".vst"),
    "SGI": (".sgi", ".rgb", ".rgba", ".bw"),
    "PCX": (".pcx",),
    "DIB": (".dib",),
    "CUR": (".cur",),
    "GBR": (".gbr",),
    "IM": (".im",),
    "IMT": (".imt",),
    "PCD": (".pcd",),
    "SPIDER": (".spi", ".spider"),
}
"""Formats with a short signature or none, which any damaged file may seem to have: tried only for these endings."""
HEIF_ENDINGS = (".heic", ".heif", ".hif")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
NOT_READ = {
    ".eps": "needs Ghostscript, an external program",
    ".ps": "needs Ghostscript, an external program",
    ".wmf": "only Windows can draw it",
    ".emf": "only Windows can draw it",
    ".iim": "may wrap any other format",
    ".pdf": "a document",
    ".svg": "a drawing",
    ".mpg": "a film",
    ".mpeg": "a film",
    ".mp4": "a film",
    ".h5": "Pillow has no decoder",
    ".hdf": "Pillow has no decoder",
    ".grib": "Pillow has no decoder",
    ".bufr": "Pillow has no decoder",
    ".jxl": "Pillow has no decoder",
}
"""Endings of pictures that are not read → the reason."""
SIGNATURE_BYTES = 16
"""As many bytes as Pillow looks at."""
MAX_ENDINGS = 12
"""Endings that a message names."""


def formats_of(name: str) -> tuple[str, ...]:
    """Return Pillow's names of the formats that a file of this name may have, in the order to try them."""
    return _available() + _by_ending().get(ending(name), ())


def is_heif(head: bytes) -> bool:
    """Whether a file that begins with these bytes may be HEIF (AVIF files may begin in the same way)."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS


@cache
def register_heif() -> bool:
    """Make Pillow read HEIF, if `pillow-heif` is installed. Returns whether it is."""
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True


def ending(name: str) -> str:
    """Return the ending of a file name in lower case, with its dot; "" without one."""
    return posixpath.splitext(name)[1].lower()


def has_image_ending(name: str) -> bool:
    """Whether the file name ends like an image that can be read, or could be with an optional package."""
    return ending(name) in _endings()


def is_image(root: Path, name: str) -> bool:
    """Whether the file `root / name` is an image: by its ending, else by its content.

    TIFF counts by its ending only, or without any ending: cameras store raw pictures as TIFF with a small preview.
    """
    if has_image_ending(name):
        return True
    formats = [f for f in _available() if f != "TIFF" or not ending(name)]
    try:
        with open(root / name, "rb") as file:
            head = file.read(SIGNATURE_BYTES)
            if is_heif(head):
                return True
            if not any(accepts and accepts(head) for accepts in (Image.OPEN[f][1] for f in formats)):
                return False
            file.seek(0)
            with Image.open(file, formats=formats):
                return True
    except Exception:  # not an image, or Pillow's opener failed, which raises nearly every type of exception
        return False


def passed_over(names: Iterable[str]) -> str:
    """Return one line with the number of files of each ending, the most frequent first: `3 .txt, 1 .json`."""
    counts = sorted(Counter(map(ending, names)).items(), key=lambda item: (-item[1], item[0]))
    parts = []
    for text, count in counts[:MAX_ENDINGS]:
        shown = one_line(text if len(text) <= 20 else text[:19] + "…") or "without ending"
        parts.append(f"{count} {shown}" + (f" ({NOT_READ[text]})" if text in NOT_READ else ""))
    if others := sum(count for _, count in counts[MAX_ENDINGS:]):
        parts.append(f"{others} with other endings")
    return ", ".join(parts)


@cache
def _available() -> tuple[str, ...]:
    """The formats that this build of Pillow has."""
    Image.init()
    return tuple(f for f in BY_CONTENT if f in Image.OPEN)


@cache
def _by_ending() -> dict[str, tuple[str, ...]]:
    return {text: (f,) for f, endings in BY_ENDING.items() if f in Image.OPEN for text in endings}


@cache
def _endings() -> frozenset[str]:
    Image.init()
    registered = (text for text, f in Image.EXTENSION.items() if f in BY_CONTENT)
    return frozenset((*registered, ".mpo", *HEIF_ENDINGS, *(text for row in BY_ENDING.values() for text in row)))
