"""The data that comes with Python packages: eight photographs to show a report with, and photographs of solar cells."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from reportgen.data.decoding import decode, read_bytes
from reportgen.data.files import cause, one_line
from reportgen.data.readers.table import CORNERS, KNOWN
from reportgen.errors import ConfigError, ImageError, OutputError

DEMO_NOTE = (
    "These are 8 photographs, each shown in 12 framings (mirrored, zoomed, shifted, brighter, darker): the figures "
    "show what a report looks like, not how good the model is. Intervals treat the framings as if they were "
    "independent images, which they are not."
)
SOLAR_NOTE = (
    "These are electroluminescence photographs of solar cells: the ELPV data set, 2,624 in all (package elpv-dataset; "
    "licence CC BY-NC-SA 4.0). They have no ImageNet class and no boxes, so there are no error rates to report."
)

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Photo:
    """A photograph inside an installed package: its ImageNet class, if one fits, and x0 y0 x1 y1 of each object."""

    name: str
    package: str
    file: str
    label: str = ""
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Framing:
    """A way to show a photograph: the part that is cut out (x0 y0 x1 y1 as shares of the sides), mirrored or not,
    and the factor of its brightness."""

    name: str
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    mirror: bool = False
    light: float = 1.0


# Boxes were drawn by eye at 2 to 8 times the size, around all that can be seen of the object.
PHOTOS = (
    Photo("astronaut", "skimage", "data/astronaut.png"),
    Photo("chelsea", "skimage", "data/chelsea.png", "tabby", ((0, 0, 402, 300),)),
    Photo("china", "sklearn", "datasets/images/china.jpg", "palace", ((60, 29, 372, 427),)),
    Photo("coffee", "skimage", "data/coffee.png", "espresso", ((172, 18, 409, 308),)),
    Photo("flower", "sklearn", "datasets/images/flower.jpg"),
    Photo("hubble", "skimage", "data/hubble_deep_field.jpg"),
    Photo("motorcycle", "skimage", "data/motorcycle_left.png", "moped", ((91, 15, 685, 453),)),
    Photo("rocket", "skimage", "data/rocket.jpg", "missile", ((310, 127, 335, 407),)),
)

FRAMINGS = (
    Framing("01-original"),
    Framing("02-mirror", mirror=True),
    Framing("03-zoom", (0.1, 0.1, 0.9, 0.9)),
    Framing("04-zoom-left", (0.0, 0.1, 0.75, 0.85)),
    Framing("05-zoom-right", (0.25, 0.15, 1.0, 0.9)),
    Framing("06-shift-up", (0.0, 0.15, 1.0, 1.0)),
    Framing("07-shift-down", (0.0, 0.0, 1.0, 0.85)),
    Framing("08-brighter", light=1.35),
    Framing("09-darker", light=0.65),
    Framing("10-mirror-shift", (0.15, 0.0, 1.0, 1.0), mirror=True),
    Framing("11-brighter-zoom", (0.15, 0.15, 0.85, 0.85), light=1.35),
    Framing("12-darker-mirror", mirror=True, light=0.65),
)
VISIBLE = 0.25  # a box stays if at least this share of its area is inside the framing


def make_demo_photos(folder: Path) -> Path:
    """Writes every photograph in every framing to `folder/photos`, and returns the table of their labels and boxes.

    What is there already with the same bytes stays untouched. ConfigError where the packages are not installed,
    OutputError where `folder` cannot be written.
    """
    rows: list[Sequence[object]] = []
    for photo in PHOTOS:
        original = _original(photo)
        for framing in FRAMINGS:
            image, boxes = framed(original, photo.boxes, framing)
            name = f"photos/{photo.name}-{framing.name}.jpg"
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=92)
            _write(folder / name, buffer.getvalue())
            where: list[Sequence[object]] = [*boxes] or [("",) * len(CORNERS)]
            rows += [(name, photo.label, *corners, photo.name) for corners in where]
    table = folder / "photos.csv"
    _write(table, _csv(KNOWN, rows))
    return table


def make_solar_table(folder: Path) -> Path:
    """Writes a table of elpv-dataset's photographs, where they are installed, to `folder`, and returns it.

    The defect probability and the cell type stand in columns of their own, for they are no labels.
    ConfigError where the package is not installed, OutputError where `folder` cannot be written.
    """
    hint = "pip install elpv-dataset"
    data = _package("elpv_dataset", hint) / "data"
    try:
        found = [line.split() for line in (data / "labels.csv").read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise ConfigError(f"package `elpv_dataset` lacks `data/labels.csv`: {cause(error)}", hint) from None
    table = folder / "cells.csv"
    rows = [(str(data / path), "", probability, kind) for path, probability, kind in found]
    _write(table, _csv(("path", "label", "defect probability", "cell type"), rows))
    return table


def framed(image: Image.Image, boxes: Sequence[Box], framing: Framing) -> tuple[Image.Image, list[Box]]:
    """The framing of an RGB image, and the boxes that can still be seen in it, in its own pixels."""
    sides = (image.width, image.height, image.width, image.height)
    left, top, right, bottom = (round(share * side) for share, side in zip(framing.part, sides, strict=True))
    width, height = right - left, bottom - top
    image = image.crop((left, top, right, bottom))
    kept = []
    for x0, y0, x1, y1 in boxes:
        cut = (max(x0 - left, 0), max(y0 - top, 0), min(x1 - left, width), min(y1 - top, height))
        seen = max(cut[2] - cut[0], 0) * max(cut[3] - cut[1], 0)
        if seen >= VISIBLE * (x1 - x0) * (y1 - y0):
            kept.append((width - cut[2], cut[1], width - cut[0], cut[3]) if framing.mirror else cut)
    if framing.mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if framing.light != 1.0:
        image = image.point([min(255, round(value * framing.light)) for value in range(256)] * 3)
    return image, kept


def _original(photo: Photo) -> Image.Image:
    hint = "pip install scikit-image scikit-learn"
    try:
        return decode(read_bytes(_package(photo.package, hint) / photo.file), photo.file)
    except ImageError as error:
        raise ConfigError(f"package `{photo.package}` lacks a photograph of the demo: {error}", hint) from None


def _package(name: str, hint: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"package `{name}`, which holds the data, is not installed", hint)
    return Path(spec.submodule_search_locations[0])


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode("utf-8", "surrogateescape")


def _write(path: Path, data: bytes) -> None:
    """Puts a file in place whole, by renaming; one that has these bytes already is left as it is."""
    part = path.with_name(f".{path.name}.part")
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"`{one_line(str(path))}` cannot be written: {cause(error)}") from None
