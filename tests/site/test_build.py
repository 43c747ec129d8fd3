"""`build_site` and a rerun write what has changed and nothing else, with one process or several."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jinja2
import numpy as np
import pytest
from PIL import Image

from reportgen import parallel
from reportgen.cli.audits import _close
from reportgen.config import AuditConfig
from reportgen.gallery import build
from reportgen.gallery.build import build_site
from reportgen.gallery.core import assets, checksums
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.checksums import CHECKSUMS, hash_files
from reportgen.gallery.core.registry import PageDraft
from reportgen.gallery.core.urls import image_page
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

FileStates = dict[str, tuple[int, bytes]]


def file_states(site: Path) -> FileStates:
    """Return modification time and bytes of every file."""
    files = (path for path in site.rglob("*") if path.is_file())
    return {p.relative_to(site).as_posix(): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def written(before: FileStates, after: FileStates) -> set[str]:
    """Return the names of files that were written or deleted."""
    return {name for name in before | after if before.get(name) != after.get(name)}


def audited(folder: Path) -> RunSummary:
    return run_audit(
        AuditConfig(
            data=folder / "data" / "table.csv",
            classes=folder / "data" / "classes.txt",
            model=TINY_NETWORK,
            select="none",
            device="cpu",
            out=folder / "report",
        )
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    folder = tmp_path_factory.mktemp("build")
    squares(folder / "data", each=12)
    summary = audited(folder)
    assert not summary.is_fresh
    return folder, summary


@pytest.fixture
def report(built: tuple[Path, RunSummary], tmp_path: Path) -> tuple[Path, RunSummary]:
    """A copy of the report with the times of its files, and the summary of its run."""
    shutil.copytree(built[0], tmp_path / "copy", copy_function=shutil.copy2)
    return tmp_path / "copy", built[1]


def test_rerun_with_the_same_inputs_analyses_and_writes_nothing(report, monkeypatch) -> None:
    folder, summary = report
    before = file_states(folder / "report" / "site")
    monkeypatch.setattr("reportgen.pipeline.job.build_audit", None)
    again = audited(folder)
    assert again.is_fresh
    assert again.metrics == summary.metrics
    assert written(before, file_states(folder / "report" / "site")) == set()


def test_attributes_in_every_page_are_separated_by_spaces(report) -> None:
    """Jinja removes the line break after a block tag, also inside of an HTML tag."""
    pages = {
        name: data.decode()
        for name, (_, data) in file_states(report[0] / "report" / "site").items()
        if name.endswith(".html")
    }
    joined = {
        name: match[0] for name, html in pages.items() if (match := re.search(r'<\w[^<>]*="[^"<>]*"\w[^<>]*>', html))
    }
    assert joined == {}


@pytest.mark.parametrize("harm", ["page edited", "picture deleted", "result edited", "page added", "chunks truncated"])
def test_rerun_repairs_a_report_that_was_changed(report, harm: str) -> None:
    folder, _ = report
    site = folder / "report" / "site"
    before = file_states(site)
    if harm == "page edited":
        (site / "provenance.html").write_text("mine")
    elif harm == "picture deleted":
        next((site / "media").iterdir()).unlink()
    elif harm == "result edited":
        (folder / "report" / "predictions.csv").write_text("mine")
    elif harm == "chunks truncated":
        for path in (site / "data").glob("*.js"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        (site / "mine.html").write_text("mine")
    assert not audited(folder).is_fresh
    assert {name: data for name, (_, data) in file_states(site).items()} == {
        name: data for name, (_, data) in before.items()
    }
    assert (folder / "report" / "predictions.csv").read_bytes() == before["data/predictions.csv"][1]
    assert audited(folder).is_fresh


def test_merged_reviews_are_cleared_when_the_report_changes(report, capsys) -> None:
    folder, _ = report
    table, page = folder / "data" / "table.csv", folder / "report" / "site" / "merged_reviews.html"
    assert "No reviews merged yet" in page.read_text()
    (folder / "report" / "review.csv").write_text("id,name,conflict\n")
    page.write_text("leads to images/000000-blue-0.html")
    assert audited(folder).is_fresh
    assert page.read_text().startswith("leads to")
    first, _, *others = table.read_text().splitlines(keepends=True)
    table.write_text("".join([first, *others]))
    again = audited(folder)
    assert "No reviews merged yet" in page.read_text()
    _close(again)
    printed = capsys.readouterr().err
    assert "note: site/merged_reviews.html was outdated and has been cleared; `reportgen review`" in printed
    assert check_site(folder / "report")[0] == []


def test_result_files_over_the_size_limit_are_published_compressed(report, monkeypatch) -> None:
    folder, _ = report
    out, data = folder / "report", folder / "report" / "site" / "data"
    limit = (out / "localization.csv").stat().st_size - 1
    monkeypatch.setattr("reportgen.pipeline.outputs.MAX_FILE_SIZE", limit)
    (out / "site" / "provenance.html").unlink()  # or nothing would be built
    audited(folder)
    assert not (data / "localization.csv").exists()
    assert gzip.decompress((data / "localization.csv.gz").read_bytes()) == (out / "localization.csv").read_bytes()
    assert 'href="data/localization.csv.gz"' in (out / "site" / "index.html").read_text()
    assert check_site(out)[0] == []
    before = (data / "localization.csv.gz").read_bytes()
    (out / "site" / "provenance.html").unlink()
    audited(folder)
    assert (data / "localization.csv.gz").read_bytes() == before
    monkeypatch.undo()
    (out / "site" / "provenance.html").unlink()
    audited(folder)
    assert not (data / "localization.csv.gz").exists()
    assert check_site(out)[0] == []


def test_build_of_the_same_audit_renders_and_draws_nothing(report, monkeypatch) -> None:
    folder, summary = report
    site = folder / "report" / "site"
    before = file_states(site)
    for name in ("PIL.Image.Image.putpalette", "PIL.Image.Image.save", "jinja2.Template.render"):
        monkeypatch.setattr(name, None)
    pages = build_site(summary.audit, site)
    assert pages == sum(name.endswith(".html") for name in before)
    assert written(before, file_states(site)) == set()


def test_pages_release_the_memory_of_mapped_files_again_and_again() -> None:
    released: list[int] = []
    table = SimpleNamespace(release_pages=lambda: released.append(len(made)))
    made: list[object] = []
    drafts = [PageDraft(f"{n}.html", "page.html", lambda n=n: made.append(n) or n) for n in range(14)]
    found = list(build.releasing(iter(drafts), table))
    assert [draft.url for draft in found] == [draft.url for draft in drafts]
    assert released == []
    assert [draft.make() for draft in found] == [*range(14)]
    assert released == [4, 8, 12]


def test_digests_of_more_files_than_a_thread_reads_at_a_time_keep_their_names(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(checksums, "FILES_AT_A_TIME", 3)
    for n in range(10):
        (tmp_path / f"{n}").write_bytes(b"%d" % n)
    expected = {f"{n}": hashlib.sha256(b"%d" % n).hexdigest() for n in range(10)}
    assert hash_files({f"{n}": str(tmp_path / f"{n}") for n in range(10)}) == expected


def test_changed_template_rewrites_its_own_pages_only(report, monkeypatch) -> None:
    folder, summary = report
    site = folder / "report" / "site"
    before = file_states(site)
    shutil.copytree(assets.folder("templates"), folder / "templates")
    plain = assets.folder
    monkeypatch.setattr(assets, "folder", lambda kind: folder / kind if kind == "templates" else plain(kind))
    unit = folder / "templates" / "unit_detail.html"
    unit.write_text(unit.read_text().replace("{% block main %}", "{% block main %}<!-- new -->"))
    build_site(summary.audit, site)
    units = {name for name in before if name.startswith("units/") and not name.endswith("index.html")}
    assert written(before, file_states(site)) == units | {CHECKSUMS} != {CHECKSUMS}
    with open(folder / "templates" / "base.html", "a") as file:
        file.write("<!-- all -->\n")
    build_site(summary.audit, site)
    pages = {name: data for name, (_, data) in file_states(site).items() if name.endswith(".html")}
    unchanged = {name for name in pages if not pages[name].endswith(b"<!-- all -->")}
    assert unchanged == {"404.html"}  # does not extend base.html


def test_changed_image_rewrites_only_the_pages_that_show_it(report) -> None:
    folder, summary = report
    site = folder / "report" / "site"
    before = file_states(site)
    pixels = np.asarray(Image.open(folder / "data" / "green-3.png")).copy()
    pixels[:8] = 255 - pixels[:8]
    Image.fromarray(pixels).save(folder / "data" / "green-3.png")
    again = audited(folder)
    assert (again.is_fresh, again.computed) == (False, 1)
    after = file_states(site)
    own = image_page(summary.audit, [s.name for s in summary.audit.samples].index("green-3.png"))
    images = {name for name in written(before, after) if name.startswith("images/0")}
    assert own in images
    link = own.encode()
    for name in images - {own}:
        assert link in before[name][1] or link in after[name][1], name
    assert len(images) < len(summary.audit.samples)
    assert {"404.html", "filters/index.html"}.isdisjoint(written(before, after))
    build_site(again.audit, folder / "anew" / "site")
    anew = {name: data for name, (_, data) in file_states(folder / "anew" / "site").items() if name != CHECKSUMS}
    assert anew == {name: after[name][1] for name in anew}  # a run writes result files as well
    assert check_site(folder / "report")[0] == []


def test_one_process_writes_the_same_site_as_three(built, tmp_path: Path, monkeypatch) -> None:
    folder, summary = built
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(3), raising=False)
    assert build_site(summary.audit, tmp_path / "three" / "site") > parallel.MIN_PARALLEL_ITEMS
    monkeypatch.setattr(parallel, "MIN_PARALLEL_ITEMS", 10**9)
    monkeypatch.setattr(parallel, "get_context", None)
    build_site(summary.audit, tmp_path / "one" / "site")
    three, one = (file_states(tmp_path / name / "site") for name in ("three", "one"))
    assert {name: data for name, (_, data) in three.items()} == {name: data for name, (_, data) in one.items()}
    published = file_states(folder / "report" / "site")
    one.pop(CHECKSUMS)  # a run writes result files as well
    assert all(published[name][1] == data for name, (_, data) in one.items())


def test_image_format_webp_writes_photographs_as_webp(built, tmp_path: Path, monkeypatch) -> None:
    folder, summary = built
    site = tmp_path / "report" / "site"
    build_site(summary.audit, site, image_format="webp")
    made = file_states(site)
    jpegs, webps = (
        {name: data for name, (_, data) in found.items() if name.endswith(ending)}
        for found, ending in ((file_states(folder / "report" / "site"), ".jpg"), (made, ".webp"))
    )
    assert len(webps) == len(jpegs) > len(summary.audit.samples)
    assert sum(map(len, webps.values())) < sum(map(len, jpegs.values()))
    assert not any(b".jpg" in data for name, (_, data) in made.items() if name.endswith(".html"))
    page = made[image_page(summary.audit, 0)][1].decode()
    shown = min((name for name in webps if name in page), key=page.index)  # the viewer's
    pictures = [Image.open(io.BytesIO(data)) for data in (summary.audit.main.jpeg(0), webps[shown])]
    before, after = (np.asarray(picture.convert("RGB"), float) for picture in pictures)
    assert np.abs(before - after).mean() < 8  # of noise, which both formats coarsen
    monkeypatch.setattr("reportgen.draw.webp.Image", None)  # what the last build made is not made again
    build_site(summary.audit, site, image_format="webp")
    assert written(made, file_states(site)) == set()
    build_site(summary.audit, site)
    assert not list(site.glob("media/*.webp"))


@pytest.fixture
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("processes are forked on Linux only")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(3))


def test_undefined_field_of_a_template_fails_the_build_of_several_processes(report, three_cores, monkeypatch) -> None:
    folder, summary = report
    shutil.copytree(assets.folder("templates"), folder / "templates")
    plain = assets.folder
    monkeypatch.setattr(assets, "folder", lambda kind: folder / kind if kind == "templates" else plain(kind))
    with open(folder / "templates" / "not_found.html", "a") as file:
        file.write("{{ page.nothing }}")
    with pytest.raises(jinja2.UndefinedError):
        build_site(replace(summary.audit), folder / "report" / "site")
