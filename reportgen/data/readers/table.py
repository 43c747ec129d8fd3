"""Reader of CSV tables `path,label,x0,y0,x1,y1` with one row for each image or box.

A row that cannot be used is left out and reported; the other rows are not affected.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reportgen.data.class_names import ClassNames
from reportgen.data.files import cause, one_line, read_regular
from reportgen.data.readers.boxes import AnnotationError, Box, checked_box
from reportgen.data.samples import RejectedInput, no_boxes
from reportgen.errors import DataError

CORNERS = ("x0", "y0", "x1", "y1")
COLUMNS = ("path", "label", *CORNERS)
KNOWN_COLUMNS = (*COLUMNS, "group")


@dataclass
class ImageAnnotation:
    """The rows of one image. lines: the line number of each box, and of rows that have a label (or None) alone."""

    label: int | None = None
    lines: dict[Box | int | None, int] = field(default_factory=dict)
    group: str = ""

    @property
    def boxes(self) -> np.ndarray:
        """`(B, 4)` float32, x0 y0 x1 y1."""
        boxes = [key for key in self.lines if isinstance(key, tuple)]
        return np.array(boxes, np.float32) if boxes else no_boxes()

    @property
    def box_lines(self) -> list[int]:
        """The line numbers of the boxes."""
        return [line for key, line in self.lines.items() if isinstance(key, tuple)]


def read_table(
    table: Path, folders: Sequence[Path], class_names: ClassNames
) -> tuple[dict[Path, ImageAnnotation], list[RejectedInput]]:
    """Return the annotations of every existing image of the table, by absolute path, and the rows left out.

    folders: where relative paths are searched, in order. A row with an unknown label or a bad box still adds its image.
    Errors: DataError if the file is not such a table.
    """
    lines = _read_lines(table)
    delimiter, columns, start = _parse_header(table, lines)
    annotations: dict[Path, ImageAnnotation] = {}
    refused = []
    for number, cells in _records(lines, delimiter, start):
        try:
            if isinstance(cells, str):
                raise AnnotationError(cells)
            _add_row(annotations, _by_column(cells, columns), number, folders, class_names)
        except AnnotationError as error:
            refused.append(RejectedInput(f"{one_line(table.name)}:{number}", one_line(str(error))))
    return annotations, refused


def _add_row(
    annotations: dict[Path, ImageAnnotation],
    row: dict[str, str],
    number: int,
    folders: Sequence[Path],
    class_names: ClassNames,
) -> None:
    """Add a row to its image's annotation. Errors: AnnotationError for the part that cannot be used."""
    annotation = annotations.setdefault(_locate(row["path"], folders), ImageAnnotation())
    annotation.group = annotation.group or row["group"]
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
        raise AnnotationError(f"repeats line {annotation.lines[key]}")
    annotation.lines[key] = number


def _read_lines(table: Path) -> list[str]:
    """Return the lines with their ends. Bytes that are not UTF-8 become surrogates, as they do in file names."""
    try:
        text = read_regular(table).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DataError(f"table `{one_line(str(table))}` cannot be read: {cause(error)}") from None
    return list(io.StringIO(text, newline=""))


def _parse_header(table: Path, lines: list[str]) -> tuple[str, dict[str, int], int]:
    """Return the delimiter, the position of each known column, and the index of the first line below the header."""
    top = next((i for i, line in enumerate(lines) if line.strip()), 0)
    headers = {
        delimiter: [cell.lower() for cell in cells]
        for delimiter in ",;\t"
        for _, cells in _records(lines[top : top + 1], delimiter, 0)
        if isinstance(cells, list)
    }
    delimiter = max(headers, key=lambda sign: len(set(COLUMNS).intersection(headers[sign])), default=",")
    header = headers.get(delimiter, [])
    missing = [name for name in CORNERS if name not in header]
    if "path" not in header or len(missing) in (1, 2, 3):
        shown = ", ".join(f"`{one_line(name[:40])}`" for name in header[:12]) or "none"
        lacking = "`path`" if "path" not in header else ", ".join(f"`{name}`" for name in missing)
        message = f"table `{one_line(str(table))}` has no column {lacking}; columns found: {shown}"
        raise DataError(message, "write the header `path,label,x0,y0,x1,y1` above the rows, as UTF-8 text")
    return delimiter, {name: header.index(name) for name in KNOWN_COLUMNS if name in header}, top + 1


def _records(lines: list[str], delimiter: str, start: int) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line number and the stripped cells of each row that is not blank, or the reason why it is not CSV.

    A quoted cell may span several lines; a quote that is never closed makes only its own line invalid.
    """
    at = start
    while at < len(lines):
        reader = csv.reader((lines[i] for i in range(at, len(lines))), delimiter=delimiter, strict=True)
        try:
            cells = [cell.strip() for cell in next(reader)]
        except csv.Error as error:
            yield at + 1, f"not CSV: {cause(error)}"
            at += 1
            continue
        if any(cells):
            yield at + 1, cells
        at += reader.line_num


def _by_column(cells: list[str], columns: dict[str, int]) -> dict[str, str]:
    """Return the cells of the known columns by name; cells missing at the end of a row are empty."""
    return {name: cells[columns[name]] if columns.get(name, len(cells)) < len(cells) else "" for name in KNOWN_COLUMNS}


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
