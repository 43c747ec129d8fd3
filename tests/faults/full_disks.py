"""A disk that is full: a small tmpfs, with few bytes or few files, and a stand-in where nothing can be mounted.

The job must end with one line that names the path and the free bytes, leave nothing temporary, and end with the same
results once there is space.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.events import Event, watch
from tests.faults.job import Job, Outcome, attempt, faults_of, remove

LINE = "OutputError: disk full: no room for `"


def fill_after(job: Job, number: int, folder: Path, expected: dict[str, bytes]) -> list[str]:
    """Do the job on a disk that is full from its change `number` on, and again when there is space."""
    out = folder / "full"
    remove(out)

    def before(current: int, event: Event) -> None:
        if current >= number and event[0] in ("open", "mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(event[1]))

    def work() -> int:
        out.mkdir()
        watch(out, before)
        return job.do(out)

    faults = _faults_when_full(attempt(work, folder / "outcome.json"), out)
    return faults or _resumed(job, out, folder, expected)


def fill_tmpfs(job: Job, options: str, folder: Path, expected: dict[str, bytes]) -> list[str] | None:
    """Do the job on a tmpfs with these options, then copied to a larger disk; None if nothing can be mounted."""
    out = folder / "small"
    with _tmpfs(folder / "mounted", options) as mounted:
        if mounted is None:
            return None
        inner = mounted / "out"

        def work() -> int:
            inner.mkdir()
            return job.do(inner)

        outcome = attempt(work, folder / "outcome.json")
        faults = _faults_when_full(outcome, mounted)
        remove(out)
        if inner.exists():
            shutil.copytree(inner, out)
    return faults or _resumed(job, out, folder, expected)


def _faults_when_full(outcome: Outcome, folder: Path) -> list[str]:
    faults = [] if outcome.end.startswith(LINE) and "bytes free)" in outcome.end else [outcome.end]
    faults += [f"{path.name} was left" for path in folder.rglob("*.tmp")]
    return faults + [f"{path.name} is in several lines" for path in folder.rglob("*") if "\n" in outcome.end]


def _resumed(job: Job, out: Path, folder: Path, expected: dict[str, bytes]) -> list[str]:
    outcome = attempt(lambda: job.do(out), folder / "outcome.json")
    return faults_of(out, expected) if outcome.is_done else [outcome.end]


@contextlib.contextmanager
def _tmpfs(folder: Path, options: str) -> Iterator[Path | None]:
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
