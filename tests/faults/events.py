"""Every change that this process makes to the files of a folder, one event each, before it happens.

Python announces them to audit hooks, whichever function makes them: opening a file for writing, rename, remove, new and
removed folders. Flushes are patched in (and do nothing: a kill loses nothing of what the system has).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ONE_PATH = ("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree")
Event = tuple[str, Path]
"""The kind of a change, and the file or folder that it changes."""


def watch(folder: Path, before: Callable[[int, Event], None]) -> None:
    """Call `before(number, event)` before every change in the folder by this process. It cannot be undone."""
    count, busy = 0, False
    root = os.fspath(folder) + os.sep

    def happened(kind: str, path: Any) -> None:
        nonlocal count, busy
        if busy or not isinstance(path, str | bytes | os.PathLike):
            return
        text = os.path.abspath(os.fsdecode(path))
        if not text.startswith(root):
            return
        busy = True
        try:
            before(count, (kind, Path(text)))
        finally:
            busy = False
            count += 1

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if flags & WRITING if isinstance(flags, int) else any(c in (mode or "r") for c in "wax+"):
                happened("open", path)
        elif event == "os.rename":
            happened("rename", arguments[1])
        elif event in ONE_PATH:
            happened(event.partition(".")[2], arguments[0])

    sys.addaudithook(hook)
    os.fsync = lambda descriptor: happened("flush", os.readlink(f"/proc/self/fd/{descriptor}"))
    os.sync = lambda: happened("flush", folder / "everything")
