"""`reportgen check` names what is broken in a site."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from reportgen.config import AuditConfig
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.pipeline.run import run_audit
from tests.support.reportgen_process import reportgen
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


@pytest.fixture(scope="module")
def small_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of few images, whose check takes less than a second."""
    folder = tmp_path_factory.mktemp("small")
    table = squares(folder / "images", each=3)
    run_audit(AuditConfig(data=table, model=TINY_NETWORK, select="none", out=folder / "report"))
    return folder / "report"


@pytest.fixture
def copy(small_report: Path, tmp_path: Path) -> Path:
    """A copy of the small report, for tests that damage it."""
    shutil.copytree(small_report / "site", tmp_path / "report" / "site")
    return tmp_path / "report"


def test_check_accepts_a_complete_report(demo_report: Path) -> None:
    done = reportgen("check", demo_report)
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
    return f"media/{path.name}` is missing"


def break_bytes(report: Path) -> str:
    path = first(report, "media/*.png")
    path.write_bytes(path.read_bytes() + b"x")
    return f"media/{path.name}: its bytes do not match"


def break_link(report: Path) -> str:
    edit(report / "site" / "index.html", "classes/index.html", "classes/gone.html")
    return "index.html: `classes/gone.html` is missing"


def break_policy(report: Path) -> str:
    edit(report / "site" / "provenance.html", "default-src", "default-of")
    return "provenance.html: its Content-Security-Policy"


def break_out(report: Path) -> str:
    edit(report / "site" / "provenance.html", 'href="index.html"', 'href="https://example.org/"')
    return "provenance.html: `https://example.org/` leads outside"


def break_above(report: Path) -> str:
    edit(report / "site" / "provenance.html", 'href="index.html"', 'href="../index.html"')
    return "provenance.html: `../index.html` is missing"


def break_script(report: Path) -> str:
    edit(report / "site" / "provenance.html", "</main>", "<script>1</script></main>")
    return "provenance.html: an inline script"


def break_handler(report: Path) -> str:
    edit(report / "site" / "provenance.html", "<h1>", '<h1 onclick="1" style="color:red">')
    return "provenance.html: `onclick` on <h1>"


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
    edit(report / "site" / "provenance.html", 'href="#main"', 'href="#nowhere"')
    return "provenance.html: `#nowhere` names an id"


def break_chunk(report: Path) -> str:
    path = first(report, "data/images.*.js")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return f"data/{path.name}: its bytes do not match"


def break_atlas(report: Path) -> str:
    path = first(report, "data/atlas-0.*.js")
    path.unlink()
    return f"embedding/index.html: `data/{path.name}` is missing"


def break_search(report: Path) -> str:
    path = first(report, "data/search.*.js")
    path.unlink()
    return f"data/chunks.js: `data/{path.name}` is missing"


def break_chunks(report: Path) -> str:
    (report / "site" / "data" / "chunks.js").write_text("reportgen.take(")
    return "data/chunks.js: is not a chunk of data"


def break_addresses(report: Path) -> str:
    (report / "site" / "data" / "chunks.js").unlink()
    return "data/chunks.js: is missing"


def break_card(report: Path) -> str:
    chunk = read_chunk(report / "site", "images")
    photo = chunk["texts"]["photo"].split("\n")[-1]
    (report / "site" / photo).unlink()
    return f"data/{first(report, 'data/images.*.js').name}: `{photo}` is missing"


def break_lost(report: Path) -> str:
    edit(report / "site" / "404.html", "color-scheme", "colour-scheme")
    return "404.html: its Content-Security-Policy"


BREAKS = [break_picture, break_bytes, break_link, break_policy, break_out, break_above, break_script, break_handler]
BREAKS += [break_data, break_json, break_size, break_anchor]
BREAKS += [break_chunk, break_atlas, break_search, break_chunks, break_addresses, break_card, break_lost]


@pytest.mark.parametrize("damage", BREAKS)
def test_check_names_the_damaged_file(copy: Path, damage: Callable[[Path], str]) -> None:
    expected = damage(copy)
    faults = [str(fault) for fault in check_site(copy)[0]]
    assert any(expected in fault for fault in faults), faults


def any_change(site: Path, random: Random) -> str:
    """Change one file at random, as a broken disk, host or person would; return its name."""
    files = sorted(path for path in site.rglob("*") if path.is_file())
    path = random.choice(files)
    data = path.read_bytes()
    at = random.randrange(len(data))
    changes: list[Callable[[], object]] = [
        path.unlink,
        lambda: path.write_bytes(data[:at]),
        lambda: path.write_bytes(data + b" "),
        lambda: path.write_bytes(data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]),
        lambda: path.write_bytes(random.choice(files).read_bytes() + b"of another file"),
        lambda: (path.parent / "extra").write_bytes(data),
    ]
    number = random.randrange(len(changes))
    changes[number]()
    name = path.parent / "extra" if number == len(changes) - 1 else path
    return name.relative_to(site).as_posix()


@pytest.mark.parametrize("seed", range(40))
def test_check_finds_any_change_of_any_file(copy: Path, seed: int) -> None:
    name = any_change(copy / "site", Random(seed))
    assert name in {fault.file for fault in check_site(copy)[0]}


def test_sha256sum_checks_a_site_without_reportgen(copy: Path) -> None:
    if not shutil.which("sha256sum"):
        pytest.skip("sha256sum is not installed")
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(command, cwd=copy / "site").returncode == 0
    path = first(copy, "media/*.png")
    path.write_bytes(path.read_bytes()[:-1])
    done = subprocess.run(command, cwd=copy / "site", capture_output=True, text=True)
    assert done.returncode == 1
    assert path.name in done.stdout


def test_check_of_a_damaged_report_exits_with_1(copy: Path) -> None:
    expected = break_link(copy)
    done = reportgen("check", copy)
    assert done.returncode == 1
    assert expected in done.stdout


def test_check_of_no_report_ends_with_one_line(tmp_path: Path) -> None:
    done = reportgen("check", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: `{tmp_path}` has no report")
    assert "Traceback" not in done.stderr
