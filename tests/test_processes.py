"""Work by several processes gives what one gives, in order."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from reportgen import processes
from reportgen.analysis.measured import Place, hold_maps
from reportgen.processes import each

forks = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(3), raising=False)


@forks
def test_each_gives_results_in_order_and_from_as_many_processes_as_cores(three) -> None:
    items = list(range(processes.PAYS + 5))
    found = each(lambda n: (n * n, os.getpid()), items)
    assert [square for square, _ in found] == [n * n for n in items]
    by = {process for _, process in found}
    assert len(by) == 3
    assert os.getpid() in by
    few = each(lambda n: os.getpid(), items[:5])
    assert few == [os.getpid()] * 5


@forks
def test_an_error_of_an_item_is_the_error_of_all(three) -> None:
    with pytest.raises(ZeroDivisionError):
        each(lambda n: 1 // (n - 7), list(range(processes.PAYS)))


@forks
def test_maps_are_judged_alike_by_one_process_and_by_many(three, monkeypatch) -> None:
    random = np.random.default_rng(0)
    maps = [random.normal(size=(7, 7)).astype(np.float32) for _ in range(processes.PAYS)]
    maps[3][:], maps[4][2, 2] = 0, np.nan
    box = np.array([[10.0, 20, 60, 90]])
    places = [Place(box, np.array([100, 120]), np.array([0.0, 0, 100, 120]), 64)] * len(maps)
    many = hold_maps(maps, places)
    monkeypatch.setattr(processes, "PAYS", 10**9)
    for one, other in zip(hold_maps(maps, places), many, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
