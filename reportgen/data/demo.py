"""Data sets from installed Python packages: the demo's photographs, and photographs of solar cells."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from reportgen.data.decoding import decode, read_bytes
from reportgen.data.demo_photos import INSTALL, PHOTOS, VARIANTS, Box, Photo, Variant
from reportgen.data.files import cause, one_line
from reportgen.data.readers.table_rows import CORNERS, KNOWN_COLUMNS
from reportgen.errors import ConfigError, ImageError, OutputError

DEMO_NOTE = (
    f"These are {len(PHOTOS)} photographs of different scenes from Python packages, and "
    f"{sum(len(photo.variants) for photo in PHOTOS)} variants (mirrored, zoomed or darker). "
    f"{sum(photo.label != '' for photo in PHOTOS)} photographs have an ImageNet class, and boxes drawn by hand. The "
    "numbers show what a report looks like, not how good the model is. A variant and its photograph are one group."
)
SOLAR_NOTE = (
    "These are 2,624 electroluminescence photographs of solar cells: the ELPV data set (package elpv-dataset, licence "
    "CC BY-NC-SA 4.0). They have no ImageNet class and no boxes, so there are no error rates."
)

MIN_VISIBLE_SHARE = 0.25
"""Share of a box's area that must be inside of the crop for the box to count."""


def make_demo_photos(folder: Path) -> Path:
    """Write the photographs and their variants to `folder/photos`, and return the table of labels, boxes and groups.

    Files that have the same bytes already are not touched.
    Errors: ConfigError if the packages are not installed, OutputError if `folder` cannot be written.
    """
    for package, command in INSTALL.items():
        _package(package, command)
    rows: list[Sequence[object]] = []
    for photo in PHOTOS:
        original = _original(photo)
        for suffix, variant in [("", Variant()), *((f"_{name}", VARIANTS[name]) for name in photo.variants)]:
            image, boxes = apply_variant(original, photo.boxes, variant)
            name = f"photos/{photo.name}{suffix}.jpg"
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=92)
            _write(folder / name, buffer.getvalue())
            cells: list[Sequence[object]] = [*boxes] or [("",) * len(CORNERS)]
            rows += [(name, photo.label, *corners, photo.name) for corners in cells]
    table = folder / "photos.csv"
    _write(table, _csv(KNOWN_COLUMNS, rows))
    return table


def make_solar_table(folder: Path) -> Path:
    """Write a table of the photographs of the package elpv-dataset to `folder`, and return its path.

    The defect probability and the cell type have columns of their own, because they are not labels.
    Errors: ConfigError if the package is not installed, OutputError if `folder` cannot be written.
    """
    hint = "pip install elpv-dataset"
    data = _package("elpv_dataset", hint) / "data"
    try:
        records = [line.split() for line in (data / "labels.csv").read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise ConfigError(f"package `elpv_dataset` lacks `data/labels.csv`: {cause(error)}", hint) from None
    table = folder / "cells.csv"
    rows = [(str(data / path), "", probability, kind) for path, probability, kind in records]
    _write(table, _csv(("path", "label", "defect probability", "cell type"), rows))
    return table


def apply_variant(image: Image.Image, boxes: Sequence[Box], variant: Variant) -> tuple[Image.Image, list[Box]]:
    """Return the variant of an RGB image, and the boxes that are visible in it, in its pixels."""
    sides = (image.width, image.height, image.width, image.height)
    left, top, right, bottom = (round(share * side) for share, side in zip(variant.crop, sides, strict=True))
    width, height = right - left, bottom - top
    image = image.crop((left, top, right, bottom))
    visible = []
    for x0, y0, x1, y1 in boxes:
        cut = (max(x0 - left, 0), max(y0 - top, 0), min(x1 - left, width), min(y1 - top, height))
        area = max(cut[2] - cut[0], 0) * max(cut[3] - cut[1], 0)
        if area >= MIN_VISIBLE_SHARE * (x1 - x0) * (y1 - y0):
            visible.append((width - cut[2], cut[1], width - cut[0], cut[3]) if variant.mirror else cut)
    if variant.mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if variant.brightness != 1.0:
        image = image.point([min(255, round(value * variant.brightness)) for value in range(256)] * 3)
    return image, visible


def _original(photo: Photo) -> Image.Image:
    hint = INSTALL[photo.package]
    try:
        return decode(read_bytes(_package(photo.package, hint) / photo.file), photo.file)
    except ImageError as error:
        raise ConfigError(f"package `{photo.package}` lacks a demo photograph: {error}", hint) from None


def _package(name: str, hint: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"package `{name}`, which contains the data, is not installed", hint)
    return Path(spec.submodule_search_locations[0])


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode("utf-8", "surrogateescape")


def _write(path: Path, data: bytes) -> None:
    """Write a file atomically, unless it has these bytes already. Errors: OutputError."""
    part = path.with_name(f".{path.name}.part")
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"`{one_line(str(path))}` cannot be written: {cause(error)}") from None
