"""`run_parallel` gives every item to exactly one of several processes, and errors and interrupts end all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from reportgen import parallel
from reportgen.errors import OutputError
from reportgen.parallel import run_parallel


@pytest.fixture
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("processes are forked on Linux only")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(3))


def test_run_parallel_does_every_item_once_in_all_processes(three_cores) -> None:
    def work(turns: Iterator[int]) -> Iterator[tuple[int, int]]:
        for item in turns:
            time.sleep(0.01)
            yield item, os.getpid()

    found = list(run_parallel(work, 50))
    assert sorted(item for item, _ in found) == list(range(50))
    assert len({process for _, process in found} - {os.getpid()}) == 2
    assert len({process for _, process in found}) == 3
    assert {process for _, process in run_parallel(work, 5)} == {os.getpid()}  # not worth it


@pytest.mark.parametrize(
    "items", [parallel.MAX_PIECES - 1, parallel.MAX_PIECES, parallel.MAX_PIECES + 1, 5 * parallel.MAX_PIECES + 3]
)
def test_run_parallel_gives_out_every_item_of_any_number(three_cores, items) -> None:
    assert sorted(run_parallel(lambda turns: turns, items)) == list(range(items))


def test_run_parallel_gives_the_next_item_to_a_free_process(three_cores) -> None:
    def work(turns: Iterator[int]) -> Iterator[tuple[int, int]]:
        for item in turns:
            time.sleep(2 if item == 0 else 0.005)
            yield item, os.getpid()

    by = dict(run_parallel(work, 50))
    assert sum(process == by[0] for process in by.values()) < 10


def test_helpers_go_on_while_the_parent_does_a_long_item(three_cores) -> None:
    large = b"x" * 2**16  # no pipe holds many
    parent = os.getpid()

    def work(turns: Iterator[int]) -> Iterator[tuple[int, bytes]]:
        for _ in turns:
            time.sleep(2 if os.getpid() == parent else 0.002)
            yield os.getpid(), large

    by = [process for process, _ in run_parallel(work, 60)]
    assert len(by) == 60
    assert by.count(parent) <= 2


def test_error_in_a_helper_is_raised_in_the_parent(three_cores) -> None:
    def work(turns: Iterator[int]) -> Iterator[int]:
        for item in turns:
            yield item
            if item == 1:
                raise OutputError("no room", "make some")

    with pytest.raises(OutputError, match="no room") as raised:
        list(run_parallel(work, 50))
    assert raised.value.hint == "make some"


def test_helpers_end_when_the_work_is_closed(three_cores) -> None:
    parent = os.getpid()

    def work(turns: Iterator[int]) -> Iterator[int]:
        while True:
            yield os.getpid()
            time.sleep(0.01 if os.getpid() == parent else 60)

    helpers: set[int] = set()
    results = run_parallel(work, 50)
    while len(helpers) < 2:
        helpers |= {next(results)} - {os.getpid()}
    results.close()
    for process in helpers:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
