"""Drift: distances against their definitions, planted drift is found, and none is seldom found without it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.audit.findings.drift import drift
from reportgen.data.image_properties import PROPERTIES
from reportgen.metrics.drift import (
    MIN_EXPECTED,
    MIN_IMAGES,
    N_PERMUTATIONS,
    compare_categories,
    compare_numbers,
    two_sample_test,
)
from tests.support.factories import make_audit, make_model_audit, make_reference

N = 120


def test_distance_of_numbers_is_the_largest_difference_of_the_distribution_functions() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=40).round(1), random.normal(0.5, 1, 60).round(1)
    found = compare_numbers(np.append(a, np.nan), b)
    assert found is not None
    expected = max(abs((a <= v).mean() - (b <= v).mean()) for v in (*a, *b))
    assert found.distance == pytest.approx(expected)
    assert compare_numbers(a[: MIN_IMAGES - 1], b) is None


def test_distance_of_categories_is_half_the_sum_of_the_differences_of_shares() -> None:
    a, b = np.repeat([0, 1, 2, -1], [30, 15, 5, 9]), np.repeat([0, 1, 3], [20, 25, 5])
    found = compare_categories(a, b)
    assert found is not None
    assert found.distance == pytest.approx((abs(0.6 - 0.4) + abs(0.3 - 0.5) + 0.1 + 0.1) / 2)
    # values 2 and 3 have an expected number of 2.5 in each set and are put together: 30, 15, 5 against 20, 25, 5
    assert MIN_EXPECTED > 2.5
    statistic = 2 * 25 / 25 + 2 * 25 / 20
    assert found.p == pytest.approx(math.exp(-statistic / 2), rel=1e-9)  # chi-squared of two degrees of freedom
    same = compare_categories(np.zeros(30, int), np.zeros(30, int))
    assert same is not None
    assert (same.distance, same.p) == (0.0, 1.0)


def test_planted_shift_of_the_features_is_told_apart() -> None:
    random = np.random.default_rng(0)
    is_first = np.arange(2 * N) < N
    found = two_sample_test(random.normal(size=(2 * N, 5)) + 1.5 * is_first[:, None], is_first)
    assert found is not None
    assert found.auc > 0.95
    assert found.p == 1 / (1 + N_PERMUTATIONS)
    assert (found.first < N).all()
    assert (found.second >= N).all()
    assert len(found.first) == len(found.second) == N // 2


def test_sets_of_one_distribution_are_seldom_told_apart() -> None:
    is_first, false = np.arange(2 * N) < N, 0
    for seed in range(100):
        found = two_sample_test(np.random.default_rng(seed).normal(size=(2 * N, 5)), is_first, seed)
        assert found is not None
        false += found.p <= 0.05
    assert false / 100 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 100)


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    random = np.random.default_rng(1)
    is_first = np.arange(80) < 40
    x = random.normal(size=(80, 1)) + 0.8 * is_first[:, None]
    found = two_sample_test(x, is_first)
    assert found is not None
    pairs = [x[i, 0] > x[j, 0] for i in found.first for j in found.second]
    assert found.auc == pytest.approx(np.mean(pairs))


def with_reference(shift: float = 0.0, dark: float = 1.0, **changes: Any) -> Audit:
    """An audited set and a reference of the same kind; shift: of the audited features; dark: factor of brightness."""
    random = np.random.default_rng(3)
    features = random.normal(size=(2 * N, 6)).astype(np.float32)
    properties = random.uniform(0.2, 1, (2 * N, len(PROPERTIES))).astype(np.float32)
    properties[:N, 0] *= dark
    labels = [0, 1] * (N // 2)
    model = make_model_audit(
        labels, arrays={"features/gap": features[:N] + shift, "image/properties": properties[:N]}, **changes
    )
    tiny = random.integers(0, 256, (N, 32, 32, 3)).astype(np.uint8)
    arrays = {"image/properties": properties[N:]}
    return make_audit(
        model, reference=make_reference(labels, tiny=tiny, features=features[N:], arrays=arrays, first_id=N)
    )


def test_planted_drift_is_a_finding_with_its_pictures() -> None:
    (finding,) = drift(with_reference(shift=1.0, dark=0.4))
    assert (
        finding.headline
        == "The images differ from those of training photographs by features and by 1 attribute (brightness)"
    )
    assert dict(finding.figures)["AUC by features"] > 0.9
    assert finding.at_least == 0


def test_equal_sets_and_audits_without_a_reference_have_no_finding() -> None:
    assert list(drift(with_reference())) == []
    assert list(drift(make_audit())) == []


def test_images_of_a_group_count_once() -> None:
    audit = with_reference(dark=0.4, groups=[str(i // 12) for i in range(N)])
    found = audit.drift
    assert found is not None
    assert found.images == N // 12
    assert found.features is None
    assert all(one.difference is None for one in found.attributes)
