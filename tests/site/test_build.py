"""A build writes what has changed and nothing else, whoever makes it."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jinja2
import numpy as np
import pytest
from PIL import Image

from reportgen import parallel as processes
from reportgen.cli.audits import _close
from reportgen.config import AuditConfig
from reportgen.errors import OutputError, ReportgenError
from reportgen.gallery.build import build
from reportgen.gallery.core import assets
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.urls import image_page
from reportgen.parallel import shared_out
from reportgen.pipeline.run import Summary, run_audit
from tests.support.tiny import squares

States = dict[str, tuple[int, bytes]]


def states(site: Path) -> States:
    """Time and bytes of every file."""
    files = (path for path in site.rglob("*") if path.is_file())
    return {p.relative_to(site).as_posix(): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def written(before: States, after: States) -> set[str]:
    """The files that were written or are gone."""
    return {name for name in before | after if before.get(name) != after.get(name)}


def audited(folder: Path) -> Summary:
    return run_audit(
        AuditConfig(
            data=folder / "data" / "table.csv",
            classes=folder / "data" / "classes.txt",
            model="python:tests.support.tiny:network",
            select="none",
            device="cpu",
            out=folder / "report",
        )
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("build")
    squares(folder / "data", each=12)
    summary = audited(folder)
    assert not summary.stood
    return folder, summary


@pytest.fixture
def report(first: tuple[Path, Summary], tmp_path: Path) -> tuple[Path, Summary]:
    """A copy of the report, with the times of its files, and the audit of it."""
    shutil.copytree(first[0], tmp_path / "copy", copy_function=shutil.copy2)
    return tmp_path / "copy", first[1]


def test_with_nothing_changed_the_report_stands_and_is_not_analysed(report, monkeypatch) -> None:
    folder, summary = report
    before = states(folder / "report" / "site")
    monkeypatch.setattr("reportgen.pipeline.run.analyse", None)
    again = audited(folder)
    assert again.stood
    assert again.metrics == summary.metrics
    assert written(before, states(folder / "report" / "site")) == set()


@pytest.mark.parametrize("harm", ["a page edited", "a picture gone", "a result edited", "a page more", "chunks cut"])
def test_a_report_that_was_touched_does_not_stand(report, harm: str) -> None:
    folder, _ = report
    site = folder / "report" / "site"
    before = states(site)
    if harm == "a page edited":
        (site / "about.html").write_text("mine")
    elif harm == "a picture gone":
        next((site / "media").iterdir()).unlink()
    elif harm == "a result edited":
        (folder / "report" / "predictions.csv").write_text("mine")
    elif harm == "chunks cut":
        for path in (site / "data").glob("*.js"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        (site / "mine.html").write_text("mine")
    assert not audited(folder).stood
    assert {name: data for name, (_, data) in states(site).items()} == {
        name: data for name, (_, data) in before.items()
    }
    assert (folder / "report" / "predictions.csv").read_bytes() == before["data/predictions.csv"][1]
    assert audited(folder).stood


def test_a_page_filled_later_is_empty_when_the_report_changes(report, capsys) -> None:
    folder, _ = report
    table, page = folder / "data" / "table.csv", folder / "report" / "site" / "reviewed.html"
    assert "No reviews merged yet" in page.read_text()
    (folder / "report" / "review.csv").write_text("id,name,conflict\n")
    page.write_text("leads to images/000000-blue-0.html")
    assert audited(folder).stood
    assert page.read_text().startswith("leads to")
    first, _, *others = table.read_text().splitlines(keepends=True)
    table.write_text("".join([first, *others]))
    again = audited(folder)
    assert "No reviews merged yet" in page.read_text()
    _close(again)
    said = capsys.readouterr().err
    assert (
        "note: site/reviewed.html told of the report before and is empty now; `reportgen review` fills it again" in said
    )
    assert check_site(folder / "report") == []


def test_results_that_hosts_would_not_take_are_published_compressed(report, monkeypatch) -> None:
    folder, _ = report
    out, data = folder / "report", folder / "report" / "site" / "data"
    limit = (out / "localization.csv").stat().st_size - 1
    monkeypatch.setattr("reportgen.pipeline.outputs.LARGEST", limit)
    (out / "site" / "about.html").unlink()  # or the report would stand
    audited(folder)
    assert not (data / "localization.csv").exists()
    assert gzip.decompress((data / "localization.csv.gz").read_bytes()) == (out / "localization.csv").read_bytes()
    assert 'href="data/localization.csv.gz"' in (out / "site" / "index.html").read_text()
    assert check_site(out) == []
    before = (data / "localization.csv.gz").read_bytes()
    (out / "site" / "about.html").unlink()
    audited(folder)
    assert (data / "localization.csv.gz").read_bytes() == before
    monkeypatch.undo()
    (out / "site" / "about.html").unlink()
    audited(folder)
    assert not (data / "localization.csv.gz").exists()
    assert check_site(out) == []


def test_a_build_of_the_same_renders_no_page_and_draws_no_picture(report, monkeypatch) -> None:
    folder, summary = report
    site = folder / "report" / "site"
    before = states(site)
    for name in ("PIL.Image.Image.putpalette", "PIL.Image.Image.save", "jinja2.Template.render"):
        monkeypatch.setattr(name, None)
    pages = build(summary.audit, site)
    assert pages == sum(name.endswith(".html") for name in before)
    assert written(before, states(site)) == set()


def test_a_template_that_changed_touches_its_own_pages_alone(report, monkeypatch) -> None:
    folder, summary = report
    site = folder / "report" / "site"
    before = states(site)
    shutil.copytree(assets.folder("templates"), folder / "templates")
    plain = assets.folder
    monkeypatch.setattr(assets, "folder", lambda kind: folder / kind if kind == "templates" else plain(kind))
    unit = folder / "templates" / "unit.html"
    unit.write_text(unit.read_text().replace("{% block scripts %}", "{% block scripts %}<!-- new -->"))
    build(summary.audit, site)
    units = {name for name in before if name.startswith("units/") and not name.endswith("index.html")}
    assert written(before, states(site)) == units != set()
    with open(folder / "templates" / "base.html", "a") as file:
        file.write("<!-- all -->\n")
    build(summary.audit, site)
    pages = {name: data for name, (_, data) in states(site).items() if name.endswith(".html")}
    assert {name for name in pages if not pages[name].endswith(b"<!-- all -->")} == {"404.html"}  # whole by itself


def test_an_image_that_changed_touches_the_pages_that_show_it(report) -> None:
    folder, summary = report
    site = folder / "report" / "site"
    before = states(site)
    pixels = np.asarray(Image.open(folder / "data" / "green-3.png")).copy()
    pixels[:8] = 255 - pixels[:8]
    Image.fromarray(pixels).save(folder / "data" / "green-3.png")
    again = audited(folder)
    assert (again.stood, again.computed) == (False, 1)
    after = states(site)
    own = image_page(summary.audit, [s.name for s in summary.audit.samples].index("green-3.png"))
    images = {name for name in written(before, after) if name.startswith("images/0")}
    assert own in images
    link = own.encode()
    for name in images - {own}:
        assert link in before[name][1] or link in after[name][1], name
    assert len(images) < len(summary.audit.samples)
    assert {"404.html", "filters/index.html"}.isdisjoint(written(before, after))


def test_one_process_makes_the_same_site_as_many(first, tmp_path: Path, monkeypatch) -> None:
    folder, summary = first
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(3), raising=False)
    assert build(summary.audit, tmp_path / "three" / "site") > processes.PAYS
    monkeypatch.setattr(processes, "PAYS", 10**9)
    monkeypatch.setattr(processes, "get_context", None)
    build(summary.audit, tmp_path / "one" / "site")
    three, one = (states(tmp_path / name / "site") for name in ("three", "one"))
    assert {name: data for name, (_, data) in three.items()} == {name: data for name, (_, data) in one.items()}
    published = states(folder / "report" / "site")
    assert all(published[name][1] == data for name, (_, data) in one.items())


def test_photographs_are_webp_where_that_is_asked_for(first, tmp_path: Path, monkeypatch) -> None:
    folder, summary = first
    site = tmp_path / "report" / "site"
    build(summary.audit, site, pictures="webp")
    made = states(site)
    jpegs, webps = (
        {name: data for name, (_, data) in found.items() if name.endswith(ending)}
        for found, ending in ((states(folder / "report" / "site"), ".jpg"), (made, ".webp"))
    )
    assert len(webps) == len(jpegs) > len(summary.audit.samples)
    assert sum(map(len, webps.values())) < sum(map(len, jpegs.values()))
    assert not any(b".jpg" in data for name, (_, data) in made.items() if name.endswith(".html"))
    page = made[image_page(summary.audit, 0)][1].decode()
    shown = min((name for name in webps if name in page), key=page.index)  # the viewer's
    pictures = [Image.open(io.BytesIO(data)) for data in (summary.audit.picture(0), webps[shown])]
    before, after = (np.asarray(picture.convert("RGB"), float) for picture in pictures)
    assert np.abs(before - after).mean() < 8  # of noise, which both formats coarsen
    monkeypatch.setattr("reportgen.draw.webp.Image", None)  # what the last build made is not made again
    build(summary.audit, site, pictures="webp")
    assert written(made, states(site)) == set()
    build(summary.audit, site)
    assert not list(site.glob("media/*.webp"))


# ---------------------------------------------------------------------------------------- work that is shared out


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("forks on Linux alone")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(3))


def test_every_item_is_done_once_by_this_process_and_its_helpers(three) -> None:
    def work(turns: Iterator[int]) -> Iterator[tuple[int, int]]:
        for item in turns:
            time.sleep(0.01)
            yield item, os.getpid()

    found = list(shared_out(work, 50))
    assert sorted(item for item, _ in found) == list(range(50))
    assert len({process for _, process in found} - {os.getpid()}) == 2
    assert len({process for _, process in found}) == 3
    assert {process for _, process in shared_out(work, 5)} == {os.getpid()}  # not worth it


@pytest.mark.parametrize("items", [processes.TURNS - 1, processes.TURNS, processes.TURNS + 1, 5 * processes.TURNS + 3])
def test_no_item_is_forgotten_however_many_there_are(three, items) -> None:
    assert sorted(shared_out(lambda turns: turns, items)) == list(range(items))


def test_who_is_free_takes_the_next_item(three) -> None:
    def work(turns: Iterator[int]) -> Iterator[tuple[int, int]]:
        for item in turns:
            time.sleep(0.5 if item == 0 else 0.005)
            yield item, os.getpid()

    by = dict(shared_out(work, 50))
    assert sum(process == by[0] for process in by.values()) < 10


def test_helpers_do_not_wait_for_an_item_that_takes_long(three) -> None:
    large = b"x" * 2**16  # no pipe holds many
    parent = os.getpid()

    def work(turns: Iterator[int]) -> Iterator[tuple[int, bytes]]:
        for _ in turns:
            time.sleep(0.5 if os.getpid() == parent else 0.002)
            yield os.getpid(), large

    by = [process for process, _ in shared_out(work, 60)]
    assert len(by) == 60
    assert by.count(parent) <= 2


def test_an_error_in_a_process_is_the_parents(three) -> None:
    def work(turns: Iterator[int]) -> Iterator[int]:
        for item in turns:
            yield item
            if item == 1:
                raise OutputError("no room", "make some")

    with pytest.raises(OutputError, match="no room") as raised:
        list(shared_out(work, 50))
    assert raised.value.hint == "make some"
    parent = os.getpid()

    def killed(turns: Iterator[int]) -> Iterator[int]:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from turns

    with pytest.raises(ReportgenError, match="was killed"):
        list(shared_out(killed, 50))


def test_no_process_outlives_the_work(three) -> None:
    parent = os.getpid()

    def work(turns: Iterator[int]) -> Iterator[int]:
        while True:
            yield os.getpid()
            time.sleep(0.01 if os.getpid() == parent else 60)

    helpers: set[int] = set()
    results = shared_out(work, 50)
    while len(helpers) < 2:
        helpers |= {next(results)} - {os.getpid()}
    results.close()
    for process in helpers:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_a_strict_template_fails_in_a_process_as_it_does_here(report, three, monkeypatch) -> None:
    folder, summary = report
    shutil.copytree(assets.folder("templates"), folder / "templates")
    plain = assets.folder
    monkeypatch.setattr(assets, "folder", lambda kind: folder / kind if kind == "templates" else plain(kind))
    with open(folder / "templates" / "404.html", "a") as file:
        file.write("{% block scripts %}{{ page.nothing }}{% endblock %}")
    with pytest.raises(jinja2.UndefinedError):
        build(replace(summary.audit), folder / "report" / "site")
