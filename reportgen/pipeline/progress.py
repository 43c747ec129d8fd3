"""How the pipeline reports its progress. The pipeline itself prints nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol


class Ticker(Protocol):
    """Counts the steps of a stage."""

    def __call__(self, steps: int = 1) -> None: ...


class Progress(Protocol):
    """Shows the progress of one stage. total: number of steps, None if unknown; seconds: an estimate, 0 if unknown."""

    def __call__(
        self, stage: str, total: int | None, unit: str, seconds: float = 0
    ) -> AbstractContextManager[Ticker]: ...


def silent(stage: str, total: int | None, unit: str, seconds: float = 0) -> AbstractContextManager[Ticker]:
    """Progress that is not shown."""
    return nullcontext(lambda steps=1: None)


class StageClock:
    """Seconds that each stage took, by its name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
