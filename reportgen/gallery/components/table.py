"""Error tables on pages. The tables are those of `results.tables`; `templates/table.html` draws them."""

from __future__ import annotations

from reportgen.gallery.core.page import Link
from reportgen.results.tables import Table

FORMATS = ("csv", "tex", "md")


def download_links(table: Table) -> list[Link]:
    """Links to the files of a table, one for each format."""
    return [Link(suffix, f"data/{table.name}.{suffix}") for suffix in FORMATS]
