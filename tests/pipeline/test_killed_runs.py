"""A run that is killed while it computes or builds the site: the next run ends with the same report."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from reportgen.config import AuditConfig
from reportgen.gallery.core.check import check_site
from reportgen.pipeline.run import run_audit
from tests.support.reportgen_process import start
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


def files(out: Path) -> dict[str, bytes]:
    """The files of a report, without the cache and report.json, which describe the run."""
    every = (path for path in out.rglob("*") if path.is_file() and "cache" not in path.relative_to(out).parts)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in every if path.name != "report.json"}


def audited(data: Path, out: Path) -> None:
    run_audit(AuditConfig(data=data, model=TINY_NETWORK, select="all", device="cpu", out=out))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes], int]:
    """The data, the report of a run that was not stopped, and the number of its files in the cache."""
    folder = tmp_path_factory.mktemp("killed")
    table = squares(folder / "data", each=4)
    audited(table, folder / "report")
    return table, files(folder / "report"), count(folder / "report" / "cache")


def count(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


@pytest.mark.parametrize(("where", "share"), [("cache", 0.5), ("site", 0.5)])  # `tests.faults` has many more
def test_killed_run_resumes_to_the_same_report(whole, tmp_path: Path, where: str, share: float) -> None:
    table, expected, cached_files = whole
    total = cached_files if where == "cache" else sum(name.startswith("site/") for name in expected)
    out = tmp_path / "report"
    run = start("run", "--data", table, "--model", TINY_NETWORK, "--select", "all", "--device", "cpu", "--out", out)
    until = time.monotonic() + 120
    while run.poll() is None and count(out / where) < share * total and time.monotonic() < until:
        time.sleep(0.002)
    run.kill()
    run.communicate()
    assert run.returncode == -9, "it ended before it was killed"
    audited(table, out)
    found = files(out)
    assert {name for name in expected | found if expected.get(name) != found.get(name)} == set()
    assert not list(out.rglob("*.tmp"))
    assert check_site(out)[0] == []
