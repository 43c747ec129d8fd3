"""Work that several processes share: forked, so that each has all that has been computed, and nothing is copied."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from reportgen.errors import ReportgenError

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[int, int], Iterator[T]]
"""`work(n, of)` does the items n, n + of, n + 2·of, …, and yields a result for each."""
PAYS = 32
"""Items from which on a second process is worth its start."""


def shared_out(work: Work[T], items: int) -> Iterator[T]:
    """The results of all items, as they come: of this process, and on Linux of a helper for each other core if the
    items are many.

    What the work remembers in a helper is lost: it must be in its results. Errors: as the work's.
    """
    of = len(os.sched_getaffinity(0)) if sys.platform == "linux" and items >= PAYS else 1
    if of == 1:
        yield from work(0, 1)
        return
    fork = get_context("fork")
    pipes = [fork.Pipe(duplex=False) for _ in range(1, of)]
    helpers = [fork.Process(target=_help, args=(work, n, of, pipes), daemon=True) for n in range(1, of)]
    begins = [begin for begin, _ in pipes]
    try:
        with threadpool_limits(1):  # also the helpers': this process's threads are not there, and OpenMP waits for them
            for helper in helpers:
                helper.start()
            for _, end in pipes:
                end.close()
            for result in work(0, of):
                yield result
                yield from _received(begins, 0)
        yield from _received(begins)
    finally:
        for helper in helpers:
            if helper.pid is not None:
                helper.terminate()
                helper.join()


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`[function(item) for item in items]`, by as many processes. Errors: as the function's."""

    def work(n: int, of: int) -> Iterator[tuple[int, R]]:
        for j in range(n, len(items), of):
            yield j, function(items[j])

    made = dict(shared_out(work, len(items)))
    return [made[j] for j in range(len(items))]


def _received(ends: list[Connection], timeout: float | None = None) -> Iterator[Any]:
    """What the helpers send, until each of them has said that it is done; with a timeout of 0, what is there by now."""
    while ends and (ready := wait(ends, timeout)):
        for end in ready:
            assert isinstance(end, Connection)
            try:
                kind, value = end.recv()
            except EOFError:
                raise ReportgenError("a process of this run was killed", "is there memory enough?") from None
            if kind == "failed":
                raise value
            if kind == "done":
                ends.remove(end)
            else:
                yield value


def _help(work: Work[T], n: int, of: int, pipes: list[tuple[Connection, Connection]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's, which ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end = pipes[n - 1][1]
    for other in (one for pair in pipes for one in pair if one is not end):
        other.close()  # who waits for the last holder of an end to go must not wait for this process
    try:
        for result in work(n, of):
            end.send(("item", result))  # fails when the parent is gone
        end.send(("done", None))
    except BrokenPipeError:
        pass
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        end.send(("failed", error))
