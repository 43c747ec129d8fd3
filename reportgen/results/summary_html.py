"""What a notebook shows for a report: its headline figures as one small HTML table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from reportgen.results.report import Report


def summary_html(report: Report) -> str:
    """Return a table with the number of images, the errors with 95 % intervals, and a link to the site."""
    labelled = int((report.predictions["kind"] != "unlabelled").sum())
    rows = [("images", f"{len(report.predictions):,}, {labelled:,} with a label")]
    if labelled:
        rows += _measured(report.folder / "table-1-classification.csv", "error")
    if report.has_localization:
        rows += _measured(report.folder / "table-2-localization.csv", "localization error")
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return (
        f"<table><caption>{escape(report.name)}</caption>{cells}</table>"
        f'<a href="{escape(_address(report.folder / "site" / "index.html"))}">open the report</a>'
    )


def _measured(path: Path, what: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of the figures that an error table has of the report's networks, those that apply.

    There are none if the file is missing.
    """
    if not path.is_file():
        return
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for heading, value in row.items():
                if row["kind"] == "measured" and value and heading not in ("kind", "Network"):
                    yield f"{row['Network']}: {heading.removesuffix(', %')} {what}", f"{value} %"


def _address(path: Path) -> str:
    """Return a URL: relative, if the path is, to the folder of the notebook."""
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
