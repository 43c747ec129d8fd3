"""Slices: groups of images with an error above that of the rest.

An attribute divides the images by its values. Single values are few, so each is tested on all images. Pairs of values
of two attributes are many: they are searched on each half of the images, and tested on the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reportgen.metrics.intervals import Interval, Rate, excess_interval
from reportgen.metrics.slice_search import (
    MAX_OVERLAP,
    MIN_IMAGES,
    Condition,
    NumberedValues,
    lower_bounds,
    members,
    propose,
)

MAX_Q = 0.05
"""Highest share of false discoveries among the slices that are listed."""
HALVES_SEED = 0


@dataclass(frozen=True)
class Slice:
    """Images with an error above that of the rest: of all images for a value, of those not searched for a pair.

    conditions: one or two; inside, outside: errors of the slice and of the rest; p: of Fisher's exact test, one-sided;
    half: the half that the errors are of, 0 or 1, or None for all images.
    """

    conditions: tuple[Condition, ...]
    inside: Rate
    outside: Rate
    p: float
    half: int | None = None

    @property
    def excess(self) -> float:
        """Error of the slice − error of the rest."""
        return self.inside.value - self.outside.value

    @property
    def interval(self) -> Interval:
        """95 % interval of the excess (Newcombe, Statistics in Medicine 17, 1998, method 10)."""
        return excess_interval(self.inside, self.outside)


def halves(groups: np.ndarray, seed: int = HALVES_SEED) -> np.ndarray:
    """Return the half of each image, `(N,)`, 0 or 1.

    Groups `(N,)` are drawn in random order, each for the half that has fewer images, so none is divided.
    """
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    order = np.random.default_rng(seed).permutation(len(sizes))
    half_of, counts = np.zeros(len(sizes), np.int64), [0, 0]
    for group in order:
        half_of[group] = int(counts[1] < counts[0])
        counts[half_of[group]] += sizes[group]
    half: np.ndarray = half_of[member]
    return half


@dataclass(frozen=True)
class SliceTests:
    """The tests of one error.

    values: single values with a clear excess; n_values: number of tested values, the others have none and p = 1;
    pairs: for each half, those that the search on the other half proposes.
    """

    values: Sequence[Slice]
    n_values: int
    pairs: tuple[Sequence[Slice], Sequence[Slice]]

    @property
    def count(self) -> int:
        """Number of tests."""
        return self.n_values + sum(map(len, self.pairs))


def find_slices(
    values: np.ndarray, families: Sequence[str | None], wrong: np.ndarray, groups: np.ndarray, seed: int = HALVES_SEED
) -> SliceTests:
    """Test all values on all images, and on each half of the images the pairs that the search on the other proposes.

    Most of them are chance: `confirmed` returns those that are not.

    values: `(A, N)` int, the value of each attribute in each image, −1 for none; families: A names, attributes of one
    family are not combined, and those without one with no other; wrong: `(N,)` bool, of judged images only; groups:
    `(N,)` of images that are not independent, which are never divided between the halves.
    """
    numbered = NumberedValues.of(values, families)
    n, count = numbered.counts(np.ones(len(wrong), bool), wrong)
    enough = np.minimum(n, len(wrong) - n) >= 2 * MIN_IMAGES
    is_clear = enough & (lower_bounds(count, n, wrong.sum() - count, len(wrong) - n) > 0)
    clear = [(numbered.condition(v),) for v in np.flatnonzero(is_clear).tolist()]
    half_of = halves(groups, seed)

    def tested(half: int) -> list[Slice]:
        searched = half_of != half
        proposals = propose(values[:, searched], families, wrong[searched])
        found = (measure(values, one, wrong, groups, ~searched) for one in proposals)
        return [replace(one, half=half) for one in found if one]

    return SliceTests(
        values=[found for one in clear if (found := measure(values, one, wrong, groups, np.ones(len(wrong), bool)))],
        n_values=int(enough.sum()),
        pairs=(tested(0), tested(1)),
    )


def confirmed(tests: Sequence[SliceTests]) -> list[dict[Slice, float]]:
    """Return the confirmed slices of each error with their p values, adjusted for the tests of all errors.

    Values have one half of the false discoveries, and the pairs of each half a quarter, so that all together have at
    most `MAX_Q` and many values do not hide pairs.
    """
    found: list[dict[Slice, float]] = [{} for _ in tests]
    kinds = [
        ([one.values for one in tests], sum(one.n_values for one in tests), 2),
        *(([one.pairs[half] for one in tests], None, 4) for half in (0, 1)),
    ]
    for kind, n, share in kinds:
        q = iter(share * adjusted([one.p for slices in kind for one in slices], n))
        for of_error, slices in zip(found, kind, strict=True):
            of_error |= {one: float(value) for one in slices if (value := next(q)) <= MAX_Q}
    return found


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


def adjusted(p: Sequence[float], n_tests: int | None = None) -> np.ndarray:
    """Return the p values adjusted by Benjamini and Hochberg (J. Royal Statistical Society B 57, 1995), `(n,)`.

    Those of at most q have at most a share q of false discoveries on average. n_tests: number of tests, of which those
    that are not in `p` have a p value of 1.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(-values, kind="stable")
    scaled = values[order] * (len(values) if n_tests is None else n_tests) / np.arange(len(values), 0, -1)
    q = np.empty(len(values))
    q[order] = np.minimum.accumulate(np.minimum(scaled, 1))
    return q


def without_repetitions(
    values: np.ndarray, slices: Sequence[Slice], wrong: np.ndarray, groups: np.ndarray, seed: int = HALVES_SEED
) -> list[Slice]:
    """Return the confirmed slices that add something to the others, the largest lower bound of the excess first.

    A slice is left out if a better one of its kind (value or pair) has nearly the same images, or if it has no clear
    excess without the images of these, and for a value of the listed pairs. A pair is left out, too, if one of its
    values is listed, and the other images of this value are wrong about as often in the half that it was tested on.
    """
    half_of, both = halves(groups, seed), {one.conditions for one in slices if one.half == 0}
    once = [one for one in slices if one.half != 1 or one.conditions not in both]  # not the higher one: unbiased
    ranked = sorted(once, key=lambda one: -one.interval[0])
    masks = {one: members(values, one.conditions) for one in ranked}

    def is_new(one: Slice, others: Sequence[Slice]) -> bool:
        mask, covered = masks[one], np.logical_or.reduce([masks[other] for other in others])
        overlap = max(((mask & masks[o]).sum() / (mask | masks[o]).sum() for o in others), default=0)
        return overlap <= MAX_OVERLAP and _has_excess(mask & ~covered, ~mask & ~covered, wrong, groups)

    def is_above(pair: Slice, value: Slice) -> bool:
        tested, chosen = half_of == pair.half, masks[pair]
        return _has_excess(chosen & tested, masks[value] & ~chosen & tested, wrong, groups)

    singles: list[Slice] = []
    for one in ranked:
        if len(one.conditions) == 1 and is_new(one, singles):
            singles.append(one)
    pairs: list[Slice] = []
    for one in ranked:
        own = [value for value in singles if set(value.conditions) < set(one.conditions)]
        if len(one.conditions) == 2 and is_new(one, pairs) and all(is_above(one, value) for value in own):
            pairs.append(one)
    singles = [one for one in singles if is_new(one, pairs)]
    return sorted([*singles, *pairs], key=lambda one: -one.interval[0])


def _has_excess(chosen: np.ndarray, rest: np.ndarray, wrong: np.ndarray, groups: np.ndarray) -> bool:
    """Whether the lower bound of the excess of the chosen images over the rest, both `(N,)` bool, is above 0."""
    found = compare((), chosen, rest, wrong, groups)
    return found is not None and found.interval[0] > 0
