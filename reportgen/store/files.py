"""Atomic file writes, and the lock that lets one run at a time write to a folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import resource
import shutil
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from reportgen.errors import OutputError

MAX_LOCK_WAIT = 2.0
"""Seconds to wait for another run's lock: a killed run holds it until the system has ended all its processes."""


def write_first(path: Path, data: bytes) -> bool:
    """Write a file as `write_atomic` does, unless it exists; return whether it was written. Errors: OutputError."""
    temporary = path.with_name(f".{path.name}.{this_process()}.first.tmp")
    write_atomic(temporary, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def write_atomic(path: Path, data: bytes, durable: bool = True) -> None:
    """Write a file so that it is complete or absent: under a temporary name in the same folder, flushed, then renamed.

    durable: false for one of many files that can be made again: the caller flushes all of them at once (`os.sync`)
        before it relies on them. Flushing a file and its folder takes milliseconds, longer than making a page.
    Errors: OutputError that names the path and, if the disk is full, the free bytes.
    """
    with open_atomic(path, durable) as file:
        file.write(data)


@contextlib.contextmanager
def open_atomic(path: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a file for `write_atomic` in pieces: it appears at the end of the `with` block. Errors: OutputError."""
    temporary = path.with_name(f".{path.name}.{this_process()}.tmp")
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
        raise write_error(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def this_process() -> str:
    """Identify this process among those that write to a folder, which may run on several machines."""
    return f"{os.getpid()}-{zlib.crc32(os.uname().nodename.encode()):08x}"


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes of this computer left of `open_atomic`, for a path outside of a locked folder."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.[0-9]*.tmp"):
        if has_ended(temporary.name.removesuffix(".tmp").rpartition(".")[2]):
            temporary.unlink(missing_ok=True)


def has_ended(process: str) -> bool:
    """Whether a process was one of this computer and has ended. process: what `this_process` returned there."""
    number, _, computer = process.partition("-")
    return computer == this_process().partition("-")[2] and number.isdecimal() and not _is_running(int(number))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _new_file(path: Path) -> BinaryIO:
    """Open a file for writing. Its folder is created only if opening fails: most files have theirs already."""
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


def write_error(path: Path, error: OSError) -> OutputError:
    """Return the error for a file or folder that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(folder).free
        return OutputError(
            f"disk full: no room for `{path}` ({free:,} bytes free)", "free some space and run the same command again"
        )
    return OutputError(f"cannot write `{path}` ({error.strerror or error})", "name another folder with --out")


def raise_open_file_limit() -> None:
    """Raise this process's limit of open files to the system's: a store keeps every shard open, and the default of many
    systems is 1,024. (Python's memory map holds a file descriptor of its own.)"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS reports no limit, but refuses some values
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _lock_soon(file: IO[str], kind: int) -> bool:
    """Lock an open file, and return whether that was possible within `MAX_LOCK_WAIT`."""
    until = time.monotonic() + MAX_LOCK_WAIT
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        else:
            return True


@contextlib.contextmanager
def exclusive_run(folder: Path) -> Iterator[None]:
    """Lock `folder` for this process, and remove temporary files of interrupted runs. A lock ends with its process.

    Errors: OutputError if another run or a part holds the lock, or the folder cannot be written.
    """
    with _locked(folder / ".lock", fcntl.LOCK_EX, f"another run is writing to `{folder}`"):
        for own in ("", "cache/**/", "site/**/", "demo/**/"):  # with `--out .` other folders are not reportgen's
            for temporary in folder.glob(f"{own}.*.[0-9]*.tmp"):
                temporary.unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def shared_run(folder: Path, part: str) -> Iterator[None]:
    """Lock one part of the work on `folder`; others may work on other parts meanwhile, but no run.

    Errors: OutputError if a run or another process with this part holds the lock, or the folder cannot be written.
    """
    with (
        _locked(folder / ".lock", fcntl.LOCK_SH, f"a run is writing to `{folder}`"),
        _locked(
            folder / "cache" / f".part-{part}.lock",
            fcntl.LOCK_EX,
            f"another process computes part {part.replace('-', ' ')}",
        ),
    ):
        yield


@contextlib.contextmanager
def _locked(path: Path, kind: int, refusal: str) -> Iterator[None]:
    """Lock a file, which is made if it is missing. kind: `LOCK_EX`, or `LOCK_SH` for a lock that several may hold."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "w")  # noqa: SIM115 - stays open as long as the lock is held
    except OSError as error:
        raise write_error(path, error) from error
    with file:
        if not _lock_soon(file, kind):
            raise OutputError(refusal, "wait for it, or name another --out")
        try:
            yield
        finally:  # closing is not enough: a worker process that is about to end has the file open too
            fcntl.flock(file, fcntl.LOCK_UN)
