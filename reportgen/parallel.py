"""Run work on all cores with forked processes.

It is written here because pages are made faster so. With `concurrent.futures.ProcessPoolExecutor` in its place,
`python -m benchmarks site` took 1.2 times as long on two cores (1.3 times with `--quick`): there each result passes two
queues with locks, and this process would only wait. joblib would need a copy of the audit in every process.
"""

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

from reportgen.errors import ReportgenError

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[Iterator[int]], Iterator[T]]
"""`work(indices)` processes the items with these indices, one after the other, and yields its results."""
ResultQueue = SimpleQueue[tuple[str, Any]]
"""Messages of the workers: `("result", value)`, `("failed", error)`, and `("done", None)` at the end."""
MIN_PARALLEL_ITEMS = 32
"""Number of items from which on starting a second process pays off."""
MAX_PIECES = 512
"""The items are handed out in at most so many pieces: their first indices fit into a pipe's buffer on every system."""


def parallel_map(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return `[function(item) for item in items]`, computed on all cores. Errors: those of the function."""

    def work(indices: Iterator[int]) -> Iterator[tuple[int, R]]:
        for i in indices:
            yield i, function(items[i])

    results = dict(run_parallel(work, len(items)))
    return [results[i] for i in range(len(items))]


def run_parallel(work: Work[T], n_items: int) -> Iterator[T]:
    """Yield the results of `work` for all items, in the order in which they are ready.

    This process works too. On Linux, and with `MIN_PARALLEL_ITEMS` items or more, it is helped by one forked worker for
    each other core. A process that is free takes the next piece of the items, so slow items should come first.
    Workers share no memory with this process: whatever `work` computes there must be among its results.
    Errors: those of the work; ReportgenError if a worker is killed.
    """
    from threadpoolctl import threadpool_limits

    n_processes = len(os.sched_getaffinity(0)) if sys.platform == "linux" and n_items >= MIN_PARALLEL_ITEMS else 1
    if n_processes == 1:
        yield from work(iter(range(n_items)))
        return
    fork = get_context("fork")
    index_pipe = _open_index_pipe(n_items)
    indices = _read_indices(index_pipe, n_items)
    pipes = [fork.Pipe(duplex=False) for _ in range(1, n_processes)]
    workers = [fork.Process(target=_worker_main, args=(work, indices, end, pipes), daemon=True) for _, end in pipes]
    results: ResultQueue = SimpleQueue()
    receiver = Thread(target=_receive, args=([begin for begin, _ in pipes], results), daemon=True)
    try:
        with threadpool_limits(1):  # of the workers too: OpenMP's threads are not forked, and it would wait for them
            for worker in workers:
                worker.start()
            for _, end in pipes:
                end.close()
            receiver.start()
            for result in work(indices):
                yield result
                yield from _received(results, block=False)
        yield from _received(results, block=True)
    except BaseException:
        for worker in workers:
            if worker.pid is not None:
                worker.terminate()
                worker.join()
        raise
    finally:
        index_pipe.close()


def _piece_size(n_items: int) -> int:
    return -(-n_items // MAX_PIECES)


def _open_index_pipe(n_items: int) -> FileIO:
    """Return the reading end of a pipe that holds the first index of every piece, as int64."""
    reader, writer = os.pipe()
    os.write(writer, array("q", range(0, n_items, _piece_size(n_items))).tobytes())
    os.close(writer)
    return FileIO(reader)


def _read_indices(index_pipe: FileIO, n_items: int) -> Iterator[int]:
    """Yield indices of items. Processes that share the pipe never get the same one: a pipe gives each byte once."""
    while first_bytes := index_pipe.read(8):
        first = int.from_bytes(first_bytes, sys.byteorder)
        yield from range(first, min(first + _piece_size(n_items), n_items))


def _receive(begins: list[Connection], results: ResultQueue) -> None:
    """Move the workers' messages to a queue, so that no worker waits while this process computes a slow item."""
    while begins:
        for begin in wait(begins):
            assert isinstance(begin, Connection)
            try:
                kind, value = begin.recv()
            except EOFError:
                kind, value = "failed", ReportgenError("a worker process was killed", "check that memory suffices")
            if kind == "done":
                begins.remove(begin)
            else:
                results.put((kind, value))
            if kind == "failed":
                return
    results.put(("done", None))


def _received(results: ResultQueue, block: bool) -> Iterator[Any]:
    """Yield the results that have arrived; if `block`, all that will arrive. Errors: those of a worker."""
    while block or not results.empty():
        kind, value = results.get()
        if kind == "failed":
            raise value
        if kind == "done":
            results.put((kind, value))  # for the next call
            return
        yield value


def _worker_main(
    work: Work[T], indices: Iterator[int], end: Connection, pipes: list[tuple[Connection, Connection]]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Thread(target=_exit_with_parent, daemon=True).start()
    for other in (one for pair in pipes for one in pair if one is not end):
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


def _exit_with_parent() -> None:
    """End this process as soon as the parent has ended, even if it was killed, so that the run's lock is released."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
