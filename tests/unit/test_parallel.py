"""Work in several processes gives the results of one process, in order."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from reportgen import parallel as processes
from reportgen.errors import OutputError, ReportgenError
from reportgen.metrics.localization.image_evaluation import (
    ImageGroundTruth,
    boxes_of_map,
    evaluate_map,
    evaluate_maps,
)
from reportgen.parallel import parallel_map
from reportgen.store.files import exclusive_run

forks = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(3), raising=False)


def square(n: int) -> tuple[int, int]:
    time.sleep(0.01)  # long enough for every process to have one
    return n * n, os.getpid()


@forks
def test_parallel_map_returns_results_in_order_from_all_cores(three) -> None:
    items = list(range(processes.MIN_PARALLEL_ITEMS + 5))
    found = parallel_map(square, items)
    assert [value for value, _ in found] == [n * n for n in items]
    by = {process for _, process in found}
    assert len(by) == 3
    assert os.getpid() in by
    few = parallel_map(lambda n: os.getpid(), items[:5])
    assert few == [os.getpid()] * 5


@forks
def test_parallel_map_raises_the_error_of_an_item(three) -> None:
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda n: 1 // (n - 7), list(range(processes.MIN_PARALLEL_ITEMS)))


@forks
def test_killed_run_ends_its_helpers_and_frees_its_lock(three, tmp_path: Path) -> None:
    def run() -> None:
        with exclusive_run(tmp_path / "out"):
            parallel_map(begin_and_never_end, list(range(processes.MIN_PARALLEL_ITEMS)))

    def begin_and_never_end(n: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        time.sleep(60)

    killed = get_context("fork").Process(target=run)
    killed.start()
    while len(list(tmp_path.glob("[0-9]*"))) < 3:
        assert killed.is_alive()
        time.sleep(0.01)
    killed.kill()
    killed.join()
    for _ in range(1000):  # ten seconds at most, of the minute that an item takes
        try:
            with exclusive_run(tmp_path / "out"):
                return
        except OutputError:
            time.sleep(0.01)
    pytest.fail("a helper lives on")


@forks
def test_maps_are_evaluated_alike_by_one_process_and_by_many(three, monkeypatch) -> None:
    random = np.random.default_rng(0)
    maps = [random.normal(size=(7, 7)).astype(np.float32) for _ in range(processes.MIN_PARALLEL_ITEMS)]
    maps[3][:], maps[4][2, 2] = 0, np.nan
    box = np.array([[10.0, 20, 60, 90]])
    places = [ImageGroundTruth(box, np.array([100, 120]), np.array([0.0, 0, 100, 120]), (64, 64))] * len(maps)
    many = evaluate_maps(maps, places)
    monkeypatch.setattr(processes, "MIN_PARALLEL_ITEMS", 10**9)
    for one, other in zip(evaluate_maps(maps, places), many, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)


def test_equal_maps_are_evaluated_with_the_ground_truth_of_each_image() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 7, 7)).astype(np.float32)
    maps = [first, second, first.copy(), second, first]
    places = [
        ImageGroundTruth(
            np.array([[x, 20, x + 50, 90]]), np.array([100, 120]), np.array([0.0, 0, 100, 120]), (64, side)
        )
        for x, side in zip(range(0, 50, 10), (64, 64, 64, 64, 32), strict=True)
    ]
    for image, map_, place in zip(evaluate_maps(maps, places), maps, places, strict=True):
        expected = evaluate_map(boxes_of_map(map_, place.input_size), place)
        for name, value in vars(image).items():
            np.testing.assert_array_equal(value, getattr(expected, name), err_msg=name)


@forks
def test_killed_run_ends_a_helper_that_never_returns_to_python(three, tmp_path: Path) -> None:
    """A thread of the helper that waits for its parent would never run."""

    def run() -> None:
        parallel_map(begin_and_never_end, list(range(processes.MIN_PARALLEL_ITEMS)))

    def begin_and_never_end(n: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        ctypes.PyDLL(None).sleep(60)  # holds the interpreter's lock

    killed = get_context("fork").Process(target=run)
    killed.start()
    while len(helpers := list(tmp_path.iterdir())) < 3:
        assert killed.is_alive()
        time.sleep(0.01)
    killed.kill()
    killed.join()
    for _ in range(1000):  # as above
        if not any(is_running(int(helper.name)) for helper in helpers):
            return
        time.sleep(0.01)
    pytest.fail("a helper lives on")


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def die_at(item: int, folder: Path, times: int) -> Callable[[int], int]:
    """A function that doubles its argument; the helper that gets `item` kills itself, so many times."""
    own = os.getpid()

    def double(n: int) -> int:
        if os.getpid() == own:
            time.sleep(0.05)  # so that a helper gets the item
        elif n == item and len(list(folder.iterdir())) < times:
            (folder / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * n

    return double


@forks
@pytest.mark.parametrize("item", [3, 20, processes.MIN_PARALLEL_ITEMS - 1])
def test_items_of_a_killed_helper_are_done_again(three, tmp_path: Path, item: int) -> None:
    items = list(range(processes.MIN_PARALLEL_ITEMS))
    assert parallel_map(die_at(item, tmp_path, 1), items) == [2 * n for n in items]
    assert len(list(tmp_path.iterdir())) == 1


@forks
def test_item_that_kills_two_helpers_is_named(three, tmp_path: Path) -> None:
    with pytest.raises(ReportgenError) as caught:
        parallel_map(die_at(7, tmp_path, 99), list(range(processes.MIN_PARALLEL_ITEMS)), "page {}".format)
    assert str(caught.value) == "two processes were killed at page 7"
    assert caught.value.hint == "check that memory suffices"
    assert len(list(tmp_path.iterdir())) == 2


@forks
def test_items_of_several_killed_helpers_are_done_again(three, tmp_path: Path) -> None:
    own, items = os.getpid(), list(range(3 * processes.MAX_PIECES))  # pieces of three items

    def double(n: int) -> int:
        if os.getpid() == own:
            time.sleep(0.001)
        elif n in (100, 101, 900) and not (tmp_path / str(n)).exists():
            (tmp_path / str(n)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * n

    assert parallel_map(double, items) == [2 * n for n in items]
    assert {path.name for path in tmp_path.iterdir()} == {"100", "101", "900"}


@forks
def test_run_whose_helpers_are_always_killed_gives_up(three, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MAX_PIECES", 3)
    own = os.getpid()

    def work(n: int) -> None:
        time.sleep(0.02)
        if os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ReportgenError, match="killed again and again") as caught:
        parallel_map(work, list(range(4 * processes.MIN_PARALLEL_ITEMS)))
    assert caught.value.hint == "check that memory suffices"


def test_run_waits_for_the_lock_of_a_dying_one(tmp_path: Path) -> None:
    begin, end = os.pipe()
    with (tmp_path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if (holder := os.fork()) == 0:
            os.read(begin, 1)
            time.sleep(0.2)  # much less than a run waits
            os._exit(0)
    os.write(end, b".")
    with exclusive_run(tmp_path):
        pass
    os.waitpid(holder, 0)
    os.close(begin)
    os.close(end)
