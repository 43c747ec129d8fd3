"""Calls of functions in processes of their own, so that untrusted input can crash, hang or exhaust only those.

Libraries that decode images are written in C, and print what they find on stderr. Here a crash, an endless loop or a
huge allocation ends one call, and what the libraries print is returned with its result. On systems other than Linux the
functions are called in this process, without that protection.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import resource
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from reportgen.child_process import begin_child
from reportgen.data.files import one_line

MAX_SECONDS = 120.0
"""Time that a call may take; the largest image that is accepted takes a fraction of it."""
MAX_BYTES = 4 << 30
"""Memory that a process may use on top of what it starts with; the largest image that is accepted needs half of it."""
MAX_OUTPUT = 1 << 20
"""Bytes of output that are kept, so that an endless message does not fill the memory."""
MAX_SAID = 300
"""Characters of output that an answer has."""
_forking = threading.Lock()
"""Held while a process starts: if another one inherited its end of the pipe, its death would go unnoticed."""
_open: weakref.WeakSet[Isolated] = weakref.WeakSet()


class CallError(Exception):
    """A call whose process crashed, hung or was ended."""


class _KilledError(CallError):
    """A call whose process ended before it answered."""


@dataclass(frozen=True)
class Answer:
    """What became of a call: its result or its error, and in one line what libraries said meanwhile."""

    value: Any = None
    error: Exception | None = None
    said: str = ""


class Isolated:
    """Processes that are forked when they are needed. They end with the `with` block, or with the thread that needed
    them first."""

    def __init__(self, at_once: int) -> None:
        """at_once: number of processes at most; further calls wait."""
        self._free = threading.Semaphore(at_once)
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._is_closed = False
        _open.add(self)

    def __enter__(self) -> Isolated:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; a call that waits for one raises CallError."""
        self._is_closed = True
        for process in list(self._all):
            process.kill()
        self._idle.clear()
        self._all.clear()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Answer:
        """Call a function of a module, with arguments and a result that can be pickled.

        A call whose process is killed is tried once more. The error of an answer is that of the function, or CallError.
        """
        if sys.platform != "linux":
            return result_of(function, *arguments)
        with self._free:
            answer = self._try(function, arguments)
            return self._try(function, arguments) if isinstance(answer.error, _KilledError) else answer

    def _try(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
        try:
            process = self._idle.pop()
        except IndexError:
            process = _Process()
        self._all.add(process)
        answer = process.call(function, arguments)
        if self._is_closed:
            process.kill()  # it may have been started meanwhile
            raise CallError("the run was interrupted")
        if isinstance(answer.error, CallError):
            process.kill()
            self._all.discard(process)
        else:
            self._idle.append(process)
        return answer


def close_all() -> None:
    """Close what is open, so that an interrupted run does not wait for a decoder that hangs."""
    for isolated in list(_open):
        isolated.close()


class _Process:
    """One forked process, and the file that its output goes to."""

    def __init__(self) -> None:
        self._output = os.memfd_create("output")
        fcntl.fcntl(self._output, fcntl.F_SETFL, os.O_APPEND)
        fork = get_context("fork")
        with _forking:
            self._connection, other = fork.Pipe()
            ends = (self._connection, other)
            self._process = fork.Process(target=_serve, args=(ends, self._output, os.getpid()), daemon=True)
            self._process.start()
            other.close()

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
        """Return the answer of the process. It cannot be used again if the error is a CallError."""
        try:
            self._connection.send((function, arguments))
            if self._connection.poll(MAX_SECONDS):
                answer: Answer = self._connection.recv()
                return replace(answer, said=_said(self._take_output() + answer.said))
            error = CallError(f"it takes longer than {MAX_SECONDS:g} s")
        except (EOFError, OSError):
            self._process.join()
            error = _KilledError(_end_of(self._process.exitcode or 0))
        return Answer(error=error, said=_said(self._take_output()))

    def kill(self) -> None:
        """End the process, also while a thread waits for its answer."""
        self._process.kill()
        self._process.join()

    def _take_output(self) -> str:
        """Return what was written since the last call."""
        size = os.fstat(self._output).st_size
        if size == 0:
            return ""
        text = os.pread(self._output, size, 0)
        os.ftruncate(self._output, 0)
        return text.decode("utf-8", "replace")

    def __del__(self) -> None:
        os.close(self._output)


def _end_of(exit_code: int) -> str:
    """Return how a process ended. exit_code: negative for a signal."""
    if exit_code == -signal.SIGKILL:
        return "its decoder was killed, which also happens when memory runs out"
    if exit_code < 0:
        return f"its decoder crashed ({signal.Signals(-exit_code).name})"
    return f"its decoder ended the process (exit status {exit_code})"


def _said(text: str) -> str:
    """Return the different lines of an output as one, shortened."""
    lines = dict.fromkeys(one_line(" ".join(line.split())).rstrip(". ") for line in text.splitlines())
    said = "; ".join(line for line in lines if line)
    return said if len(said) <= MAX_SAID else f"{said[: MAX_SAID - 1]}…"


def _serve(ends: tuple[Connection, Connection], output: int, parent: int) -> None:
    """Answer calls until the process is killed."""
    begin_child(parent)
    callers, own = ends
    callers.close()
    faulthandler.disable()  # it would print a traceback of this program
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    _limit(resource.RLIMIT_FSIZE, MAX_OUTPUT)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # what exceeds the limit is not written
    with open("/proc/self/statm", "rb") as file:
        pages = int(file.read().split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + MAX_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    while True:
        own.send(_answer(*own.recv()))


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = result_of(function, *arguments)
    return replace(answer, said="".join(f"\n{warning.message}" for warning in caught))


def result_of(function: Callable[..., Any], *arguments: Any) -> Answer:
    """Return the answer of a call in this process."""
    try:
        return Answer(function(*arguments))
    except Exception as error:
        return Answer(error=error)
