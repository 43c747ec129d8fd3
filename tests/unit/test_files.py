"""The order of system calls with which a file is written, so that it is complete or absent also after a power cut."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from reportgen.store.files import open_atomic, remove_leftovers, write_atomic
from reportgen.store.staging import Staging


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every flush and rename, with the name of the file or folder."""
    made: list[tuple[str, str]] = []
    fsync, replace, sync = os.fsync, os.replace, os.sync

    def flushed(descriptor: int) -> None:
        made.append(("fsync", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        fsync(descriptor)

    def renamed(a: Any, b: Any) -> None:
        made.append(("rename", Path(b).name))
        assert Path(a).parent == Path(b).parent or "staged" in Path(a).parts
        replace(a, b)

    def everything() -> None:
        made.append(("sync", ""))
        sync()

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(os, "sync", everything)
    return made


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
def test_file_is_flushed_then_renamed_then_its_folder_is_flushed(tmp_path: Path, calls) -> None:
    write_atomic(tmp_path / "a.json", b"text")
    (flush, temporary), *others = calls
    assert flush == "fsync"
    assert temporary.startswith(f".a.json.{os.getpid()}")
    assert others == [("rename", "a.json"), ("fsync", tmp_path.name)]


def test_staged_files_are_flushed_together_before_they_are_renamed(tmp_path: Path, calls) -> None:
    with Staging(tmp_path) as staging:
        for name in ("a.html", "b.html"):
            staging.write(tmp_path / name, b"page")
        staging.publish()
    assert calls == [("sync", ""), ("rename", "a.html"), ("rename", "b.html")]


def test_only_what_killed_processes_left_of_a_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "report[1].zip"
    if (killed := os.fork()) == 0:
        context = open_atomic(path)
        context.__enter__().write(b"half")
        os._exit(0)
    os.waitpid(killed, 0)
    (tmp_path / "other.zip.tmp").touch()
    with open_atomic(path) as file:
        file.write(b"whole")
        assert len(list(tmp_path.glob(".report*.tmp"))) == 2
        remove_leftovers(path)
        assert len(list(tmp_path.glob(".report*.tmp"))) == 1
    assert {one.name for one in tmp_path.iterdir()} == {"report[1].zip", "other.zip.tmp"}
