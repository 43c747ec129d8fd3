"""`reportgen compare` on reports that the real job made, and its pages in a real browser."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
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
from tests.support.browser import broken_pictures, opened, sideways
from tests.support.tiny import squares


def compare(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two networks on the same pictures, of which the second lacks two, has one under another label, and lists the
    others from the end."""
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
                model=f"python:tests.support.tiny:{model}",
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


def test_what_is_fixed_and_broken_is_what_the_tables_say(reports: tuple[Path, Path], compared: Path) -> None:
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


def test_every_error_is_that_of_its_report(reports: tuple[Path, Path]) -> None:
    """A report beside itself: nothing changes, and the five errors are those that its metrics.json has."""
    paired = pair_up(reportgen.open(reports[0]), reportgen.open(reports[0]))
    figures = json.loads((reports[0] / "metrics.json").read_text())["models"][0]
    where = figures["localization"]
    expected = {
        "top1": figures["classification"]["top1_error"],
        "top5": figures["classification"]["top5_error"],
        "box1": where["top1_error"],
        "box5": where["top5_error"],
        "known": where["gt_known_error"],
    }
    assert list(paired.changes) == list(ERRORS)
    for error, one in paired.changes.items():
        assert one.a.value == one.b.value == pytest.approx(expected[error])
        assert (one.difference, one.p, len(one.fixed), len(one.broken)) == (0, 1, 0, 0)
    assert [paired.a.name, paired.b.name] == ["network (A)", "network (B)"]
    for units in paired.units.values():
        np.testing.assert_allclose(units.own[~units.dead_a], 1)


def test_the_galleries_hold_the_images(reports: tuple[Path, Path], compared: Path) -> None:
    rows = list(csv.DictReader((compared / "comparison.csv").open()))
    for word in ("fixed", "broken"):
        page = (compared / "site" / f"top1-{word}" / "index.html").read_text()
        for row in rows:
            assert (f"{row['name']} with the map of {row['a_class']} by network" in page) == (
                row["class_change"] == word
            )


def test_the_same_reports_give_the_same_site(reports: tuple[Path, Path], compared: Path) -> None:
    assert check_site(compared) == []
    before = {path: path.stat().st_mtime_ns for path in compared.rglob("*") if path.is_file() and path.suffix}
    assert compare(*reports, "--out", compared).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_reports_without_labels_and_boxes(tmp_path: Path) -> None:
    squares(tmp_path / "data", each=2)
    (tmp_path / "data" / "table.csv").unlink()
    for model in ("network", "other_network"):
        run_audit(
            AuditConfig(
                data=tmp_path / "data", model=f"python:tests.support.tiny:{model}", select="none", out=tmp_path / model
            )
        )
    done = compare(tmp_path / "network", tmp_path / "other_network", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "answer alike on" in done.stderr
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["errors"] == {}
    assert check_site(tmp_path / "out") == []


def test_what_cannot_be_compared_is_one_line(reports: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no report"):
        compare_reports(reports[0], tmp_path, tmp_path / "out")
    with pytest.raises(OutputError, match="is no comparison"):
        compare_reports(*reports, reports[0])
    squares(tmp_path / "data", each=1, seed=9)
    run_audit(
        AuditConfig(
            data=tmp_path / "data", model="python:tests.support.tiny:network", select="none", out=tmp_path / "r"
        )
    )
    with pytest.raises(DataError, match="no image in common"):
        compare_reports(reports[0], tmp_path / "r", tmp_path / "out")
    shutil.rmtree(tmp_path / "r" / "cache")
    with pytest.raises(StoreError, match="cache of"):
        compare_reports(tmp_path / "r", tmp_path / "r", tmp_path / "out")


def test_without_torch(reports: tuple[Path, Path]) -> None:
    code = "import sys, reportgen.gallery.comparison.site; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_pages_in_the_browser(browser: Browser, compared: Path, scheme: str) -> None:
    site = compared / "site"
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
    pages = [*sorted(site.glob("*.html")), site / "top1-fixed" / "index.html"]
    for width in (1280, 400):
        with opened(browser, width, scheme, offline=True) as (page, said):
            for path in pages:
                page.goto(path.as_uri())
                assert path.stat().st_size < 150_000
                assert broken_pictures(page) == 0, path.name
                assert sideways(page) <= 0, path.name
                assert said == [], path.name
                found = Axe().run(page, options=rules).response["violations"]
                assert [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in found] == [], path.name
                said.clear()  # axe asks for the style sheets, which the policy forbids
