"""Slices: the search and its figures against their definitions; planted slices are found, and chance seldom is."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from reportgen.metrics import slices
from reportgen.metrics.intervals import Rate, excess_interval, wilson
from reportgen.metrics.slice_search import MAX_OVERLAP, MIN_IMAGES, Condition, members, propose
from reportgen.metrics.slices import (
    Slice,
    SliceTests,
    adjusted,
    confirmed,
    find_slices,
    halves,
    p_above,
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
    if plant == "large":
        share[codes[CAMERA] == 1] = 0.35
    if plant == "dark class":
        share[(codes[LABEL] == 2) & (codes[BRIGHTNESS] < 2)] = 0.75
    if plant == "sticker":
        share[(codes[3] == 4) & (codes[4] == 0)] = 0.95
    return codes, random.random(N) < share


def listed(codes: np.ndarray, wrong: np.ndarray, groups: np.ndarray | None = None) -> list[Slice]:
    groups = np.arange(len(wrong)) if groups is None else groups
    (found,) = confirmed([find_slices(codes, FAMILIES, wrong, groups)])
    return without_repetitions(codes, list(found), wrong, groups)


@pytest.mark.parametrize(
    ("plant", "attributes", "recall"),
    [("camera", {0}, 0.97), ("large", {0}, 0.7), ("dark class", {1, 2}, 0.9), ("sticker", {3, 4}, 0.6)],
)
def test_planted_slices_are_found(plant: str, attributes: set[int], recall: float) -> None:
    """A sticker is on about 24 images, of which the searched half has about 12; a large slice has about
    200 images with an error of 35 instead of 20 %."""
    hits = 0
    for seed in range(SEEDS // 2):
        found = listed(*planted(seed, plant))
        hits += any({a for a, _ in one.conditions} & attributes for one in found)
    assert hits >= recall * SEEDS / 2


def test_chance_is_seldom_confirmed() -> None:
    """Without a planted slice, at most 5 % of 200 data sets have a confirmed one, plus spread."""
    false = sum(bool(listed(*planted(seed, "none"))) for seed in range(SEEDS))
    assert false / SEEDS <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / SEEDS)


def test_chance_in_groups_is_seldom_confirmed() -> None:
    """Four variants of each photograph have its values and its error: they count as one image."""
    false = 0
    for seed in range(SEEDS // 2):
        codes, wrong = planted(seed, "none")
        photograph = np.repeat(np.arange(N // 4), 4)
        false += bool(listed(codes[:, photograph], wrong[photograph], photograph))
    assert false / (SEEDS / 2) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / (SEEDS / 2))


def test_groups_are_never_divided_and_halves_are_about_equal() -> None:
    groups = np.random.default_rng(0).integers(0, 40, 500)
    half_of = halves(groups)
    assert all(len(set(half_of[groups == group])) == 1 for group in range(40))
    assert abs(int(half_of.sum()) - 250) < 25


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
    best = max((one for one in lows if len(one) == 2), key=lambda one: lows[one])
    proposed = propose(codes, FAMILIES, wrong)
    assert proposed[0] == best
    assert all(lows[one] > 0 for one in proposed)
    bounds = [lows[one] for one in proposed]
    assert bounds == sorted(bounds, reverse=True)


def test_values_and_pairs_that_add_nothing_are_left_out() -> None:
    """A pair of the camera that is not worse than the camera's other images; a class that is worse only in the dark."""
    codes, wrong = planted(0, "camera")
    groups, use = np.arange(N), np.ones(N, bool)

    def left(*conditions: tuple[Condition, ...]) -> list[tuple[Condition, ...]]:
        """The values are measured on all images, the pairs on one half."""
        found = []
        for one in conditions:
            half = None if len(one) == 1 else 0
            measured = slices.measure(codes, one, wrong, groups, use if half is None else halves(groups) == half)
            assert measured is not None
            found.append(replace(measured, half=half))
        return [one.conditions for one in without_repetitions(codes, found, wrong, groups)]

    camera, pair = ((CAMERA, 1),), ((CAMERA, 1), (5, 0))
    wrong[members(codes, pair)] = False
    wrong[np.flatnonzero(members(codes, pair))[::3]] = True
    wrong[np.flatnonzero(members(codes, ((CAMERA, 1), (5, 1))))[::2]] = True
    assert left(camera, pair) == [camera]

    codes, wrong = planted(0, "dark class")
    dark, label = ((LABEL, 2), (BRIGHTNESS, 0)), ((LABEL, 2),)
    wrong[members(codes, label)] = False
    wrong[members(codes, dark)] = True
    assert left(label, dark) == [dark]


def test_attributes_of_one_family_and_those_without_one_are_not_combined() -> None:
    codes, wrong = planted(3, "dark class")
    assert propose(codes, FAMILIES, wrong)
    for families in (["x"] * 6, [None] * 6):
        assert propose(codes, families, wrong) == []


def test_slices_with_the_same_images_are_proposed_once() -> None:
    codes, wrong = planted(0, "camera")
    twice = np.concatenate((codes, codes[:1]))
    proposed = propose(twice, [*FAMILIES, "again"], wrong)
    for one, other in itertools.combinations(proposed, 2):
        a, b = members(twice, one), members(twice, other)
        assert (a & b).sum() <= MAX_OVERLAP * (a | b).sum()


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
    assert adjusted(p[:3], 5).tolist() == adjusted([*p[:3], 1, 1])[:3].tolist()


def test_values_are_tested_on_all_images_and_pairs_on_the_half_that_was_not_searched() -> None:
    codes, wrong = planted(3, "dark class")
    codes[4] = np.where(np.arange(N) < N - 12, codes[4], 9)  # a value with too few images
    groups = np.arange(N)
    tests = find_slices(codes, FAMILIES, wrong, groups)
    errors = {}
    for a, v in {(k, int(value)) for k in range(len(codes)) for value in codes[k]}:
        chosen = [i for i in range(N) if codes[a][i] == v]
        if min(len(chosen), N - len(chosen)) >= 2 * MIN_IMAGES:
            count = sum(bool(wrong[i]) for i in chosen)
            errors[((a, v),)] = p_above(Rate(count, len(chosen)), Rate(int(wrong.sum()) - count, N - len(chosen)))
    assert tests.n_values == len(errors)
    found = {one.conditions: one.p for one in tests.values}
    assert found == {one: errors[one] for one in found}
    assert {one for one, p in errors.items() if p <= 0.02} <= set(found)  # the others cannot be confirmed
    for half, pairs in enumerate(tests.pairs):
        tested = halves(groups) == half
        assert [one.conditions for one in pairs] == propose(codes[:, ~tested], FAMILIES, wrong[~tested])
        for one in pairs:
            assert one.half == half
            assert one.inside.n == (members(codes, one.conditions) & tested).sum()


def test_values_have_half_of_the_false_discoveries_and_pairs_of_each_half_a_quarter() -> None:
    """Of two errors: three slices and seven other values, and two pairs on the first half and one on the second."""

    def make(p: float, half: int | None = None) -> Slice:
        return Slice(((0, 0),) if half is None else ((0, 0), (1, 0)), Rate(10, 20), Rate(20, 100), p, half)

    first = SliceTests([make(0.001), make(0.02)], 4, ([make(0.003, 0)], [make(0.012, 1)]))
    second = SliceTests([make(0.004)], 6, ([make(0.01, 0)], []))
    (one, other) = confirmed([first, second])
    assert {s.p: q for s, q in one.items()} == pytest.approx({0.001: 0.02, 0.003: 0.024, 0.012: 0.048})
    assert {s.p: q for s, q in other.items()} == pytest.approx({0.004: 0.04, 0.01: 0.04})


def test_a_pair_that_both_halves_confirm_is_listed_once() -> None:
    codes, wrong = planted(0, "dark class")
    pair = members(codes, ((LABEL, 2), (BRIGHTNESS, 0)))
    wrong[pair] = True
    groups = np.arange(N)
    (found,) = confirmed([find_slices(codes, FAMILIES, wrong, groups)])
    same = [one for one in found if one.conditions == ((LABEL, 2), (BRIGHTNESS, 0))]
    assert {one.half for one in same} == {0, 1}
    left = without_repetitions(codes, list(found), wrong, groups)
    assert [one.half for one in left if one.conditions == same[0].conditions] == [0]


def test_interval_of_the_excess_is_newcombes() -> None:
    """The published example: 56 of 70 against 48 of 80, 95 % interval 0.0524 to 0.3339 (Newcombe 1998, table II)."""
    assert excess_interval(Rate(56, 70), Rate(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert wilson(0.0, 10)[0] == 0
