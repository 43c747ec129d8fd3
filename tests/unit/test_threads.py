"""How many threads PyTorch gets in a run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from reportgen.models.inference import use_all_cores


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_a_run_uses_all_cores_that_it_may_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(3), raising=False)
    use_all_cores()
    assert torch.get_num_threads() == 3


def test_a_number_of_threads_from_the_environment_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(3), raising=False)
    torch.set_num_threads(2)
    use_all_cores()
    assert torch.get_num_threads() == 2
