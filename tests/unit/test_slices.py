"""Slices: the search and its figures against their definitions; planted slices are found, and chance seldom is."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from reportgen.metrics import slices
from reportgen.metrics.intervals import Rate, excess_interval, wilson
from reportgen.metrics.slices import (
    MAX_Q,
    MIN_IMAGES,
    adjusted,
    find_slices,
    members,
    p_above,
    propose,
    search_half,
    without_repetitions,
)

N = 600
SEEDS = 200
CAMERA, LABEL, BRIGHTNESS = 0, 1, 2
FAMILIES = ["camera", "label", "brightness", "a", "b", "c"]


def planted(seed: int, plant: str) -> tuple[np.ndarray, np.ndarray]:
    """The values of six attributes, and which images are wrong: one of five, and more of the planted slice."""
    random = np.random.default_rng(seed)
    codes = np.stack([random.integers(0, k, N) for k in (3, 4, 5, 5, 5, 2)])
    share = np.full(N, 0.2)
    if plant == "camera":
        share[codes[CAMERA] == 1] = 0.45
    if plant == "dark class":
        share[(codes[LABEL] == 2) & (codes[BRIGHTNESS] < 2)] = 0.75
    if plant == "sticker":
        share[(codes[3] == 4) & (codes[4] == 0)] = 0.95
    return codes, random.random(N) < share


def confirmed(codes: np.ndarray, wrong: np.ndarray, groups: np.ndarray | None = None) -> list[slices.Slice]:
    found = find_slices(codes, FAMILIES, wrong, np.arange(len(wrong)) if groups is None else groups)
    surely = [one for one, q in zip(found, adjusted([one.p for one in found]), strict=True) if q <= MAX_Q]
    groups = np.arange(len(wrong)) if groups is None else groups
    return without_repetitions(codes, surely, wrong, groups, ~search_half(groups))


@pytest.mark.parametrize(
    ("plant", "attributes", "recall"), [("camera", {0}, 0.9), ("dark class", {1, 2}, 0.9), ("sticker", {3, 4}, 0.6)]
)
def test_planted_slices_are_found(plant: str, attributes: set[int], recall: float) -> None:
    """A sticker is on about 24 images, of which the searched half has about 12."""
    hits = 0
    for seed in range(SEEDS // 2):
        found = confirmed(*planted(seed, plant))
        hits += any({a for a, _ in one.conditions} & attributes for one in found)
    assert hits >= recall * SEEDS / 2


def test_chance_is_seldom_confirmed() -> None:
    """Without a planted slice, at most 5 % of 200 data sets have a confirmed one, plus spread."""
    false = sum(bool(confirmed(*planted(seed, "none"))) for seed in range(SEEDS))
    assert false / SEEDS <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / SEEDS)


def test_chance_in_groups_is_seldom_confirmed() -> None:
    """Four variants of each photograph have its values and its error: they count as one image."""
    false = 0
    for seed in range(SEEDS // 2):
        codes, wrong = planted(seed, "none")
        photograph = np.repeat(np.arange(N // 4), 4)
        false += bool(confirmed(codes[:, photograph], wrong[photograph], photograph))
    assert false / (SEEDS / 2) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / (SEEDS / 2))


def test_groups_are_never_divided_and_halves_are_about_equal() -> None:
    groups = np.random.default_rng(0).integers(0, 40, 500)
    searched = search_half(groups)
    assert all(len(set(searched[groups == group])) == 1 for group in range(40))
    assert abs(int(searched.sum()) - 250) < 25


def test_search_finds_what_trying_all_slices_finds() -> None:
    """All values and pairs, written as loops; the beam holds all values of so few attributes."""
    codes, wrong = planted(3, "dark class")
    codes[3, :50] = -1

    def excess(chosen: np.ndarray, rest: np.ndarray) -> float:
        if min(chosen.sum(), rest.sum()) < MIN_IMAGES:
            return -math.inf
        inside, outside = Rate.of(wrong[chosen]), Rate.of(wrong[rest])
        assert inside is not None
        assert outside is not None
        return excess_interval(inside, outside)[0]

    masks = {
        (a, v): np.array([code == v for code in codes[a]]) for a in range(len(codes)) for v in set(codes[a]) - {-1}
    }
    lows = {(value,): excess(mask, ~mask) for value, mask in masks.items()}
    for first, second in itertools.combinations(sorted(masks), 2):
        both = masks[first] & masks[second]
        over = [excess(both, masks[value] & ~both) for value in (first, second)]
        if first[0] != second[0] and min(over) > 0:
            lows[(first, second)] = excess(both, ~both)
    best = max(lows, key=lambda one: lows[one])
    proposed = propose(codes, FAMILIES, wrong)
    assert proposed[0] == best
    assert all(lows[one] > 0 for one in proposed)
    bounds = [lows[one] for one in proposed]
    assert bounds == sorted(bounds, reverse=True)


def test_values_and_pairs_that_add_nothing_are_left_out() -> None:
    """A pair of the camera that is not worse than the camera's other images; a class that is worse only in the dark."""
    codes, wrong = planted(0, "camera")
    groups, use = np.arange(N), np.ones(N, bool)
    camera, pair = ((CAMERA, 1),), ((CAMERA, 1), (5, 0))
    wrong[members(codes, pair)] = False
    wrong[np.flatnonzero(members(codes, pair))[::3]] = True
    wrong[np.flatnonzero(members(codes, ((CAMERA, 1), (5, 1))))[::2]] = True
    found = [slices.measure(codes, one, wrong, groups, use) for one in (camera, pair)]
    assert [one.conditions for one in without_repetitions(codes, found, wrong, groups, use)] == [camera]

    codes, wrong = planted(0, "dark class")
    dark, label = ((LABEL, 2), (BRIGHTNESS, 0)), ((LABEL, 2),)
    wrong[members(codes, label)] = False
    wrong[members(codes, dark)] = True
    found = [slices.measure(codes, one, wrong, groups, use) for one in (label, dark)]
    assert [one.conditions for one in without_repetitions(codes, found, wrong, groups, use)] == [dark]


def test_attributes_of_one_family_and_those_without_one_are_not_combined() -> None:
    codes, wrong = planted(3, "dark class")
    for families in (["x"] * 6, [None] * 6):
        assert {len(one) for one in propose(codes, families, wrong)} == {1}


def test_slices_with_the_same_images_are_proposed_once() -> None:
    codes, wrong = planted(0, "camera")
    twice = np.concatenate((codes, codes[:1]))
    proposed = propose(twice, [*FAMILIES, "again"], wrong)
    for one, other in itertools.combinations(proposed, 2):
        a, b = members(twice, one), members(twice, other)
        assert (a & b).sum() <= slices.MAX_OVERLAP * (a | b).sum()


def test_p_value_is_that_of_fishers_test() -> None:
    """The probability of at least 7 wrong images among 10 of 30, of which 12 are wrong, by counting."""
    expected = sum(Fraction(math.comb(12, k) * math.comb(18, 10 - k), math.comb(30, 10)) for k in range(7, 11))
    assert p_above(Rate(7, 10), Rate(5, 20)) == pytest.approx(float(expected))


def test_adjusted_p_values_match_their_definition() -> None:
    p = [0.04, 0.001, 0.03, 0.5, 0.03]
    ranked = sorted(p)
    expected = [min(min(1, ranked[j] * len(p) / (j + 1)) for j in range(len(p)) if ranked[j] >= value) for value in p]
    assert adjusted(p).tolist() == pytest.approx(expected)
    assert adjusted([]).tolist() == []


def test_interval_of_the_excess_is_newcombes() -> None:
    """The published example: 56 of 70 against 48 of 80, 95 % interval 0.0524 to 0.3339 (Newcombe 1998, table II)."""
    assert excess_interval(Rate(56, 70), Rate(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert wilson(0.0, 10)[0] == 0
