"""Chance and ceiling of neighbour figures: against enumerations, simulated maps, and labels that no image shares."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from reportgen.embedding.chance import (
    agreement_range,
    alone_in_class,
    chance_preservation,
    chance_trustworthiness,
    knn_range,
    outliers_by_chance,
)
from reportgen.embedding.map_quality import trustworthiness
from reportgen.embedding.neighbours import nearest_neighbours
from reportgen.embedding.space import count_same_label, count_shared, knn_accuracy, majority_label

LABELS = np.array([0] * 4 + [1] * 2 + [2] * 10 + [3, 4, 5, 6] + [-1] * 5)
N = len(LABELS)


def neighbours(seed: int = 0, k: int = 10) -> np.ndarray:
    return nearest_neighbours(np.random.default_rng(seed).random((N, 3)), k).index


@pytest.mark.parametrize("k", [1, 5])
def test_chance_of_knn_accuracy_is_that_of_random_features(k: int) -> None:
    """Labels that have nothing to do with the features: on average the accuracy is the chance level."""
    rates = [
        knn_accuracy(nearest_neighbours(np.random.default_rng(s).random((N, 3)), k), LABELS, k) for s in range(200)
    ]
    found = knn_range(neighbours(), LABELS, k)
    assert found.chance == pytest.approx(np.mean([rate.value for rate in rates if rate]), abs=0.03)
    assert found.ceiling == 16 / 20  # four images are alone in their class


def test_chance_of_knn_accuracy_equals_an_enumeration_of_all_permutations() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    index = nearest_neighbours(np.random.default_rng(1).random((6, 2)), 3).index
    exact = np.mean([(majority_label(index, np.array(each)) == np.array(each)).mean() for each in permutations(labels)])
    assert knn_range(index, labels, 3).chance == pytest.approx(exact, abs=0.03)
    assert knn_range(index, labels, 1).ceiling == 5 / 6


def test_perfect_features_reach_the_ceiling_and_no_more() -> None:
    """Images of a class are in one place: every image that is not alone has a neighbour of its class."""
    features = np.where(LABELS >= 0, LABELS, 100 + np.arange(N))[:, None] * 10.0 + np.random.default_rng(0).random(
        (N, 1)
    )
    near = nearest_neighbours(features, 10)
    rate = knn_accuracy(near, LABELS, 1)
    assert rate is not None
    assert rate.value == knn_range(near.index, LABELS, 1).ceiling
    same = count_same_label(near.index, LABELS)
    assert same[same >= 0].mean() / 10 == pytest.approx(agreement_range(LABELS, 10).ceiling)


def test_reference_without_a_class_lowers_the_ceiling() -> None:
    labels, reference = np.array([0, 1, 2, -1]), np.array([0, 0, 1, 1, -1])
    index = np.random.default_rng(0).permuted(np.tile(np.arange(5), (4, 1)), axis=1)[:, :3]
    found = knn_range(index, labels, 3, reference)
    assert found.ceiling == 2 / 3
    assert 0 < found.chance < 2 / 3


def test_chance_of_label_agreement_is_that_of_random_features() -> None:
    shares = []
    for seed in range(100):
        same = count_same_label(neighbours(seed), LABELS)
        shares.append(same[same >= 0].mean() / 10)
    assert agreement_range(LABELS, 10).chance == pytest.approx(np.mean(shares), abs=0.01)


def test_labels_without_sense_disagree_with_neighbours_as_often_as_permuted_ones() -> None:
    labels = np.random.default_rng(0).integers(0, 8, 60)
    index = nearest_neighbours(np.random.default_rng(1).random((60, 3)), 5).index
    expected = sum((1 - (np.bincount(labels)[label] - 1) / 59) ** 5 for label in labels)  # nearly independent
    assert outliers_by_chance(index, labels) == pytest.approx(expected, rel=0.15)


def test_images_alone_in_their_class_are_found() -> None:
    assert np.flatnonzero(alone_in_class(LABELS)).tolist() == [16, 17, 18, 19]


@pytest.mark.parametrize(("n", "k"), [(40, 5), (300, 15)])
def test_chance_of_map_quality_is_that_of_random_positions(n: int, k: int) -> None:
    trust, kept = [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        rows = random.normal(size=(n, 6))
        near = nearest_neighbours(random.random((n, 2)), k).index
        trust += trustworthiness(rows, [near], np.arange(n))
        kept.append(count_shared(nearest_neighbours(rows, k).index, near).mean() / k)
    assert chance_trustworthiness(n, k) == pytest.approx(np.mean(trust), abs=0.01)
    assert chance_preservation(n, k) == pytest.approx(np.mean(kept), abs=0.02)
