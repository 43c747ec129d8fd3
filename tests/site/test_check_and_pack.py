"""`reportgen check` finds what is broken and nothing else; `reportgen pack` makes files that open by themselves."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import threading
import urllib.request
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from reportgen.errors import OutputError
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.gallery.core.pack import pack
from reportgen.gallery.core.serve import server
from tests.support.browser import opened
from tests.support.tiny import squares


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "reportgen", *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture
def copy(demo_report: Path, tmp_path: Path) -> Path:
    """A report that may be broken."""
    shutil.copytree(demo_report / "site", tmp_path / "report" / "site")
    return tmp_path / "report"


def test_a_whole_report_has_no_faults(demo_report: Path) -> None:
    done = command("check", demo_report)
    assert (done.returncode, done.stdout) == (0, "")


def first(report: Path, pattern: str) -> Path:
    return sorted((report / "site").glob(pattern))[0]


def edit(page: Path, old: str, new: str) -> None:
    text = page.read_text()
    assert old in text
    page.write_text(text.replace(old, new, 1))


def break_picture(report: Path) -> str:
    path = first(report, "media/*.jpg")
    path.unlink()
    return f"media/{path.name}` is not there"


def break_bytes(report: Path) -> str:
    path = first(report, "media/*.png")
    path.write_bytes(path.read_bytes() + b"x")
    return f"media/{path.name}: its bytes are not those"


def break_link(report: Path) -> str:
    edit(report / "site" / "index.html", "classes/index.html", "classes/gone.html")
    return "index.html: `classes/gone.html` is not there"


def break_policy(report: Path) -> str:
    edit(report / "site" / "about.html", "default-src", "default-of")
    return "about.html: its Content-Security-Policy"


def break_out(report: Path) -> str:
    edit(report / "site" / "about.html", 'href="index.html"', 'href="https://example.org/"')
    return "about.html: `https://example.org/` leads outside"


def break_above(report: Path) -> str:
    edit(report / "site" / "about.html", 'href="index.html"', 'href="../index.html"')
    return "about.html: `../index.html` is not there"


def break_script(report: Path) -> str:
    edit(report / "site" / "about.html", "</main>", "<script>1</script></main>")
    return "about.html: a script inside the page"


def break_handler(report: Path) -> str:
    edit(report / "site" / "about.html", "<h1>", '<h1 onclick="1" style="color:red">')
    return "about.html: `onclick` on <h1>"


def break_data(report: Path) -> str:
    page = first(report, "images/0*.html")
    edit(page, 'id="viewer-data">{', 'id="viewer-data">{{')
    return f"images/{page.name}: its data block is not JSON"


def break_json(report: Path) -> str:
    (report / "site" / "data" / "metrics.json").write_text("{")
    return "data/metrics.json: is not JSON"


def break_size(report: Path) -> str:
    with open(report / "site" / "data" / "large.bin", "wb") as file:
        file.truncate(26 * 1024 * 1024)
    return "data/large.bin: has 27,262,976 bytes"


def break_anchor(report: Path) -> str:
    edit(report / "site" / "about.html", 'href="#main"', 'href="#nowhere"')
    return "about.html: `#nowhere` names no place"


def break_chunk(report: Path) -> str:
    path = first(report, "data/images.*.js")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return f"data/{path.name}: its bytes are not those"


def break_atlas(report: Path) -> str:
    path = first(report, "data/atlas-0.*.js")
    path.unlink()
    return f"maps/index.html: `data/{path.name}` is not there"


def break_switcher(report: Path) -> str:
    path = first(report, "data/switch.*.js")
    path.unlink()
    return f"data/chunks.js: `data/{path.name}` is not there"


def break_chunks(report: Path) -> str:
    (report / "site" / "data" / "chunks.js").write_text("reportgen.take(")
    return "data/chunks.js: is no chunk of data"


def break_addresses(report: Path) -> str:
    (report / "site" / "data" / "chunks.js").unlink()
    return "data/chunks.js: is not there"


def break_card(report: Path) -> str:
    chunk = read_chunk(report / "site", "images")
    photo = chunk["texts"]["photo"].split("\n")[-1]
    (report / "site" / photo).unlink()
    return f"data/{first(report, 'data/images.*.js').name}: `{photo}` is not there"


def break_lost(report: Path) -> str:
    edit(report / "site" / "404.html", "color-scheme", "colour-scheme")
    return "404.html: its Content-Security-Policy"


BREAKS = [break_picture, break_bytes, break_link, break_policy, break_out, break_above, break_script, break_handler]
BREAKS += [break_data, break_json, break_size, break_anchor]
BREAKS += [break_chunk, break_atlas, break_switcher, break_chunks, break_addresses, break_card, break_lost]


@pytest.mark.parametrize("damage", BREAKS)
def test_each_fault_is_named(copy: Path, damage: object) -> None:
    expected = damage(copy)  # type: ignore[operator]
    assert any(expected in str(fault) for fault in check_site(copy)), [str(f) for f in check_site(copy)]


def test_a_broken_report_exits_with_1(copy: Path) -> None:
    expected = break_link(copy)
    done = command("check", copy)
    assert done.returncode == 1
    assert expected in done.stdout


def test_no_report_is_one_line(tmp_path: Path) -> None:
    for name in ("check", "pack"):
        done = command(name, tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith("error: `")
        assert "holds no report" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_zip_opens_after_unpacking(browser: Browser, demo_report: Path, tmp_path: Path) -> None:
    done = command("pack", demo_report, "--out", tmp_path / "audit.zip")
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
    with opened(browser, offline=True) as (page, said):
        page.goto((tmp_path / "audit" / "index.html").as_uri())
        assert page.locator("h1").is_visible()
        assert said == []
    before = (tmp_path / "audit.zip").read_bytes()
    command("pack", demo_report, "--out", tmp_path / "audit.zip")
    assert (tmp_path / "audit.zip").read_bytes() == before


def site_of_one_page(report: Path) -> Path:
    (report / "site").mkdir(parents=True)
    (report / "site" / "index.html").write_text("<h1>one</h1>")
    return report


def test_a_dot_in_a_reports_name_stays_in_its_zips(tmp_path: Path) -> None:
    for name in ("audit.2024", "audit.2025"):
        done = command("pack", site_of_one_page(tmp_path / name))
        assert done.stdout.strip() == str(tmp_path / f"{name}.zip")
        assert zipfile.ZipFile(tmp_path / f"{name}.zip").namelist() == [f"{name}/index.html"]


def test_a_zip_may_go_into_a_folder_that_is_not_there_but_not_into_a_file(tmp_path: Path) -> None:
    report = site_of_one_page(tmp_path / "report")
    assert command("pack", report, "--out", tmp_path / "new" / "folder" / "x.zip").returncode == 0
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["x.zip"]
    done = command("pack", report, "--out", report / "site" / "index.html" / "x.zip")
    assert done.returncode == 2
    assert "error: cannot write `" in done.stderr
    assert "Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pack_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_single_file_shows_its_images_alone(browser: Browser, demo_report: Path, tmp_path: Path) -> None:
    out = tmp_path / "alone" / "two.html"
    arguments = ["--single", "coffee-01-original.jpg", "--single", "chelsea-02", "--out", out]
    done = command("pack", demo_report, *arguments)
    assert done.returncode == 0, done.stderr
    with opened(browser, offline=True) as (page, said):
        page.on(
            "request", lambda r: said.append(r.url) if r.url.startswith("file:") and r.url != out.as_uri() else None
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
        assert said == []


def test_a_report_of_webp_pictures_is_whole_and_goes_along(browser: Browser, tmp_path: Path) -> None:
    table, report, out = squares(tmp_path / "data", each=2), tmp_path / "report", tmp_path / "one.html"
    classes = ("--classes", tmp_path / "data" / "classes.txt", "--model", "python:tests.support.tiny:network")
    done = command("run", "--data", table, *classes, "--select", "none", "--pictures", "webp", "--out", report)
    assert done.returncode == 0, done.stderr
    assert command("check", report).stdout == ""
    assert command("pack", report, "--single", "red-0.png", "--out", out).returncode == 0
    text = out.read_text()
    assert text.count("data:image/webp;base64,UklGR") >= 2  # RIFF
    assert "image/jpeg" not in text
    with opened(browser, offline=True) as (page, said):
        page.goto(out.as_uri())
        assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
        assert said == []
    with server(report, 0) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        picture = first(report, "media/*.webp").name
        with urllib.request.urlopen(f"http://127.0.0.1:{http.server_address[1]}/media/{picture}") as answer:
            assert answer.headers["Content-Type"] == "image/webp"
        http.shutdown()


def test_an_unknown_or_unclear_image_is_named(demo_report: Path, tmp_path: Path) -> None:
    unknown = command("pack", demo_report, "--single", "no-such-thing", "--out", tmp_path / "x.html")
    assert unknown.returncode == 2
    assert "`no-such-thing`" in unknown.stderr
    unclear = command("pack", demo_report, "--single", "chelsea", "--out", tmp_path / "x.html")
    assert unclear.returncode == 2
    assert "means 12 images" in unclear.stderr
    assert not (tmp_path / "x.html").exists()
