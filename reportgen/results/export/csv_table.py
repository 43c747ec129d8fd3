"""The table of images as CSV."""

from __future__ import annotations

from typing import Any

from reportgen.results.csv_files import csv_text
from reportgen.results.export.image_table import image_table
from reportgen.results.report import Report


def csv_table(report: Report) -> bytes:
    """Return the file. A missing value is an empty cell, True is 1. Errors: StoreError."""
    columns = image_table(report)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return csv_text(list(columns), ([_cell(value) for value in row] for row in rows)).encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.7g}"
    return str(int(value)) if isinstance(value, bool) else str(value)
