"""PNG files with a palette (W3C, Portable Network Graphics, third edition, sections 5 and 11).

Most files of a report are maps of a few thousand pixels. Around compressing one Pillow does as much work again, which
is half a report's drawing; so these chunks are put together here.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache

import numpy as np

BEGIN = b"\x89PNG\r\n\x1a\n"
LEVEL = 1
"""Of zlib; 6 takes half as long again and saves a fiftieth."""
WINDOW, MEMORY = 12, 7
"""Of zlib, for a few thousand bytes: at 15 and 8 a third of the time goes into memory that is never used."""


def palette_png(index: np.ndarray, colours: bytes, alpha: bytes = b"") -> bytes:
    """The file of a picture `(h, w)` uint8 of numbers of colours.

    colours: 3 bytes each, red, green, blue; alpha: a byte each, for the first of them; the others are opaque.
    """
    height, width = index.shape
    lines = np.zeros((height, width + 1), np.uint8)  # before each line stands its filter: none, as palettes want it
    lines[:, 1:] = index
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW, MEMORY)
    data = packer.compress(lines.tobytes()) + packer.flush()
    return b"".join((BEGIN, _chunk(b"IHDR", header), _palette(colours, alpha), _chunk(b"IDAT", data), _chunk(b"IEND")))


@cache
def _palette(colours: bytes, alpha: bytes) -> bytes:
    return _chunk(b"PLTE", colours) + (_chunk(b"tRNS", alpha) if alpha else b"")


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
