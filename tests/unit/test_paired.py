"""Comparison of two classifiers on the same images: cases worked by hand and slow versions of the definitions."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.metrics.intervals import Rate
from reportgen.metrics.paired import compare_errors, match_images, match_units, mcnemar


def test_mcnemar_matches_values_by_hand() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(3, 3) == 1
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(5, 1) == mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 64)


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=80, deadline=None)
def test_mcnemar_equals_the_doubled_binomial_tail(fixed: int, broken: int) -> None:
    n, least = fixed + broken, min(fixed, broken)
    tail = sum(comb(n, k) for k in range(least + 1)) / 2**n
    assert mcnemar(fixed, broken) == pytest.approx(min(1.0, 2 * tail))


def test_paired_change_matches_values_by_hand() -> None:
    """Eight images, the last not judged: one is fixed, three are broken, errors 2/7 and 4/7."""
    a = np.array([1, 1, 1, 1, 1, 0, 0, 0], bool)
    b = np.array([1, 1, 0, 0, 0, 1, 0, 1], bool)
    judged = np.array([1] * 7 + [0], bool)
    found = compare_errors(a, b, judged)
    assert found is not None
    assert (found.a, found.b) == (Rate(2, 7), Rate(4, 7))
    assert found.fixed.tolist() == [5]
    assert found.broken.tolist() == [2, 3, 4]
    assert found.difference == pytest.approx(2 / 7)
    assert found.p == mcnemar(1, 3) == pytest.approx(2 * (1 + 4) / 16)
    assert compare_errors(a, b, np.zeros(8, bool)) is None


def test_interval_of_a_change_is_paired_by_image() -> None:
    """Two classifiers that err on the same images differ surely, however large both errors are; the oracle draws
    images one by one."""
    random = np.random.default_rng(3)
    a = random.random(300) < 0.5
    b = a.copy()
    b[np.flatnonzero(~a)[:15]] = True
    found = compare_errors(a, b, np.ones(300, bool))
    assert found is not None
    means = []
    for _ in range(2000):
        drawn = random.integers(0, 300, 300)
        means.append(float(np.mean([int(a[i]) - int(b[i]) for i in drawn])))
    assert found.ci95 == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.008)
    assert found.ci95[1] < 0


def test_images_are_matched_by_digest_and_copies_in_order() -> None:
    a, b = match_images(["x", "y", "x", "z", "x"], ["x", "w", "z", "x"])
    assert a.tolist() == [0, 2, 3]
    assert b.tolist() == [0, 3, 2]
    assert [len(rows) for rows in match_images(["x"], ["y"])] == [0, 0]


def test_units_are_matched_by_correlation() -> None:
    random = np.random.default_rng(0)
    a = random.normal(size=(40, 5)).astype(np.float32)
    b = np.stack([a[:, 1], -a[:, 0], a[:, 2] + 0.5 * random.normal(size=40), np.full(40, 2.0), a[:, 4]], 1)
    b = b.astype(np.float32)
    a[7, 2] = np.nan  # an image that is left out
    kept = np.delete(np.arange(40), 7)
    found = match_units(a, b)
    for u in (0, 1, 2, 4):
        each = [np.corrcoef(a[kept, u], b[kept, v])[0, 1] if v != 3 else -np.inf for v in range(5)]
        assert found.same_index[u] == pytest.approx(each[u], abs=1e-6)
        assert found.best_match[u] == int(np.argmax(each))
        assert found.best_correlation[u] == pytest.approx(max(each), abs=1e-6)
    assert np.isnan(found.same_index[3])
    assert found.dead_b.tolist() == [False, False, False, True, False]
    assert not found.dead_a.any()
    assert not match_units(a, np.roll(a, 1, 1)).have_same_order
    assert match_units(b, b).have_same_order
    assert match_units(b, b).best_match[3] == -1


def test_units_of_one_image_have_no_correlation() -> None:
    found = match_units(np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32))
    assert found.dead_a.all()
    assert np.isnan(found.same_index).all()
    assert not found.have_same_order
