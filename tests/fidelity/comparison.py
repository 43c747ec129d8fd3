"""One comparison of two computations of the same figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """figures: what was compared; reference: what with; n: numbers compared; largest: difference; limit: that is
    allowed."""

    figures: str
    reference: str
    n: int
    largest: float
    limit: float

    @property
    def holds(self) -> bool:
        return self.n > 0 and self.largest <= self.limit


def compare(figures: str, reference: str, found: object, expected: object, limit: float = 0.0) -> Comparison:
    """Compare arrays of numbers; places where both are NaN are equal, where only one is, differ without limit."""
    a, b = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert a.shape == b.shape, f"{figures}: {a.shape} and {b.shape}"
    difference = np.where(np.isnan(a) & np.isnan(b), 0, np.abs(a - b))
    largest = float(np.nan_to_num(difference, nan=np.inf).max(initial=0))
    return Comparison(figures, reference, a.size, largest, limit)


def needs(*packages: str) -> Callable[[Callable], Callable]:
    """Leave out the comparisons of a function whose packages are not installed."""

    def decorate(function: Callable[..., Iterator[Comparison]]) -> Callable[..., Iterator[Comparison]]:
        def run(*arguments: object) -> Iterator[Comparison]:
            if all(find_spec(package) for package in packages):
                yield from function(*arguments)

        return run

    return decorate
