"""Work that several processes share: forked, so that each has all that has been computed, and nothing is copied."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from array import array
from collections.abc import Callable, Iterator, Sequence
from io import FileIO
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from reportgen.errors import ReportgenError

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[Iterator[int]], Iterator[T]]
"""`work(turns)` does the items that it is given the numbers of, one after the other, and yields its results."""
Results = SimpleQueue[tuple[str, Any]]
"""What helpers send: `item` and a result, `failed` and the error, at the end `done`."""
PAYS = 32
"""Items from which on a second process is worth its start."""
TURNS = 512
"""Pieces of the items that processes take when they are free: their first numbers fit a pipe on every system."""


def shared_out(work: Work[T], items: int) -> Iterator[T]:
    """The results of all items, as they come: of this process, and on Linux of a helper for each other core if the
    items are many. Who is free takes the next ones: what takes long should come first.

    What the work remembers in a helper is lost: it must be in its results. Errors: as the work's.
    """
    of = len(os.sched_getaffinity(0)) if sys.platform == "linux" and items >= PAYS else 1
    if of == 1:
        yield from work(iter(range(items)))
        return
    fork = get_context("fork")
    pipe = _pipe_of_turns(items)
    turns = _turns(pipe, items)
    pipes = [fork.Pipe(duplex=False) for _ in range(1, of)]
    helpers = [fork.Process(target=_help, args=(work, turns, end, pipes), daemon=True) for _, end in pipes]
    results: Results = SimpleQueue()
    receiver = Thread(target=_receive, args=([begin for begin, _ in pipes], results), daemon=True)
    try:
        with threadpool_limits(1):  # also the helpers': this process's threads are not there, and OpenMP waits for them
            for helper in helpers:
                helper.start()
            for _, end in pipes:
                end.close()
            receiver.start()
            for result in work(turns):
                yield result
                yield from _come(results, wait=False)
        yield from _come(results, wait=True)
    except BaseException:
        for helper in helpers:
            if helper.pid is not None:
                helper.terminate()
                helper.join()
        raise
    finally:
        pipe.close()


def _turns(pipe: FileIO, items: int) -> Iterator[int]:
    """Numbers of items, each of which goes to one of the processes that share the pipe: it gives nothing twice."""
    while start := pipe.read(8):
        first = int.from_bytes(start, sys.byteorder)
        yield from range(first, min(first + _step(items), items))


def _pipe_of_turns(items: int) -> FileIO:
    """The first number of every piece."""
    taken, given = os.pipe()
    os.write(given, array("q", range(0, items, _step(items))).tobytes())
    os.close(given)
    return FileIO(taken)


def _step(items: int) -> int:
    return -(-items // TURNS)


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`[function(item) for item in items]`, by as many processes. Errors: as the function's."""

    def work(turns: Iterator[int]) -> Iterator[tuple[int, R]]:
        for j in turns:
            yield j, function(items[j])

    made = dict(shared_out(work, len(items)))
    return [made[j] for j in range(len(items))]


def _receive(begins: list[Connection], results: Results) -> None:
    """Takes what the helpers send, so that none of them waits while this process does an item that takes long."""
    while begins:
        for begin in wait(begins):
            assert isinstance(begin, Connection)
            try:
                kind, value = begin.recv()
            except EOFError:
                kind, value = "failed", ReportgenError("a process of this run was killed", "is there memory enough?")
            if kind == "done":
                begins.remove(begin)
            else:
                results.put((kind, value))
            if kind == "failed":
                return
    results.put(("done", None))


def _come(results: Results, wait: bool) -> Iterator[Any]:
    """What has come, or all that comes."""
    while wait or not results.empty():
        kind, value = results.get()
        if kind == "failed":
            raise value
        if kind == "done":
            results.put((kind, value))  # whoever asks again hears it again
            return
        yield value


def _help(work: Work[T], turns: Iterator[int], end: Connection, pipes: list[tuple[Connection, Connection]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's, which ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()
    for other in (one for pair in pipes for one in pair if one is not end):
        other.close()  # who waits for the last holder of an end to go must not wait for this process
    try:
        for result in work(turns):
            end.send(("item", result))
        end.send(("done", None))
    except BrokenPipeError:  # the parent is gone, and this process as good as
        pass
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        end.send(("failed", error))


def _end_with_parent() -> None:
    """A run that is killed leaves nobody who works on, and who holds its lock."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
