"""Files that are there whole or not at all, and one run at a time in a folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from reportgen.errors import OutputError


def write_atomic(path: Path, data: bytes, durable: bool = True) -> None:
    """Writes under a temporary name in the same folder, flushes it to the disk, renames, and flushes the folder.

    durable: false for one of many files that can be made again: whoever writes them flushes all at once (`os.sync`)
        before it relies on them. Two flushes take some milliseconds, more than making a page.
    Errors: OutputError that names the path and, for a full disk, the bytes that are free.
    """
    with written_atomic(path, durable) as file:
        file.write(data)


@contextlib.contextmanager
def written_atomic(path: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """As `write_atomic`, of a file that is written piece by piece."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _new_file(temporary) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _new_file(path: Path) -> BinaryIO:
    """Opened for writing; its folder is made where there is none, which is tried only then: most files have one."""
    try:
        return open(path, "wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "wb")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The one line for an output that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(folder).free
        return OutputError(
            f"no room for `{path}` ({free:,} bytes free)", "free some space and run the same command again"
        )
    return OutputError(f"cannot write `{path}` ({error.strerror or error})", "name another folder with --out")


def allow_open_files() -> None:
    """As many open files as the system lets this process have: many systems begin with 1,024, and a store keeps each of
    its shards open (Python's memory map holds a file of its own)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS calls the limit unlimited, but sets none above its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Holds `folder` for this process: a second run stops with one line. A dead holder's lock is freed."""
    lock = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(lock, "w")  # noqa: SIM115 - held open for as long as the lock is
    except OSError as error:
        raise cannot_write(lock, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(f"another run is writing to `{folder}`", "wait for it, or name another --out") from None
        for place in ("", "cache/**/", "site/**/", "demo/**/"):  # our own folders: `--out .` may hold anything else
            for left in folder.glob(f"{place}.*.[0-9]*.tmp"):
                left.unlink(missing_ok=True)
        try:
            yield
        finally:  # closing is not enough: a helper of this run that is about to end has the file too
            fcntl.flock(file, fcntl.LOCK_UN)
