"""Reading one file whole and safely, and saying things of it in one line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_BYTES = 1 << 30  # far over any image that decodes under the pixel cap; keeps a sparse giant out of memory


def read_regular(path: Path) -> bytes:
    """The bytes of a regular file; OSError for anything else. Never waits for the other end of a FIFO."""
    with open(path, "rb", opener=_open_now) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        if status.st_size > MAX_BYTES:
            raise OSError(f"{status.st_size} bytes are over the cap of {MAX_BYTES}")
        return file.read(MAX_BYTES)


def _open_now(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no such flag, and no FIFOs in folders


def one_line(text: str) -> str:
    """`text` with everything that is not printable (newlines, escapes, direction marks, lone surrogates) escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def cause(error: BaseException) -> str:
    """Why something failed: one line in lower case, without path, final period or Python's punctuation."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    text = one_line(text).rstrip(". ")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
