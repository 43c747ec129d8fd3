"""The first report is complete and stays valid if the run is interrupted; the last one equals that of a run at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from reportgen.config import AuditConfig
from reportgen.gallery.core.check import check_site
from reportgen.pipeline import job
from reportgen.pipeline.per_image import PerImageMethod
from reportgen.pipeline.progress import Ticker
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from reportgen.pipeline.work import RebuildSchedule
from tests.pipeline.test_killed_runs import files
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

STILL = "Still being computed"


def settings(data: Path, out: Path, **more: object) -> AuditConfig:
    given = {"select": "all", "occlusion_stride": 64, "layers": ("1",), "device": "cpu", "precision": "fp32"} | more
    classes = data.parent / "classes.txt"
    return AuditConfig(**{"data": data, "classes": classes, "model": TINY_NETWORK, "out": out, **given})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data, and the report of a run without interruptions."""
    folder = tmp_path_factory.mktemp("growing")
    table = squares(folder / "data", each=2)
    run_audit(settings(table, folder / "report"))
    return table, folder / "report"


def assert_valid(out: Path, summary: RunSummary | None = None) -> None:
    """Every link of the site leads somewhere, and the result files are those that its pages were made from."""
    assert check_site(out)[0] == []
    stored = (out / "metrics.json").read_bytes()
    assert (out / "site" / "data" / "metrics.json").read_bytes() == stored
    assert summary is None or json.loads(stored) == json.loads(json.dumps(summary.metrics))
    assert (out / "predictions.csv").read_bytes() == (out / "site" / "data" / "predictions.csv").read_bytes()
    assert not (out / "cache" / "staged").exists()


def test_first_report_is_complete_and_says_what_is_still_computed(whole: tuple[Path, Path], tmp_path: Path) -> None:
    seen: list[tuple[str, str, int]] = []

    def ready(summary: RunSummary) -> None:
        assert_valid(tmp_path, summary)
        assert not (tmp_path / "cache" / "freshness.json").exists()
        page = next((tmp_path / "site" / "images").glob("000000-*.html"))
        overview, image = read_html(tmp_path / "site" / "index.html"), read_html(page)
        seen.append((overview, image, len(list((tmp_path / "site").rglob("*.html")))))

    summary = run_audit(settings(whole[0], tmp_path), ready=ready)
    ((overview, image, pages),) = seen
    assert STILL in overview
    assert "occlusion, saliency and activations (0 of 6 images)" in overview
    assert "of this image are still being computed" in image
    assert "Occlusion sensitivity" not in image
    assert pages > 20
    assert_valid(tmp_path, summary)
    assert files(tmp_path) == files(whole[1])


def test_live_page_comes_after_the_first_report(whole: tuple[Path, Path], tmp_path: Path) -> None:
    site = tmp_path / "site"
    seen: list[tuple[bool, bool]] = []

    def ready(summary: RunSummary) -> None:
        seen.append(((site / "live.html").exists(), "and the live page." in read_html(site / "index.html")))

    run_audit(settings(whole[0], tmp_path, live=True), ready=ready)
    assert seen == [(False, True)]
    assert (site / "live.html").exists()
    assert STILL not in read_html(site / "index.html")
    assert_valid(tmp_path)


def test_no_notice_is_left_at_the_end(whole: tuple[Path, Path]) -> None:
    for page in (whole[1] / "site").rglob("*.html"):
        assert STILL not in read_html(page)
        assert "still being computed" not in read_html(page)
        assert "select =" not in read_html(page) or page.name == "provenance.html"


def test_interrupt_after_the_first_report_leaves_it_and_the_next_run_goes_on(
    whole: tuple[Path, Path], tmp_path: Path
) -> None:
    def interrupted(summary: RunSummary) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_audit(settings(whole[0], tmp_path), ready=interrupted)
    assert_valid(tmp_path)
    assert STILL in read_html(tmp_path / "site" / "index.html")
    summary = run_audit(settings(whole[0], tmp_path))
    assert summary.computed == 0
    assert files(tmp_path) == files(whole[1])


@pytest.mark.parametrize("calls", [4, 9])
def test_interrupt_between_rebuilds_leaves_the_last_report(
    whole: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    compute, left = PerImageMethod.compute, [calls]

    def counted(self: PerImageMethod, rows: Sequence[int], tick: Ticker) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        compute(self, rows, tick)

    with monkeypatch.context() as patch:
        patch.setattr(PerImageMethod, "compute", counted)
        patch.setattr(RebuildSchedule, "is_due", lambda self, seconds_to_go: True)
        with pytest.raises(KeyboardInterrupt):
            run_audit(settings(whole[0], tmp_path))
    assert_valid(tmp_path)
    overview = read_html(tmp_path / "site" / "index.html")
    assert STILL in overview
    assert "(0 of 6 images)" not in overview
    with_sections = [p for p in (tmp_path / "site" / "images").glob("0*.html") if "Occlusion sens" in read_html(p)]
    assert 1 <= len(with_sections) < 6
    run_audit(settings(whole[0], tmp_path))
    assert files(tmp_path) == files(whole[1])


def test_interrupt_while_pages_are_made_leaves_the_report_before(
    whole: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, first = job.build_site, []

    def interrupted_second(*given: object) -> int:
        pages = build(*given)
        if first:
            raise KeyboardInterrupt
        first.append(pages)
        return pages

    with monkeypatch.context() as patch:
        patch.setattr(job, "build_site", interrupted_second)
        with pytest.raises(KeyboardInterrupt):
            run_audit(settings(whole[0], tmp_path))
    assert_valid(tmp_path)
    assert STILL in read_html(tmp_path / "site" / "index.html")
    run_audit(settings(whole[0], tmp_path))
    assert files(tmp_path) == files(whole[1])


def test_run_with_everything_in_the_cache_builds_once_and_the_same(
    whole: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole[1] / "cache", tmp_path / "cache")
    built: list[int] = []
    build = job.build_site
    monkeypatch.setattr(job, "build_site", lambda *given: built.append(1) or build(*given))
    run_audit(settings(whole[0], tmp_path), ready=lambda summary: pytest.fail("the first report was not the last"))
    assert len(built) == 1
    assert files(tmp_path) == files(whole[1])


def test_run_without_budget_computes_nothing_but_shows_what_the_cache_has(
    whole: tuple[Path, Path], tmp_path: Path
) -> None:
    audit = run_audit(settings(whole[0], tmp_path, select="auto", budget="0s")).audit
    assert audit.main.selected == {}
    assert audit.main.backprop == {}
    overview = read_html(tmp_path / "site" / "index.html")
    assert "Occlusion, saliency and activations were not computed (the time budget is spent; --budget" in overview
    image = read_html(next((tmp_path / "site" / "images").glob("000000-*.html")))
    assert "Occlusion, saliency and activations were not computed for this image (the time budget is spent" in image
    some = run_audit(settings(whole[0], tmp_path, select="1")).audit
    assert len(some.main.selected["occlusion"].rows) == 3
    overview = read_html(tmp_path / "site" / "index.html")
    assert "were computed for 3 of 6 images (select = 1; --select all computes more)" in overview
    again = run_audit(settings(whole[0], tmp_path, select="auto", budget="0s")).audit
    assert set(again.main.selected["occlusion"].rows) == set(some.main.selected["occlusion"].rows)
    assert "were computed for 3 of 6 images (the time budget is spent" in read_html(tmp_path / "site" / "index.html")


def test_select_none_says_that_nothing_was_asked_for_in_the_only_report(
    whole: tuple[Path, Path], tmp_path: Path
) -> None:
    """What else takes long takes less time here than a build of the site, so it comes before."""
    run_audit(
        settings(whole[0], tmp_path, select="none", receptive_field="effective"),
        ready=lambda summary: pytest.fail("the first report was not the last"),
    )
    overview = read_html(tmp_path / "site" / "index.html")
    assert (
        "Occlusion, saliency and activations were not computed (select = none; --select all computes more)" in overview
    )
    assert "The backprop baseline was not computed" in overview
