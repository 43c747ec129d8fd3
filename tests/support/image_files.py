"""Small image files in formats that Pillow reads but cannot write, built by hand from the formats' definitions."""

from __future__ import annotations

import struct

GREYS = bytes(range(10, 250, 20))
"""The 4 × 3 grey pixels of the files below, row by row."""
WIDTH, HEIGHT = 4, 3
REDS = bytes(value for grey in GREYS for value in (grey, 0, 255 - grey))
"""4 × 3 RGB pixels."""


def cursor() -> bytes:
    """A Windows cursor: a bitmap of 24 bits, bottom up and BGR, followed by its mask."""
    rows = [REDS[at : at + 3 * WIDTH] for at in range(0, len(REDS), 3 * WIDTH)]
    pixels = b"".join(b"".join(row[i : i + 3][::-1] for i in range(0, len(row), 3)) for row in rows[::-1])
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, 2 * HEIGHT, 1, 24, 0, 0, 0, 0, 0, 0)
    mask = bytes(4 * HEIGHT)
    body = header + pixels + mask
    return struct.pack("<HHH", 0, 2, 1) + struct.pack("<BBBBHHII", WIDTH, HEIGHT, 0, 0, 0, 0, len(body), 22) + body


def fits() -> bytes:
    """FITS of 8 bits, whose first row is the lowest."""
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    2"]
    cards += [f"NAXIS1  = {WIDTH:20d}", f"NAXIS2  = {HEIGHT:20d}", "END"]
    header = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    rows = [GREYS[at : at + WIDTH] for at in range(0, len(GREYS), WIDTH)]
    return header + b"".join(rows[::-1]).ljust(2880, b"\0")


def fli() -> bytes:
    """An animation of one frame with uncompressed pixels; the palette is grey."""
    pixels = struct.pack("<IH", 6 + len(GREYS), 16) + GREYS
    frame = struct.pack("<IHHQ", 16 + len(pixels), 0xF1FA, 1, 0) + pixels
    header = struct.pack("<IHHHHHHI", 128 + len(frame), 0xAF12, 1, WIDTH, HEIGHT, 8, 3, 0)
    return header.ljust(128, b"\0") + frame


def ftex() -> bytes:
    """Independence War 2's texture, uncompressed."""
    head = struct.pack("<4sIIIII", b"FTEX", 0, WIDTH, HEIGHT, 1, 1)
    return head + struct.pack("<II", 1, len(head) + 8) + struct.pack("<I", len(REDS)) + REDS


def gimp_brush() -> bytes:
    return struct.pack(">IIIII4sI", 32, 2, WIDTH, HEIGHT, 1, b"GIMP", 10) + b"abc\0" + GREYS


def imt() -> bytes:
    return f"pixel n8\nwidth {WIDTH}\nheight {HEIGHT}\n".encode() + b"\x0c" + GREYS


def mcidas() -> bytes:
    words = [0] * 64
    words[1], words[8], words[9], words[10], words[13], words[33] = 4, HEIGHT, WIDTH, 1, 1, 256
    return struct.pack(">64i", *words) + GREYS


def pixar() -> bytes:
    head = bytearray(1024)
    head[:4] = b"\x80\xe8\0\0"
    struct.pack_into("<HH", head, 416, HEIGHT, WIDTH)
    struct.pack_into("<HH", head, 424, 14, 2)
    return bytes(head) + REDS


def psd() -> bytes:
    planes = b"".join(REDS[channel::3] for channel in range(3))
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, HEIGHT, WIDTH, 8, 3)
    return head + bytes(12) + struct.pack(">H", 0) + planes


def sun_raster() -> bytes:
    return struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 24, len(REDS), 3, 0, 0) + REDS


def xpm() -> bytes:
    names = [chr(97 + i) for i in range(len(GREYS))]
    colours = [f'"{name} c #{grey:02x}00{255 - grey:02x}",' for name, grey in zip(names, GREYS, strict=True)]
    rows = ['"' + "".join(names[at : at + WIDTH]) + '",' for at in range(0, len(names), WIDTH)]
    head = ["/* XPM */", "static char *x[] = {", f'"{WIDTH} {HEIGHT} {len(names)} 1",']
    return "\n".join([*head, *colours, "/* pixels */", *rows, "};", ""]).encode()


def xv_thumbnail() -> bytes:
    """Pixels of 3 bits red, 3 bits green, 2 bits blue."""
    return f"P7 332\n#END_OF_COMMENTS\n{WIDTH} {HEIGHT} 255\n".encode() + GREYS


BUILT = {
    "cur": cursor, "fits": fits, "flc": fli, "ftu": ftex, "gbr": gimp_brush, "imt": imt, "area": mcidas,
    "pxr": pixar, "psd": psd, "ras": sun_raster, "xpm": xpm, "thumb": xv_thumbnail,
}  # fmt: skip
"""Ending → maker of a file."""
IN_GREY = ("fits", "flc", "gbr", "imt", "area")
IN_COLOUR = ("cur", "ftu", "pxr", "psd", "ras", "xpm")
