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
from types import MappingProxyType
from typing import Any

import numpy as np

from reportgen.data.class_names import ClassNames
from reportgen.data.files import cause, one_line
from reportgen.data.readers.boxes import AnnotationError, Box, checked_box
from reportgen.data.readers.label_cells import class_columns, labels_in, labels_of_columns
from reportgen.data.readers.table_rows import CORNERS, KNOWN_COLUMNS, LABEL_COLUMNS, place, read_rows
from reportgen.data.samples import RejectedInput, Sample, no_boxes

MAX_COLUMNS = 40
"""Further columns that are kept of an image."""
MAX_NAME, MAX_TEXT = 80, 2000
"""Characters that are kept of a column's name and of a cell."""


@dataclass
class ImageAnnotation:
    """The rows of one image.

    lines: (label, box) → number of the row; (label or None, None) of rows without a box. Boxes of a data set of one
        label an image have the label None. columns: further ones, by name; labels: of a multi-label data set.
    """

    label: int | None = None
    labels: tuple[int, ...] | None = None
    lines: dict[tuple[Any, Box | None], int] = field(default_factory=dict)
    group: str = ""
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def boxes(self) -> np.ndarray:
        """`(B, 4)` float32, x0 y0 x1 y1."""
        boxes = [box for _, box in self.lines if box]
        return np.array(boxes, np.float32) if boxes else no_boxes()

    @property
    def box_lines(self) -> list[int]:
        """The line numbers of the boxes."""
        return [line for (_, box), line in self.lines.items() if box]

    def applied_to(self, sample: Sample) -> Sample:
        """Return the sample with this annotation."""
        return replace(
            sample,
            label=self.label,
            labels=self.labels,
            boxes=self.boxes,
            box_labels=tuple(label for label, box in self.lines if box and label is not None),
            group=self.group,
            columns=self.columns,
        )


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
    classes = columns_of_classes(table, found.columns, class_names)
    for number, cells in found.rows:
        try:
            if isinstance(cells, str):
                raise AnnotationError(cells)
            row: Mapping[str, str] = defaultdict(str, cells)
            add_row(annotations[_locate(row["path"], folders)], row, number, found.unit, class_names, classes)
        except AnnotationError as error:
            refused.append(RejectedInput(place(table, number), one_line(str(error))))
    return dict(annotations), refused


def columns_of_classes(table: Path, columns: Sequence[str], class_names: ClassNames) -> dict[str, int]:
    """Return the columns of 0 and 1 of a multi-label table, see `class_columns`; empty with a column of labels."""
    if not class_names.is_multilabel or not set(LABEL_COLUMNS).isdisjoint(columns):
        return {}
    return class_columns(one_line(str(table)), [name for name in columns if name not in KNOWN_COLUMNS], class_names)


def add_row(
    annotation: ImageAnnotation,
    row: Mapping[str, str],
    number: int,
    unit: str,
    class_names: ClassNames,
    classes: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Add a row to its image's annotation.

    row: its cells, "" for missing ones; unit: what `number` counts; classes: see `columns_of_classes`.
    Errors: AnnotationError for the part that cannot be used.
    """
    annotation.group = annotation.group or row["group"]
    no_columns = {*classes, *LABEL_COLUMNS} if class_names.is_multilabel else set()
    _add_columns(annotation.columns, {name: text for name, text in row.items() if name not in no_columns})
    if class_names.is_multilabel:
        labels = labels_of_columns(row, classes) if classes else labels_in(row["label"] or row["labels"], class_names)
        box = _parse_box([row[corner] for corner in CORNERS])
        if box and (labels is None or len(labels) != 1):
            raise AnnotationError("a box needs one label in its row")
        if labels is not None:
            annotation.labels = tuple(sorted({*(annotation.labels or ()), *labels}))
        key = (labels[0] if labels and box else labels, box)
    else:
        label = _label_of(annotation, row, class_names)
        box = _parse_box([row[corner] for corner in CORNERS])
        key = (None if box else label, box)
    if key in annotation.lines:
        raise AnnotationError(f"repeats {unit} {annotation.lines[key]}")
    annotation.lines[key] = number


def _label_of(annotation: ImageAnnotation, row: Mapping[str, str], class_names: ClassNames) -> int | None:
    """Return the one label of a row, which becomes that of its image. Errors: AnnotationError."""
    if not row["label"]:
        return None
    try:
        label = class_names.index(row["label"])
    except LookupError as error:
        if row["label"].startswith("["):
            reason = f"{row['label'][:40]} is a list: an image has one label, unless `outputs` is `multilabel`"
            raise AnnotationError(reason) from None
        raise AnnotationError(str(error)) from None
    if annotation.label not in (None, label):
        raise AnnotationError(f"a second label, `{row['label']}`: an image has one, and the first row counts")
    annotation.label = label
    return label


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


def annotate_one(
    row: Mapping[str, str], class_names: ClassNames, classes: Mapping[str, int] = MappingProxyType({})
) -> tuple[ImageAnnotation, str]:
    """Return the annotation of an image that has one row, and the reason why a part of it is left out, or "".

    row: its cells, "" for missing ones; classes: see `columns_of_classes`.
    """
    annotation = ImageAnnotation()
    try:
        add_row(annotation, row, 1, "row", class_names, classes)
    except AnnotationError as error:
        return annotation, str(error)
    if annotation.label is None and annotation.box_lines and not class_names.is_multilabel:
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
