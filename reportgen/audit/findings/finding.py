"""A finding as plain data: how large it is, what shows it, what follows from it, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reportgen.metrics.intervals import Interval, Rate


@dataclass(frozen=True)
class Size:
    """`count` of `n` things, named by `of`: "images of tabby". interval: 95 % interval of the share; None where the
    count is exact, because nothing is inferred from it about other images."""

    count: int
    n: int
    of: str
    interval: Interval | None = None

    @classmethod
    def sampled(cls, rate: Rate, of: str) -> Size:
        """A share with Wilson's interval."""
        return cls(rate.count, rate.n, of, rate.interval)

    @property
    def at_least(self) -> float:
        """The count at the lower end of the interval."""
        return self.n * self.interval[0] if self.interval else float(self.count)


@dataclass(frozen=True)
class Maps:
    """Images with activation maps over them, of the first network. images: rows in the audit, the clearest first.

    columns: of `cam/map`, one figure each, on one scale: 0 is the predicted class, −1 the label. None: photographs.
    boxes: whether ground-truth and predicted boxes are drawn.
    """

    images: Sequence[int]
    columns: Sequence[int] = ()
    boxes: bool = False


@dataclass(frozen=True)
class Bar:
    """A value from 0 to 1. role: `own` for the network's, `wrong` or `right` for those of classes, "" for others."""

    name: str
    value: float
    interval: Interval | None = None
    role: Literal["", "own", "wrong", "right"] = ""


@dataclass(frozen=True)
class Bars:
    """A small chart: shares in per cent, or other values from 0 to 1 as decimals."""

    title: str
    bars: Sequence[Bar]
    percent: bool = True


@dataclass(frozen=True)
class Pairs:
    """Pairs of images (i, j, distance), the clearest first. in_reference: whether j is an image of the reference."""

    pairs: Sequence[tuple[int, int, float]]
    in_reference: bool = False


@dataclass(frozen=True)
class Lines:
    """(name, text), such as a file with the reason why it was not read: the first of `total`."""

    rows: Sequence[tuple[str, str]]
    total: int


Evidence = Maps | Bars | Pairs | Lines


@dataclass(frozen=True)
class Finding:
    """One result that a reader should know.

    slug:     name of its page, from the names of the things that it is about.
    headline: the result as one sentence without a full stop.
    size:     how much is affected.
    images:   rows of the affected images, increasing; `()` where it is not about single images.
    evidence: what shows it; a card has room for the first two.
    inference: what follows from the figures; next_step: what to do about it.
    figures:  (name, value), the numbers behind the sentences.
    see:      label and page of the figures.
    at_least: number of images that are affected at the lower end of the interval; findings are ranked by it.
    p:        of the test in the criterion, or None where there is none.
    model:    name of the network, or "" where the finding is about the data.
    kind:     name of the kind; the registry fills it in.
    """

    slug: str
    headline: str
    size: Size
    evidence: Sequence[Evidence]
    inference: str
    next_step: str
    images: Sequence[int] = ()
    figures: Sequence[tuple[str, float]] = ()
    see: tuple[str, str] | None = None
    at_least: float = 0.0
    p: float | None = None
    model: str = ""
    kind: str = ""


def rows_of(flags: np.ndarray) -> list[int]:
    """The rows that are True, as plain numbers."""
    rows: list[int] = np.flatnonzero(flags).tolist()
    return rows
