"""PNG files with a palette (W3C, Portable Network Graphics, third edition, sections 5 and 11).

Most files of a report are maps of a few thousand pixels. For these, Pillow's overhead is as large as the compression
itself, and half of the time for drawing a report, so the files are written here.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ZLIB_LEVEL = 1
"""Level 6 takes 1.5 times as long and saves 2 %."""
ZLIB_WINDOW_BITS, ZLIB_MEMORY_LEVEL = 12, 7
"""Enough for a few thousand bytes: with the defaults, 15 and 8, a third of the time is spent on unused memory."""


def palette_png(index: np.ndarray, colours: bytes, alpha: bytes = b"") -> bytes:
    """Return the PNG file of an image `(h, w)` uint8 of palette indices.

    colours: 3 bytes for each, red, green, blue; alpha: one byte for each of the first colours; the others are opaque.
    """
    height, width = index.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line begins with its filter type: 0, none
    lines[:, 1:] = index
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    packer = zlib.compressobj(ZLIB_LEVEL, zlib.DEFLATED, ZLIB_WINDOW_BITS, ZLIB_MEMORY_LEVEL)
    data = packer.compress(lines.tobytes()) + packer.flush()
    return b"".join(
        (SIGNATURE, _chunk(b"IHDR", header), _palette(colours, alpha), _chunk(b"IDAT", data), _chunk(b"IEND"))
    )


@cache
def _palette(colours: bytes, alpha: bytes) -> bytes:
    return _chunk(b"PLTE", colours) + (_chunk(b"tRNS", alpha) if alpha else b"")


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
