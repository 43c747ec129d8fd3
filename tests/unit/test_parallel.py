"""Work in several processes gives the results of one process, in order."""

from __future__ import annotations

import os
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from reportgen import parallel as processes
from reportgen.errors import OutputError, ReportgenError
from reportgen.metrics.localization.evaluation import ImageGroundTruth, boxes_of_map, evaluate_map, evaluate_maps
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
def test_killed_worker_is_an_error_that_names_the_way_out(three) -> None:
    """This process works too, so only the others may kill themselves."""
    own = os.getpid()

    def end_worker(n: int) -> None:
        if os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)

    with pytest.raises(ReportgenError, match="a worker process was killed") as caught:
        parallel_map(end_worker, list(range(processes.MIN_PARALLEL_ITEMS)))
    assert caught.value.hint == "check that memory suffices"
