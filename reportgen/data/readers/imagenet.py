"""Reader of the box table of ImageNet's localization task on Kaggle (`LOC_val_solution.csv`)."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from reportgen.data.readers.annotated_object import AnnotatedObject, Objects, read_text
from reportgen.data.samples import RejectedInput

HEADER = b"ImageId,PredictionString"


def is_imagenet(path: Path) -> bool:
    """Whether a file begins with the header of ImageNet's table."""
    try:
        with open(path, "rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").replace(b'"', b"").startswith(HEADER)
    except OSError:
        return False


def read_imagenet(path: Path) -> Objects:
    """Yield the objects of the table: a wnid and x0 y0 x1 y1 for each; the last pixel belongs to the box.

    Errors: DataError if the file cannot be read.
    """
    for number, row in enumerate(csv.reader(io.StringIO(read_text(path))), 1):
        if number == 1 or not row:
            continue
        where = f"{path.name}:{number}"
        values = row[1].split() if len(row) == 2 else []
        if not values or len(values) % 5:
            yield RejectedInput(where, "not an image name followed by a class and four numbers for each box")
            continue
        for start in range(0, len(values), 5):
            wnid, *corners = values[start : start + 5]
            try:
                x0, y0, x1, y1 = map(float, corners)
            except ValueError:
                yield RejectedInput(where, f"`{' '.join([wnid, *corners])}` is not a class and a box")
                continue
            yield AnnotatedObject(where, row[0], wnid, (x0, y0, x1 + 1, y1 + 1))
