"""Search for pairs of values whose images have an error above that of the rest.

A beam search for the pairs that SliceLine (Sagadeeva and Boehm, SIGMOD 2021) finds by trying all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.metrics.intervals import wilson_bounds

MIN_IMAGES = 10
"""Fewest judged images of a slice in each half."""
BEAM = 30
"""Values that are combined with each other value: those with the largest lower bound of the excess error."""
MAX_TESTED = 20
"""Most pairs that the search on one half proposes. Fewer tests find smaller excesses."""
MAX_OVERLAP = 0.75
"""Two slices whose intersection has more than this share of their union are one."""
Condition = tuple[int, int]
"""An attribute, and the value that the images of the slice have."""


def members(values: np.ndarray, conditions: Sequence[Condition]) -> np.ndarray:
    """Return the images `(N,)` bool that meet all conditions."""
    found: np.ndarray = np.logical_and.reduce([values[attribute] == value for attribute, value in conditions])
    return found


def propose(values: np.ndarray, families: Sequence[str | None], wrong: np.ndarray) -> list[tuple[Condition, ...]]:
    """Return the pairs with the largest lower bound of the excess error, the largest first, without repetitions.

    They must have a clear excess over the other images of each of their values. One is left out if a better pair or
    value has nearly the same images, or if it has no excess without the images of these.
    values: `(A, N)`; wrong: `(N,)` bool.
    """
    numbered = NumberedValues.of(values, families)
    total, total_wrong = len(wrong), int(wrong.sum())
    n, count = numbered.counts(np.ones(total, bool), wrong)
    lows = lower_bounds(count, n, total_wrong - count, total - n)
    bounds: dict[tuple[Condition, ...], float] = {
        (numbered.condition(v),): float(lows[v]) for v in np.flatnonzero(lows > 0).tolist()
    }
    beam = [v for v in np.argsort(-lows, kind="stable").tolist() if lows[v] > -np.inf and numbered.family[v] >= 0]
    for first in beam[:BEAM]:
        attribute, value = numbered.condition(first)
        both, both_wrong = numbered.counts(values[attribute] == value, wrong)
        over_rest = lower_bounds(both_wrong, both, total_wrong - both_wrong, total - both)
        over_first = lower_bounds(both_wrong, both, count[first] - both_wrong, n[first] - both)
        over_second = lower_bounds(both_wrong, both, count - both_wrong, n - both)
        is_other = (numbered.family >= 0) & (numbered.family != numbered.family[first])
        is_clear = np.minimum(np.minimum(over_rest, over_first), over_second) > 0
        for second in np.flatnonzero(is_other & is_clear).tolist():
            bounds[tuple(sorted(((attribute, value), numbered.condition(second))))] = float(over_rest[second])
    kept: dict[tuple[Condition, ...], np.ndarray] = {}
    for conditions in sorted(bounds, key=lambda one: (-bounds[one], one)):
        mask = members(values, conditions)
        if any((mask & other).sum() > MAX_OVERLAP * (mask | other).sum() for other in kept.values()):
            continue
        others = [other for one, other in kept.items() if not set(conditions) < set(one)]
        if others and not _is_clear_without(mask, np.logical_or.reduce(others), wrong):
            continue
        kept[conditions] = mask
        if sum(len(one) > 1 for one in kept) == MAX_TESTED:
            break
    return [one for one in kept if len(one) > 1]


def _is_clear_without(mask: np.ndarray, covered: np.ndarray, wrong: np.ndarray) -> bool:
    """Whether a slice has an excess among the images that are not covered, as if these were independent."""
    chosen, rest = mask & ~covered, ~mask & ~covered
    counts = [np.array([one.sum()]) for one in (chosen & wrong, chosen, rest & wrong, rest)]
    return bool(lower_bounds(*counts)[0] > 0)


@dataclass(frozen=True)
class NumberedValues:
    """All values of all attributes, numbered through, so that one `bincount` counts them.

    numbers: `(A, N)`, that of each attribute in each image; the last number is that of no value. start: `(A,)` first
    number of each attribute; family: `(V,)` index of the family of each number.
    """

    numbers: np.ndarray
    start: np.ndarray
    family: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, families: Sequence[str | None]) -> NumberedValues:
        """values, families: see `find_slices`."""
        sizes = values.max(1, initial=-1) + 1
        start = np.concatenate(([0], np.cumsum(sizes)))
        numbers = np.where(values >= 0, values + start[:-1, None], start[-1])
        known: dict[str | None, int] = {name: k for k, name in enumerate(dict.fromkeys(families))} | {None: -1}
        return cls(numbers, start[:-1], np.repeat([known[name] for name in families], sizes))

    def condition(self, number: int) -> Condition:
        """The attribute and the value of a number."""
        attribute = int(np.searchsorted(self.start, number, "right")) - 1
        return attribute, int(number - self.start[attribute])

    def counts(self, within: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return for each value `(V,)` the number of its images among `within` `(N,)` bool, and of the wrong ones."""
        v = len(self.family)
        all_, those = (self.numbers[:, one].ravel() for one in (within, within & wrong))
        return np.bincount(all_, minlength=v + 1)[:v], np.bincount(those, minlength=v + 1)[:v]


def lower_bounds(count: np.ndarray, n: np.ndarray, other_count: np.ndarray, other_n: np.ndarray) -> np.ndarray:
    """Return the lower bounds of Newcombe's intervals, `(k,)`, as of `excess_interval` for independent images.

    −inf where one of the two has fewer than `MIN_IMAGES` images.
    """
    bounds = np.full(len(n), -np.inf)
    use = (n >= MIN_IMAGES) & (other_n >= MIN_IMAGES)
    inside, outside = count[use] / n[use], other_count[use] / other_n[use]
    low, _ = wilson_bounds(inside, n[use])
    _, high = wilson_bounds(outside, other_n[use])
    bounds[use] = inside - outside - np.hypot(inside - low, high - outside)
    return bounds
