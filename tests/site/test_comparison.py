"""`reportgen compare`: figures, tables and pages of the comparison of two reports, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from playwright.sync_api import Browser

import reportgen
from reportgen.cli import cli
from reportgen.config import AuditConfig
from reportgen.errors import DataError, OutputError, StoreError
from reportgen.gallery.comparison.pairing import ERRORS, pair_up
from reportgen.gallery.comparison.site import compare_reports
from reportgen.gallery.core.check import check_site
from reportgen.pipeline.run import run_audit
from tests.browser.pages import axe_violations
from tests.support.browser import broken_pictures, opened, sideways
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


def compare(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two networks on the same images; the second lacks two, has another label for one, and the reverse order."""
    folder = tmp_path_factory.mktemp("compare")
    first = squares(folder / "data", each=6)
    head, *rows = first.read_text().splitlines()
    other = rows[15].replace(",red,", ",blue,").replace(",green,", ",blue,")
    rows = [*rows[:15:-1], other, *rows[14:1:-1]]
    second = folder / "data" / "other.csv"
    second.write_text("\n".join([head, *rows, ""]))
    for table, model, name in ((first, "network", "a"), (second, "other_network", "b")):
        run_audit(
            AuditConfig(
                data=table,
                classes=folder / "data" / "classes.txt",
                model=f"python:tests.support.tiny_networks:{model}",
                select="none",
                out=folder / name,
            )
        )
    return folder / "a", folder / "b"


@pytest.fixture(scope="module")
def compared(reports: tuple[Path, Path]) -> Path:
    out = reports[0].parent / "compared"
    done = compare(*reports, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(out / "site" / "index.html")
    return out


def outcomes(report: Path) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in csv.DictReader((report / "predictions.csv").open())}


def test_fixed_and_broken_images_follow_from_the_predictions(reports: tuple[Path, Path], compared: Path) -> None:
    a, b = map(outcomes, reports)
    shared = [name for name in a if name in b and a[name]["label"] == b[name]["label"]]
    assert len(shared) == len(a) - 3
    right = [[rows[name]["class1"] == rows[name]["label"] for name in shared] for rows in (a, b)]
    found = json.loads((compared / "comparison.json").read_text())
    top1 = found["errors"]["top1"]
    assert top1["images"] == len(shared)
    assert top1["fixed"] == sum(y > x for x, y in zip(*right, strict=True)) > 0
    assert top1["broken"] == sum(x > y for x, y in zip(*right, strict=True)) > 0
    assert top1["difference"] == pytest.approx(np.mean(right[0]) - np.mean(right[1]))
    assert (found["images"], found["only_a"], found["only_b"], found["relabelled"]) == (len(a) - 2, 2, 0, 1)
    rows = {row["name"]: row for row in csv.DictReader((compared / "comparison.csv").open())}
    for name, x, y in zip(shared, *right, strict=True):
        assert rows[name]["class_change"] == ("fixed" if y > x else "broken" if x > y else "")
        assert (rows[name]["a_class"], rows[name]["b_kind"]) == (a[name]["class1"], b[name]["kind"])


def test_comparison_of_a_report_with_itself_has_its_errors_and_no_change(reports: tuple[Path, Path]) -> None:
    """Nothing changes, and the errors are those of metrics.json. Networks of three classes have no top-5 error."""
    paired = pair_up(reportgen.open(reports[0]), reportgen.open(reports[0]))
    figures = json.loads((reports[0] / "metrics.json").read_text())["models"][0]
    where = figures["localization"]
    expected = {
        "top1": figures["classification"]["top1_error"],
        "box1": where["top1_error"],
        "box5": where["top5_error"],
        "known": where["gt_known_error"],
    }
    assert figures["classification"]["top5_error"] is None
    assert list(paired.changes) == [error for error in ERRORS if error != "top5"]
    for error, one in paired.changes.items():
        assert one.a.value == one.b.value == pytest.approx(expected[error])
        assert (one.difference, one.p, len(one.fixed), len(one.broken)) == (0, 1, 0, 0)
    assert [paired.a.name, paired.b.name] == ["network (A)", "network (B)"]
    for units in paired.units.values():
        np.testing.assert_allclose(units.same_index[~units.dead_a], 1)


def test_galleries_show_the_fixed_and_the_broken_images(reports: tuple[Path, Path], compared: Path) -> None:
    rows = list(csv.DictReader((compared / "comparison.csv").open()))
    for word in ("fixed", "broken"):
        page = (compared / "site" / f"top1-{word}" / "index.html").read_text()
        for row in rows:
            assert (f"{row['name']} with the map of {row['a_class']} by network" in page) == (
                row["class_change"] == word
            )


def test_comparison_of_the_same_reports_writes_nothing_again(reports: tuple[Path, Path], compared: Path) -> None:
    assert check_site(compared)[0] == []
    before = {path: path.stat().st_mtime_ns for path in compared.rglob("*") if path.is_file() and path.suffix}
    assert compare(*reports, "--out", compared).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_reports_without_labels_and_boxes_are_compared_by_predictions(tmp_path: Path) -> None:
    squares(tmp_path / "data", each=2)
    (tmp_path / "data" / "table.csv").unlink()
    for model in ("network", "other_network"):
        run_audit(
            AuditConfig(
                data=tmp_path / "data",
                model=f"python:tests.support.tiny_networks:{model}",
                select="none",
                out=tmp_path / model,
            )
        )
    done = compare(tmp_path / "network", tmp_path / "other_network", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "predict the same class on" in done.stderr
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["errors"] == {}
    assert check_site(tmp_path / "out")[0] == []


def test_compare_refuses_what_cannot_be_compared(reports: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="contains no report"):
        compare_reports(reports[0], tmp_path, tmp_path / "out")
    with pytest.raises(OutputError, match="is not a comparison"):
        compare_reports(*reports, reports[0])
    squares(tmp_path / "data", each=1, seed=9)
    run_audit(
        AuditConfig(
            data=tmp_path / "data",
            model=TINY_NETWORK,
            select="none",
            out=tmp_path / "r",
        )
    )
    with pytest.raises(DataError, match="no image in common"):
        compare_reports(reports[0], tmp_path / "r", tmp_path / "out")
    shutil.rmtree(tmp_path / "r" / "cache")
    with pytest.raises(StoreError, match="cache of"):
        compare_reports(tmp_path / "r", tmp_path / "r", tmp_path / "out")


def test_compare_does_not_import_torch(reports: tuple[Path, Path]) -> None:
    code = "import sys, reportgen.gallery.comparison.site; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.browser
def test_pages_of_the_comparison_are_narrow_small_and_accessible(browser: Browser, compared: Path) -> None:
    site = compared / "site"
    with opened(browser, 400, offline=True) as (page, messages):
        for path in [*sorted(site.glob("*.html")), site / "top1-fixed" / "index.html"]:
            page.goto(path.as_uri())
            assert path.stat().st_size < 150_000
            assert broken_pictures(page) == 0, path.name
            assert sideways(page) <= 0, path.name
            page.set_viewport_size({"width": 1280, "height": 900})
            assert sideways(page) <= 0, path.name
            assert messages == [], path.name
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert axe_violations(page, scheme) == [], path.name
            messages.clear()  # axe asks for the style sheets, which the policy forbids
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": 400, "height": 900})


def test_comparison_that_was_killed_at_its_first_file_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").touch()
    (tmp_path / "out" / ".comparison.json.77.tmp").write_bytes(b"half")
    with pytest.raises(StoreError) as caught:
        compare_reports(tmp_path / "a", tmp_path / "b", tmp_path / "out")
    assert "is not a comparison" not in str(caught.value)  # but the reports are missing
