"""What a command prints for people, on stderr: messages and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False, emoji=False)
MIN_LOGGED_SECONDS = 120
"""Estimates from this on get a line in a log."""


def progress(quiet: bool) -> Any:
    """Progress bars in a terminal, single lines in a log, nothing if quiet."""
    from reportgen.pipeline.progress import silent

    if quiet:
        return silent

    @contextmanager
    def logged(stage: str, total: int | None, unit: str, seconds: float = 0) -> Iterator[Callable[[int], None]]:
        if seconds >= MIN_LOGGED_SECONDS:  # a log has no progress bars
            console.print(f"{stage.lower()}: {total:,} {unit}, about {minutes(seconds)} unless cached")
        with silent(stage, total, unit) as tick:
            yield tick

    @contextmanager
    def shown(stage: str, total: int | None, unit: str, seconds: float = 0) -> Iterator[Callable[[int], None]]:
        said = f"{stage} (≈ {minutes(seconds)})" if seconds else stage
        columns = [SpinnerColumn(), TextColumn("{task.description:<22}")]
        if total is not None:
            columns += [BarColumn(28), TextColumn("{task.completed}/{task.total} {task.fields[unit]}")]
            columns += [TextColumn("{task.fields[rate]}"), TimeRemainingColumn()]
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(said, total=total, unit=unit, rate="")

            def tick(steps: int = 1) -> None:
                bar.advance(task, steps)
                speed = bar.tasks[0].speed
                bar.update(task, rate=f"{speed:.0f}/s" if speed else "")

            yield tick

    return shown if console.is_terminal else logged


def minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"
