"""Many photographs in one file: atlases for the browser, image grids, and embedding maps with thumbnails."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

BACKGROUND = (23, 24, 27)
"""Behind maps and grids that are files: dark, so that photographs contrast with it in both colour schemes."""
CARD_SIZE = (192, 144)
"""Least width and height of the pictures on cards, about 190 CSS pixels wide: a wall of 96 loads less than 1 MB."""
CONTOUR = (70, 74, 82)
"""Lines of equal density behind the images of a map."""
ATLAS_SIDE = 2048
"""Side of an atlas in pixels."""


def tile(photograph: bytes, side: int) -> Image.Image:
    """Return the central square of a JPEG file, `side` pixels wide."""
    with Image.open(io.BytesIO(photograph)) as picture:
        picture.draft("RGB", (2 * side, 2 * side))
        square = min(picture.size)
        left, top = ((length - square) // 2 for length in picture.size)
        return picture.convert("RGB").resize(
            (side, side), Image.Resampling.LANCZOS, (left, top, left + square, top + square)
        )


def card_picture(photograph: bytes) -> bytes:
    """Return a JPEG file scaled down so that it just covers `CARD_SIZE`; a smaller one stays as it is."""
    with Image.open(io.BytesIO(photograph)) as picture:
        scale = max(side / length for side, length in zip(CARD_SIZE, picture.size, strict=True))
        if scale >= 1:
            return photograph
        width, height = (max(1, round(length * scale)) for length in picture.size)
        picture.draft("RGB", (width, height))
        return _jpeg(picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS), 70)


def photo_sheet(photographs: Sequence[bytes], sizes: Sequence[tuple[int, int]], side: int, across: int) -> bytes:
    """Return a JPEG file of whole photographs, each in the upper left of a square of `side` pixels, row by row.

    photographs: JPEG files; sizes: width and height of each as `fitted` gets them; across: squares in a row.
    """
    sheet = Image.new("RGB", (across * side, -(-len(photographs) // across) * side), BACKGROUND)
    for k, (photograph, size) in enumerate(zip(photographs, sizes, strict=True)):
        with Image.open(io.BytesIO(photograph)) as picture:
            picture.draft("RGB", (side, side))
            small = picture.convert("RGB").resize(fitted(size, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (k % across * side, k // across * side))
    return _jpeg(sheet, 80)


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return width and height of a photograph whose longer side is scaled to `side`, in whole pixels."""
    longest = max(size)
    width, height = (max(1, (length * side + longest // 2) // longest) for length in size)
    return width, height


def thumbnail_tile(pixels: np.ndarray) -> Image.Image:
    """Return a stored thumbnail `(32, 32, 3)` uint8 as an image."""
    return Image.fromarray(pixels)


def tile_side(images: int) -> int:
    """Return the side of an atlas's tiles in pixels; it is larger for small data sets."""
    return 128 if images <= 1_024 else 64 if images <= 8_192 else 32


def atlas(images: Sequence[int], tile_of: Callable[[int], Image.Image], side: int) -> bytes:
    """Return a JPEG file of the tiles of at most `(ATLAS_SIDE // side)²` images, row by row, as high as necessary."""
    across = ATLAS_SIDE // side
    sheet = Image.new("RGB", (ATLAS_SIDE, -(-len(images) // across) * side), BACKGROUND)
    for k, i in enumerate(images):
        sheet.paste(tile_of(i), (k % across * side, k // across * side))
    return _jpeg(sheet, 82)


def grid_picture(
    cells: np.ndarray, shape: tuple[int, int], tile_of: Callable[[int, int], Image.Image], width: int
) -> bytes:
    """Return a JPEG file of an image grid about `width` pixels wide. cells: `(N, 2)` centres in cells, NaN for none."""
    rows, columns = shape
    side = max(1, round(width / columns))
    sheet = Image.new("RGB", (columns * side, rows * side), BACKGROUND)
    for i in np.flatnonzero(np.isfinite(cells).all(1)):
        sheet.paste(tile_of(int(i), side), (int(cells[i, 0]) * side, int(cells[i, 1]) * side))
    return _jpeg(sheet, 88)


def repeated_picture(nearest: np.ndarray, tile_of: Callable[[int, int], Image.Image], width: int) -> bytes:
    """Return a JPEG file of images given by their rows `(rows, columns)`, about `width` pixels wide."""
    rows, columns = nearest.shape
    side = max(1, round(width / columns))
    sheet = Image.new("RGB", (columns * side, rows * side), BACKGROUND)
    tiles = {i: tile_of(i, side) for i in np.unique(nearest).tolist()}
    for y, x in np.ndindex(rows, columns):
        sheet.paste(tiles[int(nearest[y, x])], (x * side, y * side))
    return _jpeg(sheet, 85)


def map_picture(
    unit: np.ndarray,
    colours: Sequence[tuple[int, int, int]],
    tile_of: Callable[[int, int], Image.Image],
    size: tuple[int, int],
    contours: Sequence[Sequence[np.ndarray]] = (),
) -> bytes:
    """Return a JPEG file of an embedding map: framed thumbnails where there is room, and dots for other images.

    unit: `(N, 2)` positions in [0, 1], NaN for none; colours: of each image; size: width and height of the file.
    contours: closed lines `(P, 2)` of each level of density, in the same coordinates, from the innermost level.
    """
    side = _thumbnail_side(len(unit), size)
    sheet = Image.new("RGB", size, BACKGROUND)
    pencil = ImageDraw.Draw(sheet)
    for line in (line for level in contours for line in level):
        pencil.line([tuple(xy) for xy in (side + line * (np.array(size) - 2 * side)).tolist()], CONTOUR, joint="curve")
    taken = set()
    shown = []
    for i in map(int, np.flatnonzero(np.isfinite(unit).all(1))):
        x, y = (int(side + u * (length - 2 * side)) for u, length in zip(unit[i], size, strict=True))
        cell = (x // side, y // side)
        if cell in taken:
            sheet.paste(colours[i], (x - 2, y - 2, x + 2, y + 2))
        else:
            taken.add(cell)
            shown.append((i, x - side // 2, y - side // 2))
    for i, x, y in shown:
        sheet.paste(colours[i], (x - 2, y - 2, x + side + 2, y + side + 2))
        sheet.paste(tile_of(int(i), side), (x, y))
    return _jpeg(sheet, 85)


def map_margin(images: int, size: tuple[int, int]) -> tuple[float, float]:
    """Return the margin of `map_picture` in shares of its width and height: half a thumbnail is outside of the map."""
    side = _thumbnail_side(images, size)
    return side / size[0], side / size[1]


def _thumbnail_side(images: int, size: tuple[int, int]) -> int:
    return int(np.clip(1.1 * np.sqrt(size[0] * size[1] / max(1, images)) / 2, 22, 64))


def _jpeg(sheet: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
