"""Results that threads compute ahead of their use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], items: Iterable[T], threads: int, ahead: int) -> Iterator[R]:
    """`function(item)` of every item, in order, at most `ahead` of them computed before they are needed."""
    pool = ThreadPoolExecutor(threads, "decode")
    return in_order(lambda item: pool.submit(function, item), items, ahead, pool.shutdown)


def in_order(start: Callable[[T], Future[R]], items: Iterable[T], ahead: int, end: Callable[[], object]) -> Iterator[R]:
    """The results of the futures that `start` returns, at most `ahead` of them before they are needed: the first from
    now on. end: called at last."""

    def run() -> Iterator[Any]:
        waiting: deque[Future[R]] = deque()
        try:
            coming = iter(items)
            waiting.extend(start(item) for item in islice(coming, ahead))
            yield None
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(start(item) for item in islice(coming, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
            end()

    results = run()
    next(results)
    return results
