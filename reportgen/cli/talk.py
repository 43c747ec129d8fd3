"""What is told while a command works: on stderr, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

talk = Console(stderr=True, highlight=False, emoji=False)


def progress(quiet: bool) -> Any:
    from reportgen.passes import silent

    if quiet or not talk.is_terminal:  # bars are for people; a log gets the closing lines
        return silent

    @contextmanager
    def shown(stage: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        columns = [SpinnerColumn(), TextColumn("{task.description:<22}")]
        if total is not None:
            columns += [BarColumn(28), TextColumn("{task.completed}/{task.total} {task.fields[unit]}")]
            columns += [TextColumn("{task.fields[rate]}"), TimeRemainingColumn()]
        with Progress(*columns, console=talk, transient=True) as bar:
            task = bar.add_task(stage, total=total, unit=unit, rate="")

            def tick(steps: int = 1) -> None:
                bar.advance(task, steps)
                speed = bar.tasks[0].speed
                bar.update(task, rate=f"{speed:.0f}/s" if speed else "")

            yield tick

    return shown
