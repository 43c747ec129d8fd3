"""The order of the expensive work, and the budget that limits it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from reportgen.audit.coverage import Coverage
from reportgen.config import AuditConfig
from reportgen.pipeline.progress import Progress, Ticker
from reportgen.store.per_image import SHARD_SIZE

log = logging.getLogger(__name__)

MIN_BUDGET = 120.0
"""Seconds that `select = "auto"` may take where the forward pass took less."""
MAX_GROUP_SECONDS = 20.0
"""Images are computed in groups of at most so many seconds: between groups, the report may be rebuilt."""


def budget_of(config: AuditConfig, pass_seconds: float) -> float:
    """Seconds that the expensive methods may take, infinite without a limit. pass_seconds: of the forward pass."""
    if config.budget_seconds is not None:
        return config.budget_seconds
    return max(pass_seconds, MIN_BUDGET) if config.select == "auto" else math.inf


class CachedMethod(Protocol):
    """What a work needs of a method with its cache, such as a `PerImageMethod`."""

    @property
    def seconds(self) -> float:
        """Seconds that this and earlier runs spent."""

    @property
    def seconds_per_image(self) -> float | None:
        """Mean over what is in the cache; None if that is empty."""

    def has(self, row: int) -> bool:
        """Whether the cache has the results of this row."""

    def results(self, rows: Sequence[int]) -> Any:
        """The results of those of these rows that the cache has."""

    def compute(self, rows: Sequence[int], tick: Ticker) -> None:
        """Compute those of these rows that the cache does not have."""


@dataclass
class Work:
    """Expensive results of one kind: what is computed, for which images, and what of the audit follows from it.

    names: what the reader calls the results; rows: of the images that are wanted, the most urgent first; images: number
    of those that could be wanted; open_methods: opens the caches, all of which every image is to be in.
    show: the fields of `ModelAudit`, given the results of each method.
    is_limited: the budget limits it; is_of_images: see `Coverage`; group_size: number of images that are computed next.
    passes: what an image costs, in forward passes; infinite where that is unknown, or no small number.
    """

    names: Sequence[str]
    rows: Sequence[int]
    images: int
    open_methods: Callable[[], Sequence[CachedMethod]]
    show: Callable[[Sequence[Any]], Mapping[str, Any]]
    is_limited: bool = True
    is_of_images: bool = False
    methods: Sequence[CachedMethod] = ()
    waiting: list[int] = field(default_factory=list)
    group_size: int = 1
    passes: float = math.inf

    def open(self) -> None:
        """Open the caches, and see which images are missing."""
        if self.rows and not self.methods:
            self.methods = self.open_methods()
            self.waiting = [row for row in self.rows if not self._is_done(row)]

    def _is_done(self, row: int) -> bool:
        return all(method.has(row) for method in self.methods)

    @property
    def seconds(self) -> float:
        """Seconds that this and earlier runs spent."""
        return sum(method.seconds for method in self.methods)

    @property
    def seconds_per_image(self) -> float | None:
        """Mean over the images that are done; None before the first."""
        each = [method.seconds_per_image for method in self.methods]
        return sum(s for s in each if s is not None) if any(each) else None

    @property
    def seconds_to_go(self) -> float:
        """About how long the waiting images take; infinite before the first is done."""
        each = self.seconds_per_image
        return (math.inf if each is None else each * len(self.waiting)) if self.waiting else 0.0

    def group(self, seconds: float) -> int:
        """Number of images to compute next: twice as many each time, up to the size of a shard.

        They take at most `seconds` (0 images if not even one does) and `MAX_GROUP_SECONDS` (but one image at least).
        """
        n = min(self.group_size, SHARD_SIZE, len(self.waiting))
        each = self.seconds_per_image
        if seconds <= 0:
            return 0
        if each is None:
            return n
        affordable = n if each * n <= seconds else int(seconds / each)
        return min(n, affordable, max(1, int(MAX_GROUP_SECONDS / each)) if each else n)

    def compute(self, n: int, tick: Ticker) -> None:
        """Compute the next n images, all methods of each group one after the other."""
        group, self.waiting = self.waiting[:n], self.waiting[n:]
        for method in self.methods:
            method.compute(group, lambda steps=1: None)
        tick(n)
        self.group_size = min(2 * self.group_size, SHARD_SIZE)

    def fields(self) -> Mapping[str, Any]:
        """The fields of `ModelAudit` that follow from what there is; none before the caches are open."""
        return self.show([method.results(self.rows) for method in self.methods]) if self.methods else {}

    def coverage(self, is_running: bool) -> Coverage:
        """How far the work is. is_running: the run goes on with what is left."""
        done = sum(map(self._is_done, self.rows)) if self.methods else 0
        left = self.waiting if self.methods else self.rows
        waiting, over_budget = (frozenset(left), 0) if is_running else (frozenset(), len(left))
        return Coverage(self.names, self.images, len(self.rows), done, waiting, self.is_of_images, over_budget)


class WorkQueue:
    """Runs works in groups of images, each time the work that this run has spent least time on, within a budget."""

    def __init__(self, works: Sequence[Work], budget: float, clock: Callable[[], float] = time.perf_counter) -> None:
        """budget: seconds for the limited works, including what earlier runs spent on what the cache still has."""
        self.works = works
        self.budget = budget
        self._clock = clock
        self._spent = [0.0] * len(works)

    @property
    def seconds_left(self) -> float:
        """What is left of the budget."""
        return self.budget - sum(work.seconds for work in self.works if work.is_limited)

    def _next(self) -> tuple[int, int] | None:
        """The number of the next work, and of images; None at the end."""
        left = self.seconds_left
        groups = [work.group(left if work.is_limited else math.inf) for work in self.works]
        ready = [number for number, n in enumerate(groups) if n]
        number = min(ready, key=self._spent.__getitem__, default=None)
        return None if number is None else (number, groups[number])

    @property
    def seconds_to_go(self) -> float:
        """About how long the rest takes within the budget; infinite before the first image of a work."""
        limited = sum(work.seconds_to_go for work in self.works if work.is_limited)
        others = sum(work.seconds_to_go for work in self.works if not work.is_limited)
        return min(limited, max(0.0, self.seconds_left)) + others

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left, or nothing that fits into the budget. The caches must be open."""
        return self._next() is None

    def run(self, progress: Progress, is_due: Callable[[float], bool] = lambda seconds_to_go: False) -> None:
        """Compute until all is done or the budget is spent, or, between two groups, until `is_due(seconds_to_go)`."""
        total = sum(len(work.waiting) for work in self.works)
        limit = self.seconds_left
        with progress("Expensive methods", total, "images", limit if math.isfinite(limit) else 0) as tick:
            while (turn := self._next()) is not None:
                number, n = turn
                start = self._clock()
                self.works[number].compute(n, tick)
                self._spent[number] += self._clock() - start
                if is_due(self.seconds_to_go):
                    return
        log.debug("expensive methods: %.1f s spent of %.1f s", self.budget - self.seconds_left, self.budget)


class RebuildSchedule:
    """When to rebuild a growing report: each time after twice as long, and after at least four times as long as the
    last build took, so that rebuilding takes at most a fifth of the time, and less and less; not if the last build
    comes sooner than that."""

    FIRST, SHARE = 10.0, 4.0

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._interval = self.FIRST / 2
        self._build = 0.0
        self._next = math.inf

    def note_built(self, seconds: float) -> None:
        """A build has ended, and took so many seconds."""
        self._build = seconds
        self._interval = max(2 * self._interval, self.SHARE * seconds)
        self._next = self._clock() + self._interval

    def is_due(self, seconds_to_go: float) -> bool:
        """Whether it is time for the next build. seconds_to_go: that the rest of the work takes."""
        return self._clock() >= self._next and seconds_to_go > self.SHARE * self._build
