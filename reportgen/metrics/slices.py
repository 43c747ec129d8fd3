"""Slices: groups of images with an error above that of the rest, searched on one half of the images and tested on the
other.

An attribute divides the images by its values. The search looks at single values and at pairs of values of two
attributes, as SliceLine (Sagadeeva and Boehm, SIGMOD 2021) does, by a beam search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.metrics.intervals import Interval, Rate, excess_interval, wilson_bounds

MIN_IMAGES = 10
"""Fewest judged images of a slice in each half."""
BEAM = 30
"""Values that are combined with each other value: those with the largest lower bound of the excess error."""
MAX_TESTED = 20
"""Most slices that the search proposes. Fewer tests find smaller excesses."""
MAX_OVERLAP = 0.75
"""Two slices whose intersection has more than this share of their union are one."""
MAX_Q = 0.05
"""Highest share of false discoveries among the slices that are listed."""
HALVES_SEED = 0

Condition = tuple[int, int]
"""An attribute, and the value that the images of the slice have."""


@dataclass(frozen=True)
class Slice:
    """Images with an error above that of the rest, on images that were not searched.

    conditions: one or two; inside, outside: errors of the slice and of the rest; p: of Fisher's exact test, one-sided.
    """

    conditions: tuple[Condition, ...]
    inside: Rate
    outside: Rate
    p: float

    @property
    def excess(self) -> float:
        """Error of the slice − error of the rest."""
        return self.inside.value - self.outside.value

    @property
    def interval(self) -> Interval:
        """95 % interval of the excess (Newcombe, Statistics in Medicine 17, 1998, method 10)."""
        return excess_interval(self.inside, self.outside)


def search_half(groups: np.ndarray, seed: int = HALVES_SEED) -> np.ndarray:
    """Return the images `(N,)` bool that are searched; the others are for the test.

    Groups `(N,)` are drawn in random order, each for the half that has fewer images, so none is divided.
    """
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    order = np.random.default_rng(seed).permutation(len(sizes))
    searched, counts = np.zeros(len(sizes), bool), [0, 0]
    for group in order:
        half = int(counts[1] < counts[0])
        searched[group] = half == 0
        counts[half] += sizes[group]
    return searched[member]


def find_slices(
    values: np.ndarray, families: Sequence[str | None], wrong: np.ndarray, groups: np.ndarray, seed: int = HALVES_SEED
) -> list[Slice]:
    """Return the slices that the search proposes on one half, with their errors and p values on the other.

    At most `MAX_TESTED`, the largest lower bound of the excess on the searched half first. Most of them are chance:
    `adjusted` p values state which are confirmed.

    values: `(A, N)` int, the value of each attribute in each image, −1 for none; families: A names, attributes of one
    family are not combined, and those without one with no other; wrong: `(N,)` bool, of judged images only; groups:
    `(N,)` of images that are not independent, which are never divided between the halves.
    """
    searched = search_half(groups, seed)
    proposals = propose(values[:, searched], families, wrong[searched])
    return [found for one in proposals if (found := measure(values, one, wrong, groups, ~searched))]


def measure(
    values: np.ndarray, conditions: tuple[Condition, ...], wrong: np.ndarray, groups: np.ndarray, use: np.ndarray
) -> Slice | None:
    """Return a slice with its errors on the images `use` `(N,)` bool; None where it has too few images, or the rest."""
    chosen = members(values, conditions)
    return compare(conditions, chosen & use, ~chosen & use, wrong, groups)


def compare(
    conditions: tuple[Condition, ...], chosen: np.ndarray, rest: np.ndarray, wrong: np.ndarray, groups: np.ndarray
) -> Slice | None:
    """Return the errors of the chosen images and of the rest, both `(N,)` bool; None for fewer than `MIN_IMAGES`."""
    if min(chosen.sum(), rest.sum()) < MIN_IMAGES:
        return None
    inside, outside = Rate.of(wrong[chosen], groups[chosen]), Rate.of(wrong[rest], groups[rest])
    assert inside is not None
    assert outside is not None
    return Slice(conditions, inside, outside, p_above(inside, outside))


def p_above(inside: Rate, outside: Rate) -> float:
    """Return the p value of Fisher's exact test that the first error is not above the second, one-sided."""
    from scipy.stats import hypergeom  # heavy, and not needed to list the pages

    (count, right), (other, other_right) = inside.independent_counts, outside.independent_counts
    n = count + right
    return float(hypergeom.sf(count - 1, n + other + other_right, count + other, n))


def adjusted(p: Sequence[float]) -> np.ndarray:
    """Return the p values adjusted by Benjamini and Hochberg (J. Royal Statistical Society B 57, 1995), `(n,)`.

    Those of at most q have at most a share q of false discoveries on average.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(-values, kind="stable")
    scaled = values[order] * len(values) / np.arange(len(values), 0, -1)
    q = np.empty(len(values))
    q[order] = np.minimum.accumulate(np.minimum(scaled, 1))
    return q


def members(values: np.ndarray, conditions: Sequence[Condition]) -> np.ndarray:
    """Return the images `(N,)` bool that meet all conditions."""
    found: np.ndarray = np.logical_and.reduce([values[attribute] == value for attribute, value in conditions])
    return found


def propose(values: np.ndarray, families: Sequence[str | None], wrong: np.ndarray) -> list[tuple[Condition, ...]]:
    """Return the slices with the largest lower bound of the excess error, the largest first, without repetitions.

    Pairs must have a clear excess over the other images of each of their values. A slice is left out if another one
    has nearly the same images, or if it has no excess without the images of others, but for its own pairs: of these,
    `without_repetitions` decides on the other half. values: `(A, N)`; wrong: `(N,)` bool.
    """
    numbered = _Values.of(values, families)
    total, total_wrong = len(wrong), int(wrong.sum())
    n, count = numbered.counts(np.ones(total, bool), wrong)
    lows = _lower_bounds(count, n, total_wrong - count, total - n)
    bounds: dict[tuple[Condition, ...], float] = {
        (numbered.condition(v),): float(lows[v]) for v in np.flatnonzero(lows > 0).tolist()
    }
    beam = [v for v in np.argsort(-lows, kind="stable").tolist() if lows[v] > -np.inf and numbered.family[v] >= 0]
    for first in beam[:BEAM]:
        attribute, value = numbered.condition(first)
        both, both_wrong = numbered.counts(values[attribute] == value, wrong)
        over_rest = _lower_bounds(both_wrong, both, total_wrong - both_wrong, total - both)
        over_first = _lower_bounds(both_wrong, both, count[first] - both_wrong, n[first] - both)
        over_second = _lower_bounds(both_wrong, both, count - both_wrong, n - both)
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
        if len(kept) == MAX_TESTED:
            break
    return list(kept)


def without_repetitions(
    values: np.ndarray, slices: Sequence[Slice], wrong: np.ndarray, groups: np.ndarray, use: np.ndarray
) -> list[Slice]:
    """Return the slices that add something to the others, on the images `use` `(N,)` bool.

    A pair is left out if one of its values is listed too and its other images are wrong about as often; a value, if it
    has no clear excess without its listed pairs.
    """
    singles = [one for one in slices if len(one.conditions) == 1]
    pairs = []
    for pair in (one for one in slices if len(one.conditions) > 1):
        chosen = members(values, pair.conditions) & use
        around = [
            members(values, one.conditions) & use for one in singles if set(one.conditions) < set(pair.conditions)
        ]
        if all(_has_excess(chosen, mask & ~chosen, wrong, groups) for mask in around):
            pairs.append(pair)
    kept = []
    for one in slices:
        inner = [members(values, pair.conditions) for pair in pairs if set(one.conditions) < set(pair.conditions)]
        covered = np.logical_or.reduce(inner) if inner else np.zeros_like(use)
        chosen = members(values, one.conditions)
        if one in pairs or (one in singles and _has_excess(chosen & use & ~covered, ~chosen & use, wrong, groups)):
            kept.append(one)
    return kept


def _has_excess(chosen: np.ndarray, rest: np.ndarray, wrong: np.ndarray, groups: np.ndarray) -> bool:
    """Whether the lower bound of the excess of the chosen images over the rest, both `(N,)` bool, is above 0."""
    found = compare((), chosen, rest, wrong, groups)
    return found is not None and found.interval[0] > 0


def _is_clear_without(mask: np.ndarray, covered: np.ndarray, wrong: np.ndarray) -> bool:
    """Whether a slice has an excess among the images that are not covered, as if these were independent."""
    chosen, rest = mask & ~covered, ~mask & ~covered
    counts = [np.array([one.sum()]) for one in (chosen & wrong, chosen, rest & wrong, rest)]
    return bool(_lower_bounds(*counts)[0] > 0)


@dataclass(frozen=True)
class _Values:
    """All values of all attributes, numbered through, so that one `bincount` counts them.

    numbers: `(A, N)`, that of each attribute in each image; the last number is that of no value. start: `(A,)` first
    number of each attribute; family: `(V,)` index of the family of each number.
    """

    numbers: np.ndarray
    start: np.ndarray
    family: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, families: Sequence[str | None]) -> _Values:
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


def _lower_bounds(count: np.ndarray, n: np.ndarray, other_count: np.ndarray, other_n: np.ndarray) -> np.ndarray:
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
