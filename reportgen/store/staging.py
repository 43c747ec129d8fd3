"""Files that are written aside and then put in place together, so that an interrupted build changes nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from reportgen.store.files import write_error


class Staging:
    """Files of a report that a reader sees only after `publish`.

    Leaving the `with` block discards what was not published. Processes forked inside of the block may write too.
    """

    def __init__(self, report: Path) -> None:
        """report: the folder that all files are in; its `cache/staged` holds them until `publish`."""
        self._report, self._folder = report, report / "cache" / "staged"
        self._afterwards: list[Callable[[], object]] = []
        self._discard()  # what a killed run left

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def write(self, path: Path, data: bytes) -> Path:
        """Stage a file unless the report has it with these bytes. Return the one that has them. Errors: OutputError."""
        if path.is_file() and path.read_bytes() == data:
            return path
        staged = self._folder / path.relative_to(self._report)
        try:
            staged.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(data)
        except OSError as error:
            raise write_error(path, error) from error
        return staged

    def afterwards(self, action: Callable[[], object]) -> None:
        """Do this as the last part of `publish`, such as removing what no page refers to any more."""
        self._afterwards.append(action)

    def publish(self) -> None:
        """Put all files in place, then do what was to be done afterwards. Errors: OutputError.

        Ctrl-C and SIGTERM wait until this is done. New files come first, so that the pages which link to them never
        link to nothing, even if the process is killed between two files.
        """
        os.sync()  # what is put in place is on the disk
        with _without_interrupts():
            for path, target in sorted(_moves(self._folder, self._report), key=lambda pair: pair[1].exists()):
                try:
                    os.replace(path, target)
                except OSError as error:
                    raise write_error(target, error) from error
            for action in self._afterwards:
                action()
            self._afterwards.clear()

    def _discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _moves(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Yield what to rename so that all files under `source` are under `target`; a new folder is renamed as a whole."""
    for path in sorted(source.iterdir()) if source.exists() else []:
        place = target / path.name
        if path.is_dir() and place.exists():
            yield from _moves(path, place)
        else:
            yield path, place


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM until the end of the block; only the main thread receives them.

    Blocking the signals would not do: they would reach another thread, and Python handles them in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if received:
        signal.raise_signal(received[0])
