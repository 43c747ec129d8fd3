"""Annotations as published data sets carry them: COCO's JSON, Pascal VOC's XML, CUB's text files, ImageNet's table.

Each reader yields entries; one place finds their images, checks their boxes and turns them upright. A bad entry costs
itself and nothing else, and is named with its file and place.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from reportgen.data.class_names import Vocabulary
from reportgen.data.decoding import FORMATS, ORIENTATION, UPRIGHT
from reportgen.data.files import cause, one_line, read_regular
from reportgen.data.masks import Outline, outline
from reportgen.data.readers.table import RowError, checked_box
from reportgen.data.samples import Refused, Sample
from reportgen.errors import DataError

CUB_FILES = ("images.txt", "bounding_boxes.txt", "image_class_labels.txt", "classes.txt")
LOC_HEADER = b"ImageId,PredictionString"
QUARTER_TURNS = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


@dataclass(frozen=True)
class Entry:
    """One object of an image. box: left, top, right, bottom, half-open; size: what it was drawn on, if that is said."""

    where: str
    image: str
    label: str = ""
    box: tuple[float, float, float, float] | None = None
    size: tuple[int, int] | None = None
    segmentation: object = None


def is_published(annotations: Path) -> bool:
    """Whether these are annotations of one of the published formats, and not our own table."""
    if annotations.is_dir() or annotations.suffix.lower() == ".json":
        return True
    try:
        with open(annotations, "rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").replace(b'"', b"").startswith(LOC_HEADER)
    except OSError:
        return False


def annotate(
    samples: Sequence[Sample], annotations: Path, vocabulary: Vocabulary
) -> tuple[list[Sample], list[Refused]]:
    """The samples with their labels, boxes and outlines, and the entries left out. DataError if it cannot be read."""
    finder = _Finder(samples)
    found: dict[int, list[tuple[int | None, Any, Outline | None]]] = defaultdict(list)
    labels: dict[int, int | None] = {}
    refused: list[Refused] = []
    for entry in _entries(annotations):
        try:
            if isinstance(entry, Refused):
                raise RowError(entry.reason)
            i = finder.find(entry.image)
            label = labels.get(i)
            if entry.label:
                label = _class(entry.label, vocabulary)
                if labels.setdefault(i, label) != label:
                    raise RowError(f"a second label, `{entry.label}`: an image has one, and the first counts")
            elif label is None:
                label = samples[i].label
            if label is None:
                raise RowError("a box needs a label, and the image has none")
            if entry.box is not None:
                found[i].append((label, *_upright(entry, samples[i].path)))
        except (RowError, ValueError) as error:
            refused.append(Refused(one_line(entry.where), one_line(str(error))))
    marked = []
    for i, sample in enumerate(samples):
        boxes = np.array([box for _, box, _ in found[i]], np.float32).reshape(-1, 4)
        outlines = tuple(shape for _, _, shape in found[i] if shape)
        label = labels.get(i, sample.label)
        marked.append(dataclasses.replace(sample, label=label, boxes=boxes, outlines=outlines))
    return marked, refused


class _Finder:
    """Images by what annotations call them: the path in the data set, its end, or the name with or without ending."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._by: dict[str, set[int]] = defaultdict(set)
        for i, sample in enumerate(samples):
            path = PurePosixPath(sample.name)
            for start in range(len(path.parts)):
                end = PurePosixPath(*path.parts[start:])
                self._by[str(end)].add(i)
                self._by[str(end.with_suffix(""))].add(i)

    def find(self, text: str) -> int:
        path = PurePosixPath(text.replace("\\", "/"))
        for start in range(len(path.parts)):
            found = self._by.get(str(PurePosixPath(*path.parts[start:])), set())
            if len(found) > 1:
                raise RowError(f"`{text}` is the name of {len(found)} images")
            if found:
                return next(iter(found))
        raise RowError(f"`{text}` is not an image of the data set's folder")


def _class(text: str, vocabulary: Vocabulary) -> int:
    """The class of a name; CUB's are numbered, as in `001.Black_footed_Albatross`."""
    try:
        return vocabulary.index(text)
    except LookupError as error:
        if (plain := re.sub(r"^\d+\.", "", text)) != text:
            try:
                return vocabulary.index(plain)
            except LookupError:
                pass
        raise RowError(str(error)) from None


def _upright(entry: Entry, path: Path) -> tuple[tuple[float, float, float, float], Outline | None]:
    """An entry's box and silhouette in the upright image. Those drawn on the file's pixels as they are stored, which
    the stated width and height tell, follow its EXIF orientation."""
    assert entry.box is not None
    box = checked_box(*entry.box)
    if entry.size is None:
        return box, None
    stored, orientation = _header(path)
    turned = stored[::-1] if orientation in QUARTER_TURNS else stored
    if entry.size not in (stored, turned):
        shown, real = (" × ".join(map(str, size)) for size in (entry.size, turned))
        raise RowError(f"drawn on an image of {shown}, and this one is {real}")
    turn = UPRIGHT[orientation] if orientation in QUARTER_TURNS and entry.size == stored else None
    return _turned(box, stored, turn), outline(entry.segmentation, entry.size, turn)


def _header(path: Path) -> tuple[tuple[int, int], int]:
    """Stored width and height, and EXIF orientation, of an image file; (0, 0) and 1 where it cannot be read."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size, image.getexif().get(ORIENTATION, 1)
    except Exception as error:  # on damaged input Pillow raises nearly every type that there is
        raise RowError(f"its image cannot be read: {cause(error)}") from None


def _turned(
    box: tuple[float, float, float, float], stored: tuple[int, int], turn: Image.Transpose | None
) -> tuple[float, float, float, float]:
    """A box on an image of the size `stored` after the turn of its pixels."""
    (x0, y0, x1, y1), (width, height) = box, stored
    if turn is None:
        return box
    return {
        Image.Transpose.TRANSPOSE: (y0, x0, y1, x1),
        Image.Transpose.TRANSVERSE: (height - y1, width - x1, height - y0, width - x0),
        Image.Transpose.ROTATE_270: (height - y1, x0, height - y0, x1),
        Image.Transpose.ROTATE_90: (y0, width - x1, y1, width - x0),
    }[turn]


# ------------------------------------------------------------------------------------------------- the formats


def _entries(annotations: Path) -> Iterator[Entry | Refused]:
    if annotations.is_dir():
        if (annotations / CUB_FILES[0]).is_file():
            return _cub(annotations)
        return _voc(annotations)
    return _coco(annotations) if annotations.suffix.lower() == ".json" else _loc(annotations)


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"annotations `{one_line(str(path))}` cannot be read: {cause(error)}") from None


def _coco(path: Path) -> Iterator[Entry | Refused]:
    """https://cocodataset.org/#format-data: boxes are x, y, width, height, from the left upper corner."""
    try:
        table = json.loads(_text(path))
        images = {image["id"]: image for image in table["images"]}
        names = {category["id"]: str(category["name"]) for category in table["categories"]}
        objects = list(table["annotations"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        said = f"no `{error.args[0]}`" if isinstance(error, KeyError) else cause(error)
        raise DataError(
            f"`{one_line(str(path))}` is no COCO annotation file ({said})",
            "it needs `images`, `categories` and `annotations`",
        ) from None
    for number, row in enumerate(objects):
        where = f"{path.name}: annotation {row.get('id', number) if isinstance(row, dict) else number}"
        try:
            if row["image_id"] not in images or row["category_id"] not in names:
                raise RowError("its `image_id` or `category_id` is not in the file")
            image = images[row["image_id"]]
            if row.get("iscrowd"):
                raise RowError("a crowd, not one object")
            x, y, width, height = map(float, row["bbox"])
            size = (int(image["width"]), int(image["height"])) if "width" in image and "height" in image else None
            box = (x, y, x + width, y + height)
            yield Entry(where, str(image["file_name"]), names[row["category_id"]], box, size, row.get("segmentation"))
        except RowError as error:
            yield Refused(where, str(error))
        except KeyError as error:
            yield Refused(where, f"no `{error.args[0]}`")
        except (TypeError, ValueError, AttributeError) as error:
            yield Refused(where, f"not an annotation: {cause(error)}")


def _voc(folder: Path) -> Iterator[Entry | Refused]:
    """One XML file an image. Pascal VOC counts pixels from 1, ImageNet from 0; both include the last."""
    files = sorted(folder.rglob("*.xml"))
    if not files:
        raise DataError(
            f"annotations `{one_line(str(folder))}` have no XML files and no `images.txt`",
            "give a folder of Pascal VOC files, CUB's folder, a COCO .json, or a CSV table",
        )
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            root = ElementTree.fromstring(_text(path))
        except (ElementTree.ParseError, DataError, ValueError) as error:
            yield Refused(name, f"not XML: {cause(error)}")
            continue
        first = 0 if "ILSVRC" in (root.findtext("source/database") or "") + (root.findtext("filename") or "") else 1
        size = tuple(int(root.findtext(f"size/{side}") or 0) for side in ("width", "height"))
        image = root.findtext("filename") or path.stem
        for number, thing in enumerate(root.iter("object"), 1):
            where = f"{name}: object {number}"
            try:
                sides = [float(thing.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax")]
            except ValueError:
                yield Refused(where, "a box needs all four of xmin, ymin, xmax, ymax, as numbers")
                continue
            x0, y0, x1, y1 = sides
            box = (x0 - first, y0 - first, x1 - first + 1, y1 - first + 1)
            stated = (size[0], size[1]) if all(size) else None
            yield Entry(where, image, (thing.findtext("name") or "").strip(), box, stated)


def _cub(folder: Path) -> Iterator[Entry | Refused]:
    """CUB-200-2011: lines of an image's number and its path, class, or box as x, y, width, height."""
    rows: dict[str, dict[str, tuple[str, str]]] = {}
    for name in CUB_FILES:
        rows[name] = {}
        for number, line in enumerate(_text(folder / name).splitlines(), 1):
            key, _, rest = line.strip().partition(" ")
            if key and rest:
                rows[name][key] = (f"{name}:{number}", rest.strip())
            elif key:
                yield Refused(f"{name}:{number}", f"`{key}` stands alone: a number and its value are needed")
    images, boxes, classes_of, classes = (rows[name] for name in CUB_FILES)
    for key, (where, text) in boxes.items():
        try:
            x, y, width, height = map(float, text.split())
        except ValueError:
            yield Refused(where, f"`{text}` is not x, y, width, height")
            continue
        if key not in images:
            yield Refused(where, f"image {key} is not in `images.txt`")
            continue
        label = classes.get(classes_of.get(key, ("", ""))[1], ("", ""))[1]
        yield Entry(where, images[key][1], label, (x, y, x + width, y + height))


def _loc(path: Path) -> Iterator[Entry | Refused]:
    """ImageNet's LOC_val_solution.csv: a wnid and four inclusive pixels, again and again."""
    for number, row in enumerate(csv.reader(io.StringIO(_text(path))), 1):
        if number == 1 or not row:
            continue
        words = row[1].split() if len(row) == 2 else []
        if not words or len(words) % 5:
            yield Refused(f"{path.name}:{number}", "not a name, and then a class and four numbers for each box")
            continue
        for start in range(0, len(words), 5):
            try:
                x0, y0, x1, y1 = map(float, words[start + 1 : start + 5])
            except ValueError:
                yield Refused(
                    f"{path.name}:{number}", f"`{' '.join(words[start : start + 5])}` is not a class and a box"
                )
                continue
            yield Entry(f"{path.name}:{number}", row[0], words[start], (x0, y0, x1 + 1, y1 + 1))
