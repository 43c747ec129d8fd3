"""Intervals of shares, means and paired differences: definitions, coverage, and images in groups."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from reportgen.metrics.bootstrap import intervals
from reportgen.metrics.confidence.calibration import calibrate
from reportgen.metrics.intervals import Rate, Z, difference_interval, mean_interval
from reportgen.metrics.paired import compare_errors, mcnemar, mcnemar_of_groups

SEEDS = 200
SLACK = 2 * np.sqrt(0.05 * 0.95 / SEEDS)
"""Two standard errors of a rate of 5 % in 200 data sets."""
GROUPS = np.repeat(np.arange(24), 8)
"""24 photographs in eight variants each."""


def variants(seed: int, share: float = 0.7, alike: float = 0.8) -> np.ndarray:
    """Flags of the 192 images: with probability `alike` an image is as its photograph, otherwise as a random one."""
    random = np.random.default_rng(seed)
    of_group, own = random.random(24)[GROUPS] < share, random.random(192) < share
    return np.where(random.random(192) < alike, of_group, own)


@pytest.mark.parametrize(("count", "n"), [(0, 12), (7, 12), (12, 12), (333, 1000)])
def test_interval_of_flags_is_scipys_wilson(count: int, n: int) -> None:
    expected = binomtest(count, n).proportion_ci(method="wilson")
    assert Rate(count, n).interval == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert mean_interval(np.arange(n) < count) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_quantile_of_the_normal_distribution_is_scipys() -> None:
    assert norm.ppf(0.975) == Z


def test_interval_of_a_mean_is_that_of_as_many_flags_as_vary_as_much() -> None:
    """Values ¼ and ¾ have a quarter of the variance of 0 and 1, so many of them count as four times as many flags."""
    values = np.tile([0.25, 0.75], 5000)
    expected = binomtest(20_000, 40_000).proportion_ci(method="wilson")
    assert mean_interval(values) == pytest.approx((expected.low, expected.high), abs=1e-5)
    low, high = mean_interval(np.full(10, 0.5))  # no variance: ten flags, with the quantile for ten images
    assert low == pytest.approx(1 - high)
    assert 0.15 < low < Rate(5, 10).interval[0]


def test_interval_of_a_mean_covers_it() -> None:
    covered = []
    for seed in range(2000):
        low, high = mean_interval(np.random.default_rng(seed).beta(2, 1, 40))
        covered.append(low <= 2 / 3 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=2 * np.sqrt(0.05 * 0.95 / 2000))


def test_interval_of_flags_in_groups_covers_their_share() -> None:
    """Counted as independent, the interval is too short; by groups, it has its level."""
    naive = grouped = 0
    for seed in range(SEEDS):
        flags = variants(seed)
        alone, together = Rate.of(flags), Rate.of(flags, GROUPS)
        assert alone is not None
        assert together is not None
        naive += alone.interval[0] <= 0.7 <= alone.interval[1]
        grouped += together.interval[0] <= 0.7 <= together.interval[1]
    assert naive / SEEDS < 0.75
    assert grouped / SEEDS >= 0.95 - SLACK


def test_effective_size_is_that_of_the_variance_between_groups() -> None:
    flags = variants(3)
    rate = Rate.of(flags, GROUPS)
    assert rate is not None
    means = flags.reshape(24, 8).mean(1)
    variance = means.var(ddof=1) / 24
    t = 2.0687  # quantile of Student's t, 23 degrees of freedom
    assert rate.n_effective == pytest.approx(flags.mean() * (1 - flags.mean()) / variance * (1.96 / t) ** 2, rel=1e-3)


def test_equal_flags_count_once_for_each_group() -> None:
    rate = Rate.of(np.ones(192, bool), GROUPS)
    assert rate is not None
    assert rate.n_effective == pytest.approx(24 * (1.96 / 2.0687) ** 2, rel=1e-3)
    assert 0.8 < rate.interval[0] < 0.86
    single = Rate.of(np.array([True, True, False]), np.zeros(3, int))
    assert single is not None
    assert single.interval == (0, 1)  # one group says nothing about others


def test_groups_of_one_image_change_nothing() -> None:
    flags, alone = variants(0), np.arange(192)[::-1]
    assert Rate.of(flags, alone) == Rate.of(flags)
    assert mean_interval(flags * 0.5, alone) == pytest.approx(mean_interval(flags * 0.5))
    difference = flags.astype(int) - variants(1)
    assert difference_interval(difference, alone) == pytest.approx(difference_interval(difference))
    assert intervals(difference[:, None], np.arange(192)) == intervals(difference[:, None])


# ------------------------------------------------------------------------------------------------- differences


@pytest.mark.parametrize(("plus", "minus", "n"), [(5, 2, 30), (0, 0, 30), (30, 0, 30), (0, 1, 1), (40, 31, 1000)])
def test_interval_of_a_difference_is_that_of_agresti_and_min(plus: int, minus: int, n: int) -> None:
    b, c, total = plus + 0.5, minus + 0.5, n + 2
    difference = (b - c) / total
    half = 1.959964 * np.sqrt((b + c) - (b - c) ** 2 / total) / total
    found = difference_interval(np.repeat([1, -1, 0], [plus, minus, n - plus - minus]))
    assert found == pytest.approx((max(-1, difference - half), min(1, difference + half)))
    assert found[0] < found[1]


def test_interval_of_a_difference_covers_it() -> None:
    single = grouped = 0
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        low, high = difference_interval(random.choice([1, 0, -1], 60, p=[0.3, 0.6, 0.1]))
        single += low <= 0.2 <= high
        low, high = difference_interval(random.choice([1, 0, -1], 24, p=[0.3, 0.6, 0.1])[GROUPS], GROUPS)
        grouped += low <= 0.2 <= high
    assert min(single, grouped) / SEEDS >= 0.95 - SLACK


def test_sign_test_of_groups_equals_an_enumeration_of_all_signs() -> None:
    for totals in ([3, -1, 2, 2, 0, -4], [2, 2, 2], [1, -1, 0, 5], [0, 0]):
        sums = [
            abs(sum(s * t for s, t in zip(signs, totals, strict=True)))
            for signs in product((1, -1), repeat=len(totals))
        ]
        expected = np.mean(np.array(sums) >= abs(sum(totals)))
        assert mcnemar_of_groups(np.array(totals, float)) == pytest.approx(expected)


def test_sign_test_of_single_images_is_mcnemars() -> None:
    totals = np.repeat([1.0, -1.0, 0.0], [9, 3, 20])
    assert mcnemar_of_groups(totals) == mcnemar(3, 9)


def test_networks_of_equal_strength_differ_clearly_in_few_data_sets_of_variants() -> None:
    naive = grouped = 0
    for seed in range(SEEDS):
        a, b, judged = variants(2 * seed), variants(2 * seed + 1), np.ones(192, bool)
        alone, together = compare_errors(a, b, judged), compare_errors(a, b, judged, GROUPS)
        assert alone is not None
        assert together is not None
        naive, grouped = naive + alone.is_clear, grouped + together.is_clear
    assert naive / SEEDS > 0.25
    assert grouped / SEEDS <= 0.05 + SLACK


def test_planted_difference_is_clear_also_by_groups() -> None:
    change = compare_errors(variants(0, 0.3), variants(1, 0.95), np.ones(192, bool), GROUPS)
    assert change is not None
    assert change.is_clear
    assert change.difference < -0.4


# --------------------------------------------------------------------------------------------------- bootstrap


def test_bootstrap_draws_groups() -> None:
    values, groups = np.random.default_rng(5).random((7, 2)), np.array([0, 0, 0, 1, 2, 2, 1])
    drawn = np.random.default_rng(0).integers(0, 3, (1000, 3))
    means = np.array([values[np.concatenate([np.flatnonzero(groups == g) for g in row])].mean(0) for row in drawn])
    expected = [tuple(np.quantile(means[:, q], [0.025, 0.975])) for q in range(2)]
    np.testing.assert_allclose(intervals(values, groups), expected, rtol=1e-9)


def test_calibrated_network_raises_the_alarm_in_few_data_sets_of_variants() -> None:
    """Every photograph's variants are right or wrong together, with the probability that the network states."""
    naive = grouped = 0
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        confidence = random.uniform(0.3, 1, 24)[GROUPS]
        correct = random.random(24)[GROUPS] < confidence
        alone, together = calibrate(confidence, correct), calibrate(confidence, correct, groups=GROUPS)
        assert alone is not None
        assert together is not None
        naive, grouped = naive + alone.is_clear, grouped + together.is_clear
    assert naive / SEEDS > 0.5
    assert grouped / SEEDS <= 0.05 + SLACK
