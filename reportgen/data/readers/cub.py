"""Reader of the text files of CUB-200-2011 (Caltech-UCSD Birds)."""

from __future__ import annotations

import re
from pathlib import Path

from reportgen.data.readers.annotated_object import AnnotatedObject, Objects, read_text
from reportgen.data.samples import RejectedInput

IMAGES, BOXES, LABELS, CLASSES = "images.txt", "bounding_boxes.txt", "image_class_labels.txt", "classes.txt"


def is_cub(folder: Path) -> bool:
    """Whether a folder has CUB's list of images."""
    return (folder / IMAGES).is_file()


def read_cub(folder: Path) -> Objects:
    """Yield the objects of CUB's folder. Every line is a number and its value; boxes are x, y, width, height.

    Errors: DataError if one of the files cannot be read.
    """
    tables: dict[str, dict[str, tuple[str, str]]] = {}
    for name in (IMAGES, BOXES, LABELS, CLASSES):
        table = tables[name] = {}
        for number, line in enumerate(read_text(folder / name).splitlines(), 1):
            key, _, value = line.strip().partition(" ")
            if key and value:
                table[key] = (f"{name}:{number}", value.strip())
            elif key:
                yield RejectedInput(f"{name}:{number}", f"`{key}` has no value: a number and its value are needed")
    for key, (where, text) in tables[BOXES].items():
        try:
            x, y, width, height = map(float, text.split())
        except ValueError:
            yield RejectedInput(where, f"`{text}` is not x, y, width, height")
            continue
        if key not in tables[IMAGES]:
            yield RejectedInput(where, f"image {key} is not in `{IMAGES}`")
            continue
        class_number = tables[LABELS].get(key, ("", ""))[1]
        label = tables[CLASSES].get(class_number, ("", ""))[1]
        yield AnnotatedObject(where, tables[IMAGES][key][1], label, (x, y, x + width, y + height))


def without_number(class_name: str) -> str:
    """Remove the number in front of CUB's class names: `001.Black_footed_Albatross` → `Black_footed_Albatross`."""
    return re.sub(r"^\d+\.", "", class_name)
