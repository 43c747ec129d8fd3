"""Run work on all cores with forked processes.

It is written here because pages are made faster so. With `concurrent.futures.ProcessPoolExecutor` in its place,
`python -m benchmarks site` took 1.2 times as long on two cores (1.3 times with `--quick`): there each result passes two
queues with locks, and this process would only wait. joblib would need a copy of the audit in every process.
"""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from io import FileIO
from mmap import mmap
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from reportgen.child_process import begin_child
from reportgen.errors import ReportgenError

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[Iterator[int]], Iterator[T]]
"""`work(indices)` processes the items with these indices, one after the other, and yields its results."""
ResultQueue = SimpleQueue[tuple[str, Any]]
"""Messages of the workers: `("result", value)`, `("failed", error)`, `("killed", number)`, and `("done", None)` at the
end."""
Name = Callable[[int], str]
"""What a message calls an item."""
MIN_PARALLEL_ITEMS = 32
"""Number of items from which on starting a second process pays off."""
MAX_PIECES = 512
"""The items are handed out in at most so many pieces: their first indices fit into a pipe's buffer on every system."""
MAX_KILLED = 8
"""Killed processes after which a run gives up, since no single item is to blame."""


def return_freed_memory() -> None:
    """Return to the system what was freed. glibc keeps it for each thread that had it, so that the next stage of a run
    would need as much again; other systems do not have the function."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def parallel_map(function: Callable[[T], R], items: Sequence[T], name: Name = "item {}".format) -> list[R]:
    """Return `[function(item) for item in items]`, computed on all cores. Errors: those of `run_parallel`."""

    def work(indices: Iterator[int]) -> Iterator[tuple[int, R]]:
        for i in indices:
            yield i, function(items[i])

    results = dict(run_parallel(work, len(items), name))
    return [results[i] for i in range(len(items))]


def run_parallel(work: Work[T], n_items: int, name: Name = "item {}".format) -> Iterator[T]:
    """Yield the results of `work` for all items, in the order in which they are ready.

    This process works too. On Linux, and with `MIN_PARALLEL_ITEMS` items or more, it is helped by one forked worker for
    each other core. A process that is free takes the next piece of the items, so slow items should come first.
    Workers share no memory with this process: whatever `work` computes there must be among its results.
    The items of a worker that was killed are done again in a new process, so some results may come twice.
    Errors: those of the work; ReportgenError that names an item at which two processes were killed.
    """
    from threadpoolctl import threadpool_limits

    n_processes = len(os.sched_getaffinity(0)) if sys.platform == "linux" and n_items >= MIN_PARALLEL_ITEMS else 1
    if n_processes == 1:
        yield from work(iter(range(n_items)))
        return
    items = _Items(range(n_items), n_processes)
    killed: list[int] = []
    with threadpool_limits(1):  # of the workers too: OpenMP's threads are not forked, and it would wait for them
        workers = _Workers(work, items, range(1, n_processes))
        try:
            for result in work(items.take(0)):
                yield result
                yield from workers.received(killed, block=False)
            yield from workers.received(killed, block=True)
        finally:
            workers.end()
        if killed:
            yield from _do_again(work, items.left_by(killed), [items.current(number) for number in killed], name)


def _do_again(work: Work[T], left: Sequence[int], died_at: Sequence[int | None], name: Name) -> Iterator[T]:
    """Yield the results of items whose process was killed; those at which it happened get a process each.

    Errors: ReportgenError that names an item at which a second process was killed.
    """
    suspects = [i for i in dict.fromkeys(died_at) if i is not None]
    while rest := [i for i in left if i not in suspects]:
        results, is_killed, last = _in_new_process(work, rest)
        yield from results
        if not is_killed:
            break
        if last is None or len(suspects) >= MAX_KILLED:
            raise ReportgenError("processes of this run are killed again and again", "check that memory suffices")
        suspects.append(last)
    for i in suspects:
        results, is_killed, _ = _in_new_process(work, [i])
        yield from results
        if is_killed:
            raise ReportgenError(f"two processes were killed at {name(i)}", "check that memory suffices")


def _in_new_process(work: Work[T], indices: Sequence[int]) -> tuple[list[T], bool, int | None]:
    """Return the results of items, computed by another process; whether it was killed; and its last item."""
    items, killed = _Items(indices, 1), list[int]()
    worker = _Workers(work, items, [0])
    try:
        results = list(worker.received(killed, block=True))
    finally:
        worker.end()
    return results, bool(killed), items.current(0)


class _Items:
    """Items that processes share, in pieces that no two of them get; it outlives a killed process what that took."""

    def __init__(self, indices: Sequence[int], n_processes: int) -> None:
        self._indices = indices
        self._size = -(-len(indices) // MAX_PIECES)
        starts = range(0, len(indices), self._size)
        reader, writer = os.pipe()  # it gives each byte once
        os.write(writer, array("q", starts).tobytes())
        os.close(writer)
        self._starts = FileIO(reader)
        self._owners = memoryview(mmap(-1, 2 * len(starts))).cast("H")  # shared memory: 1 + number of the process
        self._current = memoryview(mmap(-1, 8 * n_processes)).cast("q")  # 1 + position of the item

    def take(self, process: int) -> Iterator[int]:
        """Yield the index of the next item of this process as long as there are some."""
        while start_bytes := self._starts.read(8):
            start = int.from_bytes(start_bytes, sys.byteorder)
            self._owners[start // self._size] = process + 1
            for position in range(start, min(start + self._size, len(self._indices))):
                self._current[process] = position + 1
                yield self._indices[position]

    def current(self, process: int) -> int | None:
        """The item that a process took last."""
        position = self._current[process]
        return self._indices[position - 1] if position else None

    def left_by(self, processes: Collection[int]) -> list[int]:
        """The items of the pieces that these processes took, and of those that were not taken."""
        owners = {0, *(process + 1 for process in processes)}
        return [index for k, index in enumerate(self._indices) if self._owners[k // self._size] in owners]

    def close(self) -> None:
        self._starts.close()


class _Workers:
    """Forked processes that work on shared items, and their results so far."""

    def __init__(self, work: Work[Any], items: _Items, numbers: Sequence[int]) -> None:
        fork = get_context("fork")
        self._items = items
        pipes = {number: fork.Pipe(duplex=False) for number in numbers}
        self._processes = [
            fork.Process(target=_worker_main, args=(work, items.take(number), number, pipes, os.getpid()), daemon=True)
            for number in numbers
        ]
        self._results: ResultQueue = SimpleQueue()
        begins = {begin: number for number, (begin, _) in pipes.items()}
        receiver = Thread(target=_receive, args=(begins, self._results), daemon=True)
        try:
            for process in self._processes:
                process.start()
        except BaseException:
            self.end()
            raise
        for _, end in pipes.values():
            end.close()
        receiver.start()

    def received(self, killed: list[int], block: bool) -> Iterator[Any]:
        """Yield the results that have arrived; if `block`, all that will arrive. Numbers of killed processes are
        appended to `killed`. Errors: those of the work."""
        while block or not self._results.empty():
            kind, value = self._results.get()
            if kind == "failed":
                raise value
            if kind == "done":
                self._results.put((kind, value))  # for the next call
                return
            if kind == "killed":
                killed.append(value)
            else:
                yield value

    def end(self) -> None:
        """Wait for the processes that have finished, and end the others."""
        for process in self._processes:
            if process.pid is not None:
                process.terminate()
                process.join()
        self._items.close()


def _receive(begins: dict[Connection, int], results: ResultQueue) -> None:
    """Move the workers' messages to a queue, so that no worker waits while this process computes a slow item."""
    while begins:
        for begin in wait(list(begins)):
            assert isinstance(begin, Connection)
            try:
                kind, value = begin.recv()
            except EOFError:
                kind, value = "killed", begins[begin]
            if kind in ("done", "killed"):
                del begins[begin]
            if kind != "done":
                results.put((kind, value))
            if kind == "failed":
                return
    results.put(("done", None))


def _worker_main(
    work: Work[T],
    indices: Iterator[int],
    number: int,
    pipes: dict[int, tuple[Connection, Connection]],
    parent: int,
) -> None:
    begin_child(parent)
    end = pipes[number][1]
    for other in (one for pair in pipes.values() for one in pair if one is not end):
        other.close()  # the end of a pipe is noticed only once no process holds it open
    try:
        for result in work(indices):
            end.send(("result", result))
        end.send(("done", None))
    except BrokenPipeError:  # the parent has ended
        pass
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        end.send(("failed", error))
