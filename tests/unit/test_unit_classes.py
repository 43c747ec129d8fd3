"""Preferred class and selectivity of units: exact enumerations, planted preferences, and units without any."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from reportgen.metrics.unit_classes import (
    MIN_CLASS_SIZE,
    class_preferences,
    class_selectivity,
    draw_without_replacement,
    selectivities,
)


def tail(count: int, size: int, drawn: int, n: int) -> float:
    """The probability that at least `count` of `drawn` images are among the `size` of a class."""
    ways = sum(comb(size, x) * comb(n - size, drawn - x) for x in range(count, min(size, drawn) + 1))
    return ways / comb(n, drawn)


def test_preferred_class_and_p_value_equal_an_enumeration_of_all_choices() -> None:
    """Twelve labelled images, seven of class 0 and five of class 1, and two without a label: four are top images."""
    labels = np.array([0] * 7 + [1] * 5 + [-1] * 2)
    maxima = np.arange(14.0)[:, None] * [1, -1]  # the first unit's top images: 13, 12 (no label), 11, 10 (class 1)
    first, second = class_preferences(maxima, labels, 4)
    assert first is not None
    assert second is not None
    assert (first.label, first.count, first.labelled, first.top) == (1, 2, 2, 4)
    assert (second.label, second.count, second.labelled, second.top) == (0, 4, 4, 4)
    assert first.expected == pytest.approx(2 * 5 / 12)
    exact = []
    for one in (first, second):
        observed = tail(one.count, [7, 5][one.label], one.labelled, 12)
        least = []
        for chosen in combinations([0] * 7 + [1] * 5, one.labelled):
            least.append(min(tail(chosen.count(c), size, one.labelled, 12) for c, size in enumerate((7, 5))))
        exact.append(np.mean(np.array(least) <= observed + 1e-12))
    low, high = sorted(exact)
    expected = {low: min(2 * low, high), high: high}  # Benjamini and Hochberg for two units
    for one, p in zip((first, second), exact, strict=True):
        assert one.q == pytest.approx(expected[p], abs=0.015)


def test_selectivity_matches_values_by_hand() -> None:
    """Class means 6, 2, 1: (6 − 1.5) / (6 + 1.5) = 0.6. A unit active for one class alone: 1. An inactive one: 0."""
    labels = np.array([0, 0, 1, 2, -1])
    maxima = np.array([[5, 3, -1], [7, 3, -1], [2, 0, -1], [1, -4, -1], [99, 99, 99]], np.float32)
    assert class_selectivity(maxima, labels) == pytest.approx([0.6, 1.0, 0.0])
    assert class_selectivity(maxima[:2], labels[:2]) is None


def test_p_value_of_selectivity_equals_an_enumeration_of_all_labellings() -> None:
    labels = np.repeat([0, 1], MIN_CLASS_SIZE)
    maxima = np.random.default_rng(3).random((10, 1)) + 0.5 * labels[:, None]
    observed = class_selectivity(maxima, labels)
    assert observed is not None
    null = []
    for chosen in combinations(range(10), 5):
        values = class_selectivity(maxima, np.isin(np.arange(10), chosen).astype(int))
        assert values is not None
        null.append(values[0])
    (found,) = selectivities(maxima, labels)
    assert found is not None
    assert found.value == pytest.approx(observed[0])
    assert found.q == pytest.approx(np.mean(np.array(null) >= observed[0] - 1e-12), abs=0.03)


def test_small_classes_count_in_neither_figure() -> None:
    """Class 1 has four images: the unit is active for it alone, and prefers nothing that counts."""
    labels = np.array([0] * 20 + [1] * 4 + [2] * 20)
    maxima = np.random.default_rng(0).random((44, 1)) + 9 * (labels == 1)[:, None]
    (preference,), (selectivity,) = class_preferences(maxima, labels, 8), selectivities(maxima, labels)
    assert preference is not None
    assert preference.label != 1
    assert not preference.is_clear
    assert selectivity is not None
    assert not selectivity.is_clear
    few = np.repeat([0, 1, 2], 4)
    assert class_preferences(maxima[:12], few, 3) == selectivities(maxima[:12], few) == [None]


def test_single_class_is_not_preferred() -> None:
    labels, maxima = np.zeros(20, int), np.random.default_rng(0).random((20, 2))
    assert class_preferences(maxima, labels, 4) == selectivities(maxima, labels) == [None, None]


def test_ties_at_the_last_top_image_give_no_preferred_class() -> None:
    """ReLU6 caps both units at 6. Data sets are sorted by class, so the first of the tied images have one label."""
    labels = np.repeat([0, 1], 10)
    capped = np.full((20, 2), 6.0)
    capped[5:, 1] = np.linspace(1, 2, 15)
    tied, clear = class_preferences(capped, labels, 5)
    assert tied is None
    assert clear is not None
    assert (clear.label, clear.count) == (0, 5)


def test_planted_preference_is_found_among_units_without_one() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 6, 120)
    maxima = random.random((120, 40))
    maxima[:, 7] += labels == 4
    preferences, found = class_preferences(maxima, labels, 16), selectivities(maxima, labels)
    assert [u for u, p in enumerate(preferences) if p and p.is_clear] == [7]
    assert preferences[7] is not None
    assert preferences[7].label == 4
    assert 7 in [u for u, s in enumerate(found) if s and s.is_clear]


def test_units_without_preference_are_clear_in_few_data_sets() -> None:
    """200 layers of ten units and skewed classes: with no truth the false discovery rate is that of any discovery."""
    alarms = np.zeros((200, 2))
    for seed in range(200):
        random = np.random.default_rng(seed)
        labels = random.permutation(np.repeat([0, 1, 2, -1], [30, 12, 6, 12]))
        maxima = random.lognormal(size=(60, 10))
        alarms[seed, 0] = any(p.is_clear for p in class_preferences(maxima, labels, 16) if p)
        alarms[seed, 1] = any(s.is_clear for s in selectivities(maxima, labels) if s)
    assert (alarms.mean(0) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)).all(), alarms.mean(0)


def test_variants_of_few_photographs_are_no_evidence_of_a_preference() -> None:
    """Twelve photographs of two classes in ten variants each: the top images of any unit are variants of one."""
    alone = together = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        photograph = np.repeat(np.arange(12), 10)
        labels = np.repeat(random.permutation(np.repeat([0, 1], 6)), 10)
        maxima = random.random((12, 5))[photograph] + 0.01 * random.random((120, 5))
        alone += sum(p.is_clear for p in class_preferences(maxima, labels, 8) if p)
        together += sum(p.is_clear for p in class_preferences(maxima, labels, 8, photograph) if p)
        together += sum(s.is_clear for s in selectivities(maxima, labels, photograph) if s)
    assert alone > 50
    assert together <= 5


@pytest.mark.parametrize("n", [20, 3000])
def test_random_choices_are_even_and_without_replacement(n: int) -> None:
    chosen = draw_without_replacement(n, 16, 20_000)
    assert (np.diff(np.sort(chosen, 1), axis=1) > 0).all()
    counts = np.bincount(chosen.ravel(), minlength=n)
    assert np.abs(counts / (20_000 * 16 / n) - 1).max() < 6 / np.sqrt(20_000 * 16 / n)
