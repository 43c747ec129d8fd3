"""Files that are published together: nothing shows before, everything after, and an interrupt waits."""

import os
import signal
from pathlib import Path

import pytest

from reportgen.errors import OutputError
from reportgen.store.staging import Staging


def texts(report: Path) -> dict[str, str]:
    every = (path for path in report.rglob("*") if path.is_file())
    return {path.relative_to(report).as_posix(): path.read_text() for path in every}


def test_staged_files_appear_only_when_published(tmp_path: Path) -> None:
    (tmp_path / "old.html").write_text("old")
    with Staging(tmp_path) as staging:
        staged = staging.write(tmp_path / "site" / "new.html", b"new")
        staging.write(tmp_path / "old.html", b"changed")
        assert staged.read_bytes() == b"new"
        assert not (tmp_path / "site").exists()
        assert (tmp_path / "old.html").read_text() == "old"
        before = staged.stat().st_mtime_ns
        staging.publish()
        assert texts(tmp_path) == {"old.html": "changed", "site/new.html": "new"}
        assert (tmp_path / "site" / "new.html").stat().st_mtime_ns == before
    assert texts(tmp_path) == {"old.html": "changed", "site/new.html": "new"}


def test_file_with_the_same_bytes_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "same.html").write_text("same")
    before = (tmp_path / "same.html").stat()
    with Staging(tmp_path) as staging:
        assert staging.write(tmp_path / "same.html", b"same") == tmp_path / "same.html"
        staging.publish()
    after = (tmp_path / "same.html").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_interrupted_build_leaves_the_report_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("old")

    def interrupted() -> None:
        with Staging(tmp_path) as staging:
            staging.write(tmp_path / "page.html", b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert texts(tmp_path) == {"page.html": "old"}


def test_leftovers_of_a_killed_build_are_not_published(tmp_path: Path) -> None:
    Staging(tmp_path).write(tmp_path / "left.html", b"of a run that was killed")
    with Staging(tmp_path) as staging:
        staging.write(tmp_path / "page.html", b"page")
        staging.publish()
    assert texts(tmp_path) == {"page.html": "page"}


def test_new_files_come_before_those_that_link_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.html").write_text("old")
    order: list[str] = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (order.append(Path(new).name), replace(old, new)))
    with Staging(tmp_path) as staging:
        staging.write(tmp_path / "a.html", b"links to b.html")
        staging.write(tmp_path / "b.html", b"new")
        staging.afterwards(lambda: order.append("afterwards"))
        staging.publish()
    assert order == ["b.html", "a.html", "afterwards"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_waits_until_all_files_are_in_place(tmp_path: Path, number: signal.Signals) -> None:
    def raise_interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def interrupted() -> None:
        with Staging(tmp_path) as staging:
            for name in ("a", "b", "c"):
                staging.write(tmp_path / name, name.encode())
            staging.afterwards(lambda: os.kill(os.getpid(), number))
            staging.afterwards(lambda: (tmp_path / "last").write_text("last"))
            staging.publish()

    before = signal.signal(number, raise_interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(number, before)
    assert texts(tmp_path) == {"a": "a", "b": "b", "c": "c", "last": "last"}


def test_file_that_cannot_be_put_in_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "site" / "page.html").mkdir(parents=True)
    with Staging(tmp_path) as staging:
        staging.write(tmp_path / "site" / "page.html", b"page")
        with pytest.raises(OutputError, match=r"page\.html"):
            staging.publish()
