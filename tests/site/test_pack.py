"""`reportgen pack` writes files that open without the report, and `reportgen serve` serves its photographs."""

from __future__ import annotations

import errno
import threading
import urllib.request
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from reportgen.errors import OutputError
from reportgen.gallery.core.pack import pack
from reportgen.gallery.core.serve import server
from tests.support.browser import opened
from tests.support.demo import images_of
from tests.support.reportgen_process import reportgen
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


def test_pack_of_no_report_ends_with_one_line(tmp_path: Path) -> None:
    done = reportgen("pack", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: `{tmp_path}` has no report")
    assert "Traceback" not in done.stderr


@pytest.mark.browser
def test_pack_writes_a_reproducible_zip_that_opens_after_unpacking(
    browser: Browser, demo_report: Path, tmp_path: Path
) -> None:
    done = reportgen("pack", demo_report, "--out", tmp_path / "audit.zip")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "audit.zip")
    with zipfile.ZipFile(tmp_path / "audit.zip") as archive:
        archive.extractall(tmp_path)
    site = {
        p.relative_to(demo_report / "site"): p.read_bytes() for p in (demo_report / "site").rglob("*") if p.is_file()
    }
    unpacked = {
        p.relative_to(tmp_path / "audit"): p.read_bytes() for p in (tmp_path / "audit").rglob("*") if p.is_file()
    }
    assert unpacked == site
    with opened(browser, offline=True) as (page, messages):
        page.goto((tmp_path / "audit" / "index.html").as_uri())
        assert page.locator("h1").is_visible()
        assert messages == []
    before = (tmp_path / "audit.zip").read_bytes()
    reportgen("pack", demo_report, "--out", tmp_path / "audit.zip")
    assert (tmp_path / "audit.zip").read_bytes() == before


def site_of_one_page(report: Path) -> Path:
    (report / "site").mkdir(parents=True)
    (report / "site" / "index.html").write_text("<h1>one</h1>")
    return report


def test_pack_keeps_a_dot_of_the_report_folder_in_the_zip_name(tmp_path: Path) -> None:
    for name in ("audit.2024", "audit.2025"):
        done = reportgen("pack", site_of_one_page(tmp_path / name))
        assert done.stdout.strip() == str(tmp_path / f"{name}.zip")
        assert zipfile.ZipFile(tmp_path / f"{name}.zip").namelist() == [f"{name}/index.html"]


def test_pack_creates_missing_folders_and_refuses_a_file_as_folder(tmp_path: Path) -> None:
    report = site_of_one_page(tmp_path / "report")
    assert reportgen("pack", report, "--out", tmp_path / "new" / "folder" / "x.zip").returncode == 0
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["x.zip"]
    done = reportgen("pack", report, "--out", report / "site" / "index.html" / "x.zip")
    assert done.returncode == 2
    assert "error: cannot write `" in done.stderr
    assert "Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_pack_that_fails_keeps_the_previous_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, out = site_of_one_page(tmp_path / "report"), tmp_path / "x.zip"
    out.write_text("of before")
    flushed: list[int] = []

    def full(descriptor: int) -> None:
        flushed.append(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="no room"):
        pack(report, out)
    assert flushed
    assert out.read_text() == "of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "x.zip"]


@pytest.mark.browser
def test_pack_single_shows_the_named_images_in_one_file(browser: Browser, demo_report: Path, tmp_path: Path) -> None:
    out = tmp_path / "alone" / "two.html"
    arguments = ["--single", "coffee.jpg", "--single", "chelsea_mirrored", "--out", out]
    done = reportgen("pack", demo_report, *arguments)
    assert done.returncode == 0, done.stderr
    with opened(browser, offline=True) as (page, messages):
        page.on(
            "request", lambda r: messages.append(r.url) if r.url.startswith("file:") and r.url != out.as_uri() else None
        )
        page.goto(out.as_uri())
        assert page.locator("figure.viewer").count() == 2
        parts = page.evaluate(
            "[...document.querySelectorAll('svg image')].map(image => image.href.baseVal.slice(0, 15))"
        )
        assert len(parts) >= 12
        assert set(parts) == {"data:image/png;"}
        assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
        assert page.locator("a, script").count() == 0
        assert messages == []


@pytest.mark.browser
def test_report_with_webp_photographs_is_checked_packed_and_served(browser: Browser, tmp_path: Path) -> None:
    table, report, out = squares(tmp_path / "data", each=2), tmp_path / "report", tmp_path / "one.html"
    classes = ("--classes", tmp_path / "data" / "classes.txt", "--model", TINY_NETWORK)
    done = reportgen("run", "--data", table, *classes, "--select", "none", "--image-format", "webp", "--out", report)
    assert done.returncode == 0, done.stderr
    assert reportgen("check", report).stdout == ""
    assert reportgen("pack", report, "--single", "red-0.png", "--out", out).returncode == 0
    text = out.read_text()
    assert text.count("data:image/webp;base64,UklGR") >= 2  # RIFF
    assert "image/jpeg" not in text
    with opened(browser, offline=True) as (page, messages):
        page.goto(out.as_uri())
        assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
        assert messages == []
    with server(report, 0) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        picture = min((report / "site" / "media").glob("*.webp")).name
        with urllib.request.urlopen(f"http://127.0.0.1:{http.server_address[1]}/media/{picture}") as answer:
            assert answer.headers["Content-Type"] == "image/webp"
        http.shutdown()


def test_pack_single_names_an_unknown_or_ambiguous_image(demo_report: Path, tmp_path: Path) -> None:
    unknown = reportgen("pack", demo_report, "--single", "no-such-thing", "--out", tmp_path / "x.html")
    assert unknown.returncode == 2
    assert "`no-such-thing`" in unknown.stderr
    unclear = reportgen("pack", demo_report, "--single", "chels", "--out", tmp_path / "x.html")
    assert unclear.returncode == 2
    assert f"fits {images_of('chelsea')} images" in unclear.stderr
    assert not (tmp_path / "x.html").exists()
