"""The error tables: published rows, controls, and the escaping of text."""

import csv
import io

import numpy as np

from reportgen.results import csv_files as results
from reportgen.results.markup import as_latex, as_markdown
from reportgen.results.tables import Row, Table, all_tables
from tests.support.factories import make_boxed_audit


def test_published_rows_follow_the_measured_ones_in_both_tables() -> None:
    classes, places = all_tables(make_boxed_audit())[:2]
    published = [[row for row in table.rows if row.kind == "published"] for table in (classes, places)]
    assert [table.rows[-len(rows) :] for table, rows in zip((classes, places), published, strict=True)] == published
    assert [len(rows) for rows in published] == [9, 10]
    assert published[1][0].cells == ["GoogLeNet-GAP", "56.40", "43.00", "–"]
    assert [row.kind for row in places.rows[:5]] == ["measured", *["control"] * 4]


def test_controls_are_evaluated_with_the_classes_of_the_network() -> None:
    audit = make_boxed_audit()
    study = audit.main.localization_study
    assert study is not None
    places = all_tables(audit)[1]
    whole = next(row for row in places.rows if row.cells[0] == "whole image")
    fits, classes = study.controls["whole_image"].gt_known_correct, audit.main.classification
    expected = [1 - np.mean(right[study.images] & fits) for right in (classes.top1_correct, classes.top5_correct)]
    assert whole.cells[1:3] == [f"{100 * v:.1f}" for v in expected]
    assert whole.cells[3] == f"{100 * (1 - fits.mean()):.1f}"


def test_markup_escapes_text_in_latex_and_markdown() -> None:
    table = Table("t", "T", "caption", ["Net", "%"], [Row(["a_b & 5 % \\x {y}|z*", "–"]), Row(["p", "1"], "published")])
    latex = as_latex(table)
    assert r"a\_b \& 5 \% \textbackslash{}x \{y\}|z* & -- \\" in latex
    assert latex.count(r"\midrule") == 2
    assert r"\color{gray} p & \color{gray} 1 \\" in latex
    line = as_markdown(table).splitlines()[4]
    assert line == r"| a\_b & 5 % \\x \{y\}\|z\* | – |"


def test_every_table_is_written_as_csv_latex_and_markdown() -> None:
    files = results.table_files(make_boxed_audit())
    assert {name.rsplit(".", 1)[1] for name in files} == {"csv", "tex", "md"}
    rows = list(csv.reader(io.StringIO(files["table-2-localization.csv"])))
    assert rows[0] == ["kind", "Network", "Top-1, %", "Top-5, %", "GT-known, %"]
    assert rows[1][0] == "measured"
    assert rows[-1] == ["published", "GoogLeNet-GMP", "57.78", "45.26", ""]
