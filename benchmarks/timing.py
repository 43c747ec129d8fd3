"""Paired timing of several contestants in one process, and the result that every benchmark returns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from threadpoolctl import threadpool_limits

OURS = "reportgen"
"""The name of our own contestant in every benchmark."""
PAUSE = 0.1
"""Seconds between two contestants."""


@dataclass(frozen=True)
class Timings:
    """seconds: contestant → its seconds in each round; entry r of all of them is from round r."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, name: str) -> float:
        """Time divided by ours: the median of the rounds' ratios, so that a slow period of the machine cancels out."""
        pairs = zip(self.seconds[name], self.seconds[OURS], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)


@dataclass(frozen=True)
class Result:
    """ratio: peer → its time ÷ ours; gate: whether the results agree; lines: printed above the result."""

    ratio: Mapping[str, float]
    gate: bool
    lines: list[str] = field(default_factory=list)


def measure(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Timings:
    """Run every contestant once unmeasured and then once a round, each round beginning with the next of them.

    All get the same number of threads, the one that torch has at the start: in torch, and in BLAS and OpenMP.
    What runs on a device must wait for it (`torch.cuda.synchronize`) within its call. A pause comes before each call:
    the threads of the contestant before may still wait for work in a busy loop, and take the cores from the next one.
    """
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    threads = torch.get_num_threads()
    with threadpool_limits(limits=threads):
        for turn in range(-1, rounds):
            first = max(turn, 0) % len(names)
            for name in names[first:] + names[:first]:
                torch.set_num_threads(threads)  # a contestant may have changed it
                time.sleep(PAUSE)
                start = clock()
                contestants[name]()
                if turn >= 0:
                    seconds[name].append(clock() - start)
    torch.set_num_threads(threads)
    return Timings(seconds)


def table(timings: Timings) -> list[str]:
    """One line a contestant: median seconds, fastest and slowest round, and the ratio to ours."""
    width = max(map(len, timings.seconds))
    return [
        f"{name:<{width}}  median {timings.median(name):8.3f} s  ({min(rounds):.3f} to {max(rounds):.3f})"
        f"  {timings.ratio(name):7.2f} x ours"
        for name, rounds in timings.seconds.items()
    ]
