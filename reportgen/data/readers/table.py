"""Reader of tables `path,label,x0,y0,x1,y1` (CSV, JSON lines, Parquet) with one row for each image or box.

A row that cannot be used is left out and reported; the other rows are not affected.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from reportgen.data.class_names import ClassNames
from reportgen.data.files import cause, one_line
from reportgen.data.readers.boxes import AnnotationError, Box, checked_box
from reportgen.data.readers.table_rows import CORNERS, KNOWN_COLUMNS, place, read_rows
from reportgen.data.samples import RejectedInput, Sample, no_boxes

MAX_COLUMNS = 40
"""Further columns that are kept of an image."""
MAX_NAME, MAX_TEXT = 80, 2000
"""Characters that are kept of a column's name and of a cell."""


@dataclass
class ImageAnnotation:
    """The rows of one image.

    lines: the line number of each box, and of rows that have a label (or None) alone; columns: further ones, by name.
    """

    label: int | None = None
    lines: dict[Box | int | None, int] = field(default_factory=dict)
    group: str = ""
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def boxes(self) -> np.ndarray:
        """`(B, 4)` float32, x0 y0 x1 y1."""
        boxes = [key for key in self.lines if isinstance(key, tuple)]
        return np.array(boxes, np.float32) if boxes else no_boxes()

    @property
    def box_lines(self) -> list[int]:
        """The line numbers of the boxes."""
        return [line for key, line in self.lines.items() if isinstance(key, tuple)]

    def applied_to(self, sample: Sample) -> Sample:
        """Return the sample with this annotation."""
        return replace(sample, label=self.label, boxes=self.boxes, group=self.group, columns=self.columns)


def read_table(
    table: Path, folders: Sequence[Path], class_names: ClassNames
) -> tuple[dict[Path, ImageAnnotation], list[RejectedInput]]:
    """Return the annotations of every existing image of the table, by absolute path, and the rows left out.

    folders: where relative paths are searched, in order. A row with an unknown label or a bad box still adds its image.
    Errors: DataError if the file is not such a table.
    """
    annotations: dict[Path, ImageAnnotation] = defaultdict(ImageAnnotation)
    refused: list[RejectedInput] = []
    found = read_rows(table)
    if note := columns_left_out(table, found.columns):
        refused.append(note)
    for number, cells in found.rows:
        try:
            if isinstance(cells, str):
                raise AnnotationError(cells)
            row: Mapping[str, str] = defaultdict(str, cells)
            add_row(annotations[_locate(row["path"], folders)], row, number, found.unit, class_names)
        except AnnotationError as error:
            refused.append(RejectedInput(place(table, number), one_line(str(error))))
    return dict(annotations), refused


def add_row(
    annotation: ImageAnnotation, row: Mapping[str, str], number: int, unit: str, class_names: ClassNames
) -> None:
    """Add a row to its image's annotation. row: its cells, "" for missing ones; unit: what `number` counts.

    Errors: AnnotationError for the part that cannot be used.
    """
    annotation.group = annotation.group or row["group"]
    _add_columns(annotation.columns, row)
    label = None
    if row["label"]:
        try:
            label = class_names.index(row["label"])
        except LookupError as error:
            raise AnnotationError(str(error)) from None
        if annotation.label not in (None, label):
            raise AnnotationError(f"a second label, `{row['label']}`: an image has one, and the first row counts")
        annotation.label = label
    box = _parse_box([row[corner] for corner in CORNERS])
    key = label if box is None else box
    if key in annotation.lines:
        raise AnnotationError(f"repeats {unit} {annotation.lines[key]}")
    annotation.lines[key] = number


def _add_columns(columns: dict[str, str], row: Mapping[str, str]) -> None:
    """Add the further columns of a row; of several rows of an image, the first that has a value counts."""
    for name, text in row.items():
        if name and text and name not in KNOWN_COLUMNS and (name in columns or len(columns) < MAX_COLUMNS):
            columns.setdefault(one_line(name)[:MAX_NAME], one_line(text[:MAX_TEXT]))


def columns_left_out(table: Path, columns: Sequence[str]) -> RejectedInput | None:
    """Return the note that a table has too many further columns, or None."""
    extra = [name for name in columns if name and name not in KNOWN_COLUMNS]
    if len(extra) <= MAX_COLUMNS:
        return None
    return RejectedInput(one_line(table.name), f"of {len(extra)} further columns, the first {MAX_COLUMNS} are kept")


def annotate_one(row: Mapping[str, str], class_names: ClassNames) -> tuple[ImageAnnotation, str]:
    """Return the annotation of an image that has one row, and the reason why a part of it is left out, or "".

    row: its cells, "" for missing ones.
    """
    annotation = ImageAnnotation()
    try:
        add_row(annotation, row, 1, "row", class_names)
    except AnnotationError as error:
        return annotation, str(error)
    if annotation.label is None and annotation.box_lines:
        return replace(annotation, lines={}), "a box needs a label, and the image has none"
    return annotation, ""


def _locate(cell: str, folders: Sequence[Path]) -> Path:
    """Return the file that a cell names, as a normalized absolute path. Errors: AnnotationError if there is none."""
    if not cell:
        raise AnnotationError("no path")
    reason = ""
    for folder in folders:
        path = os.path.abspath(folder / cell)
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                return Path(path)
            reason = reason or "not a regular file"
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = reason or cause(error)
    raise AnnotationError(f"`{os.path.basename(cell) if os.path.isabs(cell) else cell}`: {reason}")


def _parse_box(cells: list[str]) -> Box | None:
    """Return the box of a row, or None if its cells are empty. Errors: AnnotationError if it is not a box."""
    if not any(cells):
        return None
    if not all(cells):
        raise AnnotationError("a box needs all four of x0, y0, x1, y1")
    x0, y0, x1, y1 = map(_parse_number, cells)
    return checked_box(x0, y0, x1, y1)


def _parse_number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise AnnotationError(f"`{cell}` is not a number") from None
