"""Further columns of a table in a report: shown as text whatever they contain, and part of what makes it up to date."""

from __future__ import annotations

import csv
import re
from html import unescape
from pathlib import Path

from reportgen.config import AuditConfig
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.urls import image_page
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

HOSTILE = "</script><script>alert(1)</script>\"'&{{ 7*7 }}"


def run(table: Path, out: Path) -> RunSummary:
    classes = table.parent / "classes.txt"
    return run_audit(AuditConfig(data=table, classes=classes, model=TINY_NETWORK, out=out, select="none"))


def with_columns(table: Path, columns: dict[str, list[str]]) -> None:
    """Add columns to a table."""
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    for k, row in enumerate(rows):
        row.update({name: values[k] for name, values in columns.items()})
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_columns_of_any_content_are_text_of_the_image_pages(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=1)
    with_columns(table, {HOSTILE: [HOSTILE, "x" * 3000, ""], "camera": ["left", "right", "left"]})
    summary = run(table, tmp_path / "out")
    audit, site = summary.audit, tmp_path / "out" / "site"
    faults, _, _ = check_site(tmp_path / "out")
    assert not faults
    for i, sample in enumerate(audit.samples):
        html = read_html(site / image_page(audit, i))
        _, _, section = html.partition('<section class="view" id="columns">')
        pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", section.partition("</section>")[0])
        assert [tuple(map(unescape, pair)) for pair in pairs] == list(sample.columns.items())
        assert "<script>alert" not in html
    assert run(table, tmp_path / "out").is_fresh
    with_columns(table, {"camera": ["left", "right", "right"]})
    assert not run(table, tmp_path / "out").is_fresh
