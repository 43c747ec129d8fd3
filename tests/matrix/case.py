"""What the matrix tries: networks, in groups that have a goal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

Outcome = Literal["taken", "refused", "internal error", "wrong"]
OUTCOMES: tuple[Outcome, ...] = ("taken", "refused", "internal error", "wrong")


@dataclass(frozen=True)
class Verdict:
    """What became of a network: details, or the message and the way out of a refusal, each in one line."""

    outcome: Outcome
    detail: str
    hint: str | None = None


@dataclass(frozen=True)
class Goal:
    """The share of a group that must be taken or refused; the rest may be either. Nothing may be wrong."""

    outcome: Literal["taken", "refused"] = "taken"
    share: float = 0.0

    def __str__(self) -> str:
        if not self.share:
            return "taken or refused"
        return f"all {self.outcome}" if self.share == 1 else f"≥ {self.share:.0%} {self.outcome}".replace("%", " %")

    def is_reached(self, found: Sequence[Verdict]) -> bool:
        """Whether these verdicts of the group's networks reach the goal."""
        if any(verdict.outcome in ("internal error", "wrong") for verdict in found):
            return False
        return sum(verdict.outcome == self.outcome for verdict in found) >= self.share * len(found)


@dataclass(frozen=True)
class Case:
    """A network of the matrix.

    group:  the row of the table that counts it.
    build:  makes it; called after a seed is set, so that two calls give the same weights.
    size:   height and width of its input where they are not those that the module carries.
    why:    the reason for a refusal that is expected.
    """

    name: str
    group: str
    build: Callable[[], nn.Module]
    size: tuple[int, int] | None = None
    why: str = ""


@dataclass(frozen=True)
class Family:
    """Networks of one origin. goals: by group; cases: a function, because it imports the package that makes them."""

    goals: dict[str, Goal]
    cases: Callable[[], list[Case]]
