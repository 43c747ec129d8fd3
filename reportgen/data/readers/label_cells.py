"""Several labels of one image in a row of a table: a cell that lists them, or a column of 0 and 1 for each class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reportgen.data.class_names import ClassNames
from reportgen.data.readers.boxes import AnnotationError
from reportgen.errors import DataError
from reportgen.json_text import load_json

SEPARATORS = re.compile(r"[|;]")
ONE_OF_CLASS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


def labels_in(text: str, class_names: ClassNames) -> tuple[int, ...] | None:
    """Return the classes that a cell lists, increasing; None for an empty cell, () for `[]`.

    text: the name of one class, names between `|` or `;`, or a JSON list. Errors: AnnotationError if one of them is
    unknown: without it, the image would count as an example against a class that it may show.
    """
    if not text:
        return None
    try:
        return (class_names.index(text),)
    except LookupError:
        names = _json_list(text) if text.startswith("[") else SEPARATORS.split(text)
    try:
        return tuple(sorted({class_names.index(name.strip()) for name in names if name.strip()}))
    except LookupError as error:
        raise AnnotationError(f"{error}; the image is left without labels (no class at all is `[]`)") from None


def _json_list(text: str) -> list[str]:
    try:
        values = load_json(text)
    except ValueError:
        values = None
    if not isinstance(values, list):
        raise AnnotationError(f"`{text[:40]}` is not a JSON list of classes")
    return list(map(str, values))


def class_columns(table: str, columns: Sequence[str], class_names: ClassNames) -> dict[str, int]:
    """Return column → class of a table with a column of 0 and 1 for each class; empty for another table.

    table: as messages show it. Errors: DataError if some classes have a column and others do not.
    """
    found: dict[str, int] = {}
    for column in columns:
        if column and not column.isdecimal():
            try:
                found[column] = class_names.index(column)
            except LookupError:
                continue
    if missing := set(range(len(class_names.names))).difference(found.values()) if found else set():
        raise DataError(
            f"table `{table}` has columns of {len(found):,} of {len(class_names.names):,} classes; "
            f"`{class_names.names[min(missing)]}` has none",
            "give a column of 0 and 1 for each class, or one column `label` as in `cat|dog`",
        )
    return found


def labels_of_columns(row: Mapping[str, str], columns: Mapping[str, int]) -> tuple[int, ...] | None:
    """Return the classes whose column has a 1, increasing; None if all cells are empty.

    Errors: AnnotationError for any other cell: it is not known whether the image has this label.
    """
    cells = {column: row.get(column, "").casefold() for column in columns}
    if not any(cells.values()):
        return None
    for column, cell in cells.items():
        if cell not in ONE_OF_CLASS:
            raise AnnotationError(f"`{column}` is `{cell[:40]}`, not 0 or 1; the image is left without labels")
    return tuple(sorted(k for column, k in columns.items() if ONE_OF_CLASS[cells[column]]))
