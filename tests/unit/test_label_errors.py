"""Confident learning: each step against its definition; planted flips come first, and groups say nothing about each
other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from reportgen.data.groups import assign_folds
from reportgen.metrics.label_errors import (
    FOLD_SEED,
    FOLDS,
    MIN_CLASS_IMAGES,
    SHRINKAGE,
    SMOOTHING,
    SURE,
    discriminant,
    find_label_errors,
)
from tests.support.slow_neighbours import nearest

N, CLASSES, AXES = 120, 4, 6


def clusters(seed: int = 0, flips: int = 8, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of four clusters, their labels, of which some are wrong, and which are."""
    random = np.random.default_rng(seed)
    truth = np.arange(N) % CLASSES
    features = random.normal(size=(N, AXES)) * spread + 8 * np.eye(CLASSES, AXES)[truth]
    flipped = np.isin(np.arange(N), random.permutation(N)[:flips])
    return features, np.where(flipped, (truth + 1) % CLASSES, truth), flipped


def test_discriminant_is_the_posterior_of_normal_distributions_with_one_covariance() -> None:
    x, y, _ = clusters()
    means = [x[y == k].mean(0) for k in range(CLASSES)]
    scatter = sum(np.outer(row - means[k], row - means[k]) for row, k in zip(x, y, strict=True)) / (N - CLASSES)
    covariance = (1 - SHRINKAGE) * scatter + SHRINKAGE * np.trace(scatter) / AXES * np.eye(AXES)
    weight, bias = discriminant(x, y, CLASSES + 1)
    for row in x[:20]:
        density = [(y == k).mean() * multivariate_normal(means[k], covariance).pdf(row) for k in range(CLASSES)]
        found = np.exp(row @ weight + bias)
        assert found[-1] == 0  # no image has the last class
        assert found[:-1] / found.sum() == pytest.approx(np.array(density) / sum(density), rel=1e-9)


def test_every_step_matches_its_definition() -> None:
    """One image at a time, as the page states it."""
    x, labels, _ = clusters(3, flips=12, spread=2.5)
    labels[5] = -1
    groups = np.arange(N) // 2
    near = nearest(x, 10)
    found = find_label_errors(x, near, labels, groups)
    judged = [i for i in range(N) if labels[i] >= 0]
    fold = dict(
        zip(judged, assign_folds(labels[judged].tolist(), groups[judged].tolist(), FOLDS, FOLD_SEED), strict=True)
    )
    p = {}
    for i in judged:
        rest = [j for j in judged if fold[j] != fold[i]]
        weight, bias = discriminant(x[rest], labels[rest], CLASSES)
        linear = np.exp(x[i] @ weight + bias)
        votes = [labels[j] for j in near[i] if labels[j] >= 0 and groups[j] != groups[i]]
        shares = np.array([votes.count(k) / max(1, len(votes)) for k in range(CLASSES)])
        both = np.sqrt(linear / linear.sum() * (shares + SMOOTHING))
        p[i] = both / both.sum()
    usual = [np.mean([p[i][k] for i in judged if labels[i] == k]) for k in range(CLASSES)]
    for i in range(N):
        if i not in p:
            assert np.isnan(found.own[i])
            assert found.other[i] == -1
            continue
        assert found.own[i] == pytest.approx(p[i][labels[i]])
        sure = [k for k in range(CLASSES) if p[i][k] >= min(usual[k], SURE)]
        best = max(sure, key=lambda k: p[i][k], default=labels[i])
        assert found.other[i] == (best if best != labels[i] else -1)


def test_planted_flips_come_first_and_are_assigned_to_their_class() -> None:
    for seed in range(20):
        x, labels, flipped = clusters(seed)
        found = find_label_errors(x, nearest(x, 10), labels, np.arange(N))
        assert set(np.argsort(found.own)[: flipped.sum()]) == set(np.flatnonzero(flipped))
        assert np.flatnonzero(found.other >= 0).tolist() == np.flatnonzero(flipped).tolist()
        assert (found.other[flipped] == (labels[flipped] - 1) % CLASSES).all()


def test_clean_labels_of_separate_classes_are_not_suspect() -> None:
    for seed in range(20):
        x, labels, _ = clusters(seed, flips=0)
        assert (find_label_errors(x, nearest(x, 10), labels, np.arange(N)).other == -1).all()


def test_variants_with_one_wrong_label_do_not_confirm_each_other() -> None:
    """Each image four times: the nearest neighbours of a wrong label are its own variants, which have it too."""
    x, labels, flipped = clusters(1)
    x, labels, flipped, groups = (np.repeat(one, 4, 0) for one in (x, labels, flipped, np.arange(N)))
    near = nearest(x + np.random.default_rng(0).normal(size=x.shape) / 1000, 10)
    found = find_label_errors(x, near, labels, groups)
    assert np.flatnonzero(found.other >= 0).tolist() == np.flatnonzero(flipped).tolist()


def test_too_few_images_or_classes_are_not_judged() -> None:
    x, labels, _ = clusters()
    near = nearest(x, 10)
    one_class = find_label_errors(x, near, np.zeros(N, np.int64), np.arange(N))
    one_group = find_label_errors(x, near, labels, np.zeros(N, np.int64))
    assert np.isnan([one_class.own, one_group.own]).all()
    rare = np.where(np.arange(N) < MIN_CLASS_IMAGES - 1, 4, labels)
    found = find_label_errors(x, near, rare, np.arange(N))
    assert np.isnan(found.own).tolist() == (rare == 4).tolist()
    assert 4 not in found.other
