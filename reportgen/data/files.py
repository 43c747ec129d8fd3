"""Safe reading of files, and text that fits into one line of a message."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reportgen.json_text import load_json

MAX_BYTES = 1 << 30
"""Far more than any image within `decoding.MAX_PIXELS` needs; protects the memory from huge sparse files."""


def read_regular(path: Path, offset: int = 0, size: int | None = None) -> bytes:
    """Return the bytes of a regular file, from `offset` on, at most `size`. Never waits for the other end of a FIFO.

    Errors: OSError if the file is not regular, if that is more than `MAX_BYTES`, or if it cannot be read.
    """
    with open(path, "rb", opener=_open_nonblocking) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        wanted = status.st_size if size is None else size
        if wanted > MAX_BYTES:
            raise OSError(f"{wanted} bytes exceed the limit of {MAX_BYTES}")
        file.seek(offset)
        return file.read(MAX_BYTES if size is None else size)


def _open_nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has neither the flag nor FIFOs in folders


def one_line(text: str) -> str:
    """Return `text` with unprintable characters escaped: newlines, control characters, lone surrogates."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def cause(error: BaseException) -> str:
    """Return the reason of an error as one line in lower case, without path or final period."""
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    text = one_line(text).rstrip(". ")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def indexed_files(index: Path) -> list[str]:
    """Return the names of the files of weights that an index (`….index.json`) names, relative to it.

    Errors: OSError; ValueError, KeyError, TypeError or AttributeError for another file.
    """
    return sorted(set(load_json(index.read_text("utf-8"))["weight_map"].values()))
