"""Separation of audited images from images of no class, against scikit-learn and planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from reportgen.audit.separation import separate
from reportgen.store.column import Column


def column(rows: np.ndarray) -> Column:
    return Column([rows], np.zeros(len(rows), int), np.arange(len(rows)))


def test_scores_separate_as_by_their_definitions() -> None:
    random = np.random.default_rng(0)
    own, other = random.normal(size=(80, 5)) + 2 * np.eye(5)[random.integers(0, 5, 80)], random.normal(size=(60, 5))
    own[0, 0] = other[0, 0] = np.nan
    rows = np.concatenate((own[1:], other[1:]))
    is_own = np.arange(len(rows)) < 79
    scores = {
        "highest probability": [max(np.exp(z) / np.exp(z).sum()) for z in rows],
        "highest logit": [max(z) for z in rows],
        "energy": [np.log(np.exp(z).sum()) for z in rows],
    }
    found = separate(column(own), column(other))
    assert [one.score for one in found] == list(scores)
    for one in found:
        assert (one.audited, one.other) == (79, 59)
        assert one.auroc == pytest.approx(roc_auc_score(is_own, scores[one.score]))
        assert one.interval[0] < one.auroc < one.interval[1]
        assert one.interval[0] > 0.5  # planted


def test_images_of_the_same_source_are_rarely_said_to_be_separated() -> None:
    """The interval excludes 0.5 in about 5 % of 60 draws."""
    random, alarms = np.random.default_rng(1), 0
    for _ in range(60):
        energy = separate(column(random.normal(size=(40, 3))), column(random.normal(size=(40, 3))))[2]
        alarms += not energy.interval[0] <= 0.5 <= energy.interval[1]
    assert alarms <= 8


def test_without_finite_logits_nothing_is_separated() -> None:
    assert separate(column(np.zeros((3, 2))), column(np.full((2, 2), np.nan))) == []
