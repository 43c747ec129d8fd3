"""The tables: published rows as the paper has them and apart, controls beneath their network, text that stays text."""

import csv
import io

import numpy as np

from reportgen.results import metrics as results
from reportgen.results.markup import as_latex, as_markdown
from reportgen.results.tables import PUBLISHED, Row, Table, all_tables
from tests.site.test_docs import tiny_audit


def test_published_rows_are_the_papers_and_never_measured() -> None:
    by_name = {row[0]: row[1:] for row in PUBLISHED}
    assert by_name["GoogLeNet-GAP"] == (56.40, 43.00, 35.0, 13.2)
    assert by_name["Backprop on AlexNet"] == (65.17, 52.64, None, None)
    classes, places = all_tables(tiny_audit())[:2]
    published = [[row for row in table.rows if row.kind == "published"] for table in (classes, places)]
    assert [len(rows) for rows in published] == [9, 10]
    assert published[1][0].cells == ["GoogLeNet-GAP", "56.40", "43.00", "–"]
    assert [row.kind for row in places.rows[:5]] == ["measured", *["control"] * 4]


def test_controls_are_judged_under_the_networks_own_classes() -> None:
    audit = tiny_audit()
    assert audit.study is not None
    places = all_tables(audit)[1]
    whole = next(row for row in places.rows if row.cells[0] == "whole image")
    i = audit.study.images
    fits = audit.study.controls["whole_image"].fits
    expected = [1 - np.mean(audit.classification.right1[i] & fits), 1 - np.mean(audit.classification.right5[i] & fits)]
    assert whole.cells[1:3] == [f"{100 * v:.1f}" for v in expected]
    assert whole.cells[3] == f"{100 * (1 - fits.mean()):.1f}"


def test_text_stays_text() -> None:
    table = Table("t", "T", "caption", ["Net", "%"], [Row(["a_b & 5 % \\x {y}|z*", "–"]), Row(["p", "1"], "published")])
    latex = as_latex(table)
    assert r"a\_b \& 5 \% \textbackslash{}x \{y\}|z* & -- \\" in latex
    assert latex.count(r"\midrule") == 2
    assert r"\color{gray} p & \color{gray} 1 \\" in latex
    line = as_markdown(table).splitlines()[4]
    assert line == r"| a\_b & 5 % \\x \{y\}\|z\* | – |"


def test_files_of_every_table() -> None:
    files = results.table_files(tiny_audit())
    assert {name.rsplit(".", 1)[1] for name in files} == {"csv", "tex", "md"}
    rows = list(csv.reader(io.StringIO(files["table-2-localization.csv"])))
    assert rows[0] == ["kind", "Network", "Top-1, %", "Top-5, %", "Class given, %"]
    assert rows[1][0] == "measured"
    assert rows[-1] == ["published", "GoogLeNet-GMP", "57.78", "45.26", ""]
