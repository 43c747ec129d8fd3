"""A CSV table `path,label,x0,y0,x1,y1`: one row an image, or one a box. A bad row costs itself and nothing else."""

from __future__ import annotations

import csv
import io
import math
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reportgen.data.class_names import Vocabulary
from reportgen.data.files import cause, one_line, read_regular
from reportgen.data.samples import Refused, no_boxes
from reportgen.errors import DataError

CORNERS = ("x0", "y0", "x1", "y1")
COLUMNS = ("path", "label", *CORNERS)
KNOWN = (*COLUMNS, "group")
LARGEST = 2.0**24  # pixels; float32 counts no further, and no image that decodes is larger
Box = tuple[float, float, float, float]


class RowError(Exception):
    """Why a row, or the box in it, is left out."""


@dataclass
class Mark:
    """What a table says of one image: its label, and the line on which each box (or a bare label) stands."""

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
        return [line for key, line in self.lines.items() if isinstance(key, tuple)]


def read_table(table: Path, folders: Sequence[Path], vocabulary: Vocabulary) -> tuple[dict[Path, Mark], list[Refused]]:
    """The marks of every image that the table names and that is a file, by absolute path, and the rows left out.

    Relative paths are looked for in `folders`, in order. DataError if the file is no such table.
    A row with an unknown label, or a bad box, still counts its image.
    """
    lines = _lines(table)
    delimiter, columns, start = _header(table, lines)
    marks: dict[Path, Mark] = {}
    refused = []
    for number, cells in _records(lines, delimiter, start):
        try:
            if isinstance(cells, str):
                raise RowError(cells)
            _add(marks, _row(cells, columns), number, folders, vocabulary)
        except RowError as error:
            refused.append(Refused(f"{one_line(table.name)}:{number}", one_line(str(error))))
    return marks, refused


def _add(
    marks: dict[Path, Mark], row: dict[str, str], number: int, folders: Sequence[Path], vocabulary: Vocabulary
) -> None:
    """Puts one row down under its image; RowError for what of it cannot be used."""
    mark = marks.setdefault(_locate(row["path"], folders), Mark())
    mark.group = mark.group or row["group"]
    label = None
    if row["label"]:
        try:
            label = vocabulary.index(row["label"])
        except LookupError as error:
            raise RowError(str(error)) from None
        if mark.label not in (None, label):
            raise RowError(f"a second label, `{row['label']}`: an image has one, and the first row counts")
        mark.label = label
    box = _box([row[corner] for corner in CORNERS])
    key = label if box is None else box
    if key in mark.lines:
        raise RowError(f"repeats line {mark.lines[key]}")
    mark.lines[key] = number


def _lines(table: Path) -> list[str]:
    """The table's lines with their ends. Bytes that are not UTF-8 stay as surrogates, as they do in file names."""
    try:
        text = read_regular(table).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DataError(f"table `{one_line(str(table))}` cannot be read: {cause(error)}") from None
    return list(io.StringIO(text, newline=""))


def _header(table: Path, lines: list[str]) -> tuple[str, dict[str, int], int]:
    """The delimiter, the position of each known column, and the index of the first line below the header."""
    top = next((i for i, line in enumerate(lines) if line.strip()), 0)
    heads = {
        delimiter: [cell.lower() for cell in cells]
        for delimiter in ",;\t"
        for _, cells in _records(lines[top : top + 1], delimiter, 0)
        if isinstance(cells, list)
    }
    delimiter = max(heads, key=lambda sign: len(set(COLUMNS).intersection(heads[sign])), default=",")
    found = heads.get(delimiter, [])
    missing = [name for name in CORNERS if name not in found]
    if "path" not in found or len(missing) in (1, 2, 3):
        shown = ", ".join(f"`{one_line(name[:40])}`" for name in found[:12]) or "none"
        lacking = "`path`" if "path" not in found else ", ".join(f"`{name}`" for name in missing)
        message = f"table `{one_line(str(table))}` has no column {lacking}; columns found: {shown}"
        raise DataError(message, "write the header `path,label,x0,y0,x1,y1` above the rows, as UTF-8 text")
    return delimiter, {name: found.index(name) for name in KNOWN if name in found}, top + 1


def _records(lines: list[str], delimiter: str, start: int) -> Iterator[tuple[int, list[str] | str]]:
    """The line number and stripped cells of each row that is not blank, or why the line is none.

    A quoted cell may run over several lines; a quote that is never closed spoils its own line only.
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


def _row(cells: list[str], columns: dict[str, int]) -> dict[str, str]:
    """The known cells of a row by column; a short row ends in empty cells."""
    return {name: cells[columns[name]] if columns.get(name, len(cells)) < len(cells) else "" for name in KNOWN}


def _locate(cell: str, folders: Sequence[Path]) -> Path:
    """The file that a cell names, as a normalised absolute path; RowError if there is none."""
    if not cell:
        raise RowError("no path")
    reason = ""
    for folder in folders:
        path = os.path.abspath(folder / cell)
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                return Path(path)
            reason = reason or "not a regular file"
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = reason or cause(error)
    raise RowError(f"`{os.path.basename(cell) if os.path.isabs(cell) else cell}`: {reason}")


def _box(cells: list[str]) -> Box | None:
    """The box of a row, cut at the image's left and top, or None if its cells are empty; RowError if it is no box."""
    if not any(cells):
        return None
    if not all(cells):
        raise RowError("a box needs all four of x0, y0, x1, y1")
    x0, y0, x1, y1 = map(_number, cells)
    return checked_box(x0, y0, x1, y1)


def checked_box(x0: float, y0: float, x1: float, y1: float) -> Box:
    """A box cut at the image's left and top; RowError if it is none."""
    shown = f"box {x0:g} {y0:g} {x1:g} {y1:g}"
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        raise RowError(f"{shown} is not finite")
    if max(map(abs, (x0, y0, x1, y1))) > LARGEST:
        raise RowError(f"{shown} is larger than any image")
    x0, y0, x1, y1 = np.array([x0, y0, x1, y1], np.float32).tolist()
    if x1 < x0 or y1 < y0:
        raise RowError(f"{shown} is reversed: the order is left, top, right, bottom")
    if x1 == x0 or y1 == y0:
        raise RowError(f"{shown} has no area")
    if x1 <= 0 or y1 <= 0:
        raise RowError(f"{shown} lies outside of the image")
    return max(x0, 0.0), max(y0, 0.0), x1, y1


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise RowError(f"`{cell}` is not a number") from None
