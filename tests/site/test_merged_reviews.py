"""Reviews of several people: merging, agreement, and exports that are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.gallery.pages.merged_reviews import review_report
from reportgen.pipeline.run import run_audit
from reportgen.results.reviews import Review, compare_tags, merge_reviews, read_review
from tests.support.reportgen_process import reportgen
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


def kappa_by_definition(a: list[bool], b: list[bool]) -> float | None:
    """Cohen's kappa from its definition: (observed − expected) ÷ (1 − expected)."""
    n = len(a)
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    expected = sum(a) / n * sum(b) / n + (1 - sum(a) / n) * (1 - sum(b) / n)
    return None if expected == 1 else (observed - expected) / (1 - expected)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([True, True, False, False], [True, False, False, False]),
        ([True, False, True], [False, True, False]),
        ([True, True], [True, True]),
        ([False], [False]),
        ([True, False] * 5, [True, False] * 5),
    ],
)
def test_kappa_follows_the_definition_of_cohen(first: list[bool], second: list[bool]) -> None:
    a, b = (
        Review(name, {str(i): (("part",) if on else (), "") for i, on in enumerate(flags)})
        for name, flags in (("a", first), ("b", second))
    )
    pair = compare_tags(a, b, "part")
    assert pair is not None
    assert pair.kappa == pytest.approx(kappa_by_definition(first, second))
    assert pair.agreement == sum(x == y for x, y in zip(first, second, strict=True)) / len(first)


def test_agreement_is_over_images_that_both_reviewed() -> None:
    a = Review("a", {"1": (("part",), ""), "2": ((), "")})
    b = Review("b", {"2": (("part",), ""), "3": (("part",), "")})
    pair = compare_tags(a, b, "part")
    assert pair is not None
    assert (pair.images, pair.agreement) == (1, 0.0)
    assert compare_tags(a, Review("c", {"9": ((), "")}), "part") is None


def test_merge_lists_conflicts_and_images_that_left_the_report() -> None:
    a = Review("ann", {"1": (("part",), "the head"), "2": (("fine",), ""), "9": ((), "gone")})
    b = Review("ann", {"1": (("fine", "part"), ""), "2": (("fine",), "")})
    page = merge_reviews([a, b], {"1": ("dog.jpg", "images/1.html"), "2": ("cat.jpg", "images/2.html")})
    assert page.reviewers == ["ann (1)", "ann (2)"]
    assert [(row.name, row.is_conflict) for row in page.rows][:2] == [("cat.jpg", False), ("dog.jpg", True)]
    assert page.n_conflicts == 1
    assert page.rows[2].page == ""
    assert "not in this report" in page.rows[2].name
    assert dict(page.counts) == {"fine": [1, 2], "part": [1, 1]}


def export(path: Path, report: str, items: list[dict], **more: object) -> Path:
    path.write_text(json.dumps({"format": 1, "report": report, "reviewer": path.stem, "items": items, **more}))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 1, "items": [{}]}',
        '{"format": 2, "items": []}',
        '{"format": 1, "items": [{"id": "a", "tags": "abc", "note": ""}]}',
        '{"format": 1, "items": [{"id": "a", "tags": ["\\ud800"], "note": ""}]}',
        '{"format": 1, "items": [{"id": "a", "tags": [], "note": 7}]}',
        "[" * 100_000,
    ],
)
def test_read_review_refuses_a_file_that_is_no_export(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ConfigError, match=r"cannot read `.*x\.json`"):
        read_review(tmp_path / "x.json", "r")


def test_read_review_drops_repeated_tags(tmp_path: Path) -> None:
    path = export(tmp_path / "ann.json", "r", [{"id": "a", "tags": ["b", "a", "b"], "note": ""}])
    assert read_review(path, "r").items == {"a": (("a", "b"), "")}


def test_review_stays_valid_after_a_label_is_corrected(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=2)
    config = AuditConfig(
        data=table,
        classes=table.parent / "classes.txt",
        model=TINY_NETWORK,
        select="none",
        device="cpu",
        out=tmp_path / "out",
    )
    run_audit(config)
    chunk = read_chunk(tmp_path / "out" / "site", "images")
    first = chunk["texts"]["id"].split("\n")[0]
    ann = export(tmp_path / "ann.json", chunk["report"], [{"id": first, "tags": ["label error"], "note": ""}])
    header, line, *lines = table.read_text().splitlines()
    corrected = (
        line.replace(",red", ",blue") if ",red" in line else line.replace(",blue", ",red").replace(",green", ",red")
    )
    assert corrected != line
    table.write_text("\n".join([header, corrected, *lines, ""]))
    run_audit(config)
    (row,) = review_report(tmp_path / "out", [ann]).rows
    assert row.tags == ["label error"]
    assert row.page
    merged = (tmp_path / "out" / "site" / "merged_reviews.html").read_bytes()
    assert check_site(tmp_path / "out")[0] == []
    assert run_audit(config).is_fresh  # a run with nothing to do keeps the page
    assert (tmp_path / "out" / "site" / "merged_reviews.html").read_bytes() == merged


def test_review_command_writes_a_table_and_a_page(demo_report: Path, tmp_path: Path) -> None:
    shutil.copytree(demo_report / "site", tmp_path / "report" / "site")
    report = tmp_path / "report"
    chunk = read_chunk(report / "site", "images")
    first, second = chunk["texts"]["id"].split("\n")[:2]
    a = export(
        tmp_path / "ann.json", chunk["report"], [{"id": first, "tags": ["part only"], "note": "=1+1", "time": 1}]
    )
    b = export(
        tmp_path / "bob.json",
        chunk["report"],
        [{"id": first, "tags": [], "note": "", "time": 2}, {"id": second, "tags": ["<b>"], "note": "", "time": 2}],
    )
    done = reportgen("review", report, a, b)
    assert done.returncode == 0, done.stderr
    assert "2 images by 2 reviewers, 1 in conflict" in done.stderr
    lines = (report / "review.csv").read_text().splitlines()
    assert lines[0] == 'id,name,"tags, ann","note, ann","tags, bob","note, bob",conflict'
    assert f"{first},photos/angelfish.jpg,part only,'=1+1,no tag,,1" in lines
    html = (report / "site" / "merged_reviews.html").read_text()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert reportgen("check", report).returncode == 0
    other = export(tmp_path / "other.json", "another", [])
    with pytest.raises(ConfigError, match="belongs to another report"):
        review_report(report, [other])
    strange = export(tmp_path / "strange.json", chunk["report"], [{"id": "0" * 16, "tags": [], "note": ""}])
    with pytest.raises(ConfigError, match="has no image of this report"):
        review_report(report, [strange])
