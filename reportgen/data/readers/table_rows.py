"""Rows of a table as text, whatever its format: CSV, JSON lines, Parquet or Arrow."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.data.arrow import ColumnFile, is_columnar
from reportgen.data.files import cause, one_line, read_regular
from reportgen.data.readers.boxes import AnnotationError
from reportgen.errors import DataError
from reportgen.json_text import load_json

CORNERS = ("x0", "y0", "x1", "y1")
COLUMNS = ("path", "label", *CORNERS)
KNOWN_COLUMNS = (*COLUMNS, "group")
LABEL_COLUMNS = ("label", "labels")
"""Columns whose cells may be lists: the labels of an image."""
OBJECT_LABELS = ("categories", "category", "labels", "label")
"""Names for the classes of an image's objects."""
JSON_LINES_ENDINGS = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class TableRows:
    """The rows of a table.

    columns: names, the known ones in lower case; rows: number from 1 and the cells by column, or the reason why the
    row cannot be read; unit: what is numbered, `line` (a CSV's header counts) or `row`.
    """

    columns: list[str]
    rows: Iterable[tuple[int, dict[str, str] | str]]
    unit: str = "line"


def read_rows(table: Path) -> TableRows:
    """Return the rows of a table, which has the columns `path` and all or none of the four corners.

    The ending decides on the format; CSV is the default. Errors: DataError if the file is not such a table.
    """
    found = _read(table)
    _check_columns(table, found.columns)
    return found


def names_images(table: Path) -> bool:
    """Whether a file is a table with a column of paths. Errors: DataError if it cannot be read."""
    return table.is_file() and "path" in _read(table).columns


def _read(table: Path) -> TableRows:
    if is_columnar(table):
        return _read_columns(table)
    return (_read_json_lines if table.suffix.lower() in JSON_LINES_ENDINGS else _read_csv)(_read_lines(table))


def place(table: Path, number: int) -> str:
    """Return where a row is: `t.csv:12` for a line, `t.parquet: row 12` for a row."""
    return one_line(table.name) + (f": row {number}" if is_columnar(table) else f":{number}")


def cell_text(value: Any) -> str:
    """Return a value as the text of a CSV's cell: "" for a missing one, `3` for 3.0. Errors: AnnotationError."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not is_plain(value):
        raise AnnotationError(f"{str(value)[:40]} is neither text nor a number")
    return str(value).strip()


def is_plain(value: Any) -> bool:
    """Whether a value is text, a number or the like, and not a list or an object."""
    return not isinstance(value, (list, dict, tuple, bytes))


def row_text(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells of a row of values as text: those of known columns, plain ones, and lists of labels.

    Errors: AnnotationError.
    """
    columns = {known_column(name): value for name, value in row.items()}
    lists = {name: list_text(value) for name, value in columns.items() if is_label_list(name, value)}
    known = {name: value for name, value in columns.items() if name in KNOWN_COLUMNS or is_plain(value)}
    return {name: cell_text(value) for name, value in known.items() if name not in lists} | lists


def is_label_list(column: str, value: Any) -> bool:
    """Whether a value is a list of labels."""
    return column in LABEL_COLUMNS and isinstance(value, list)


def list_text(values: Sequence[Any]) -> str:
    """Return a list of labels as the text of a CSV's cell: `["cat", "dog"]`. Errors: AnnotationError."""
    return json.dumps(list(map(cell_text, values)), ensure_ascii=False)


def known_column(name: str) -> str:
    """Return the name of a column, in lower case if it is a known one; `file_name`, as `datasets` has it, is `path`."""
    folded = name.strip().lower()
    return "path" if folded == "file_name" else folded if folded in KNOWN_COLUMNS else name.strip()


def _check_columns(table: Path, columns: list[str]) -> None:
    missing = [name for name in CORNERS if name not in columns]
    if "path" in columns and len(missing) in (0, 4):
        return
    shown = ", ".join(f"`{one_line(name[:40])}`" for name in columns[:12]) or "none"
    lacking = "`path`" if "path" not in columns else ", ".join(f"`{name}`" for name in missing)
    hint = "the columns are path,label,x0,y0,x1,y1"
    if not is_columnar(table) and table.suffix.lower() not in JSON_LINES_ENDINGS:
        hint = "write the header `path,label,x0,y0,x1,y1` above the rows, as UTF-8 text"
    raise DataError(f"table `{one_line(str(table))}` has no column {lacking}; columns found: {shown}", hint)


def _read_lines(table: Path) -> list[str]:
    """Return the lines with their ends. Bytes that are not UTF-8 become surrogates, as they do in file names."""
    try:
        text = read_regular(table).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DataError(f"table `{one_line(str(table))}` cannot be read: {cause(error)}") from None
    return list(io.StringIO(text, newline=""))


# CSV


def _read_csv(lines: list[str]) -> TableRows:
    """Return the rows below the header. The separator is that with which the header has most known columns."""
    top = next((i for i, line in enumerate(lines) if line.strip()), 0)
    headers = {
        delimiter: list(map(known_column, cells))
        for delimiter in ",;\t"
        for _, cells in _records(lines[top : top + 1], delimiter, 0)
        if isinstance(cells, list)
    }
    delimiter = max(headers, key=lambda sign: len(set(COLUMNS).intersection(headers[sign])), default=",")
    columns = headers.get(delimiter, [])
    records = _records(lines, delimiter, top + 1)
    return TableRows(columns, ((n, _by_column(cells, columns)) for n, cells in records))


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


def _by_column(cells: list[str] | str, columns: list[str]) -> dict[str, str] | str:
    """Return the cells by column, the first of each name; cells missing at the end of a row are missing here too."""
    if isinstance(cells, str):
        return cells
    row: dict[str, str] = {}
    for name, cell in zip(columns, cells, strict=False):
        row.setdefault(name, cell)
    return row


# JSON lines


def _read_json_lines(lines: list[str]) -> TableRows:
    """Return one row a line that is not blank, and one for each of its `objects`; the columns are those of all rows."""
    rows = [(number, row) for number, line in enumerate(lines, 1) if line.strip() for row in _json_rows(line)]
    columns = dict.fromkeys(name for _, cells in rows if isinstance(cells, dict) for name in cells)
    return TableRows(list(columns), rows)


def _json_rows(line: str) -> list[dict[str, str] | str]:
    try:
        row = load_json(line)
        if not isinstance(row, dict):
            return ["not a JSON object"]
        cells = row_text(row)
    except json.JSONDecodeError as error:
        return [f"not JSON at character {error.pos + 1}: {cause(ValueError(error.msg))}"]
    except AnnotationError as error:
        return [str(error)]
    except ValueError as error:
        return [f"not JSON: {cause(error)}"]
    try:
        return [cells, *(cells | box for box in object_rows(row.get("objects")))]
    except (AnnotationError, TypeError, ValueError) as error:
        return [cells, f"its `objects` cannot be read: {cause(error)}"]


def object_rows(objects: Any) -> list[dict[str, str]]:
    """Return label and corners of each object of an image, as `imagefolder` of `datasets` states them.

    objects: a dict with `bbox`, lists of left, top, width and height, and with or without `categories` (or `category`,
        `labels`, `label`), one for each box; without them, `label` is that of the image. Anything else has no rows.
    Errors: AnnotationError, TypeError or ValueError.
    """
    if not isinstance(objects, dict) or not isinstance(objects.get("bbox"), list):
        return []
    boxes = objects["bbox"]
    labels = next((objects[key] for key in OBJECT_LABELS if key in objects), None)
    if labels is not None and (not isinstance(labels, list) or len(labels) != len(boxes)):
        raise AnnotationError(f"{len(boxes)} boxes have another number of categories")
    rows = []
    for i, (x, y, width, height) in enumerate(boxes):
        corners = (x, y, float(x) + float(width), float(y) + float(height))
        named = {} if labels is None else {"label": cell_text(labels[i])}
        rows.append({**named, **dict(zip(CORNERS, map(str, corners), strict=True))})
    return rows


# Parquet and Arrow


def _read_columns(table: Path) -> TableRows:
    """Return the rows of the columns of plain values and of lists of labels."""
    file = ColumnFile(table)
    columns = [*file.plain_columns, *file.list_columns(LABEL_COLUMNS)]
    names = {name: file.label_names(name) for name in columns}
    rows = (
        {known_column(name): named_cell(row[name], names[name]) for name in columns} for row, _ in file.cells(columns)
    )
    return TableRows(list(map(known_column, columns)), enumerate(rows, 1), "row")


def named_cell(value: Any, names: Sequence[str] | None) -> str:
    """Return the text of a cell. names: those of class numbers; −1, which `datasets` writes for no label, gives ""."""
    if isinstance(value, list):
        return list_text([named_cell(one, names) for one in value])
    if names is None or not isinstance(value, int):
        return cell_text(value)
    return names[value] if 0 <= value < len(names) else "" if value == -1 else str(value)
