"""The record of the stores and results that the last run used: `reportgen cache prune` removes all others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reportgen.store.files import write_atomic, write_error

USAGE_FILE = "used"
"""File of the cache that names the stores and results that the last finished run has opened, and those that interrupted
runs have opened after it, one a line."""
RUN_SEPARATOR = "(a run begins)"
"""Line before the names of each run."""


def begin_use(cache: Path) -> None:
    """Record that a run begins. What earlier runs used still counts until `end_use`. Errors: OutputError."""
    if _read(cache):
        _append(cache, [RUN_SEPARATOR])


def end_use(cache: Path) -> None:
    """Record that the run has finished: from now on only what it used counts. Errors: OutputError."""
    write_atomic(cache / USAGE_FILE, "".join(f"{name}\n" for name in _of_current_run(cache)).encode())


def used_stores(cache: Path) -> set[str]:
    """Return the names of the stores and files that the last finished run or a later one opened; empty if unknown."""
    return set(_read(cache)) - {RUN_SEPARATOR}


def note_use(cache: Path, names: Iterable[str]) -> None:
    """Record that the run uses these stores and files of the cache. Errors: OutputError."""
    recorded = _of_current_run(cache)
    if new := [name for name in names if name not in recorded]:
        _append(cache, new)


def _read(cache: Path) -> list[str]:
    try:
        return (cache / USAGE_FILE).read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _of_current_run(cache: Path) -> list[str]:
    lines = _read(cache)
    return lines[len(lines) - lines[::-1].index(RUN_SEPARATOR) :] if RUN_SEPARATOR in lines else lines


def _append(cache: Path, lines: Iterable[str]) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with open(cache / USAGE_FILE, "a") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise write_error(cache / USAGE_FILE, error) from error
