"""Labels of neighbours in a multi-label data set against their definitions, written as loops over sets."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from reportgen.embedding import label_sets
from reportgen.embedding.label_sets import (
    LabelSets,
    count_with_common_label,
    label_overlaps,
    neighbours_with_label,
    random_overlap,
    without_common_label,
)
from reportgen.embedding.map_quality import measure_qualities
from reportgen.embedding.space import Space

N, K, LABELS = 60, 3, 5


@pytest.fixture(params=[0, 1, 2])
def data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbours, some missing; labels, also none; images that are not annotated."""
    monkeypatch.setattr(label_sets, "BLOCK", 7)
    random = np.random.default_rng(request.param)
    index = np.stack([random.choice(np.delete(np.arange(N), i), K, replace=False) for i in range(N)])
    index[5] = -1
    index[6, 2:] = -1
    annotated = random.random(N) < 0.9
    table = (random.random((N, LABELS)) < 0.2) & annotated[:, None]
    return index, table, annotated


def sets(table: np.ndarray) -> list[set[int]]:
    return [set(np.flatnonzero(row).tolist()) for row in table]


def jaccard(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0


def test_overlap_is_the_mean_jaccard_index_over_annotated_neighbours(data: tuple[np.ndarray, ...]) -> None:
    index, table, annotated = data
    found, own = label_overlaps(index, table, annotated), sets(table)
    for i in range(N):
        near = [j for j in index[i].tolist() if j >= 0 and annotated[j]]
        if annotated[i] and near:
            assert found[i] == pytest.approx(sum(jaccard(own[i], own[j]) for j in near) / len(near))
        else:
            assert math.isnan(found[i])


def test_neighbours_with_a_common_label_are_counted_for_images_with_labels(data: tuple[np.ndarray, ...]) -> None:
    index, table, annotated = data
    found, own = count_with_common_label(index, table, annotated), sets(table)
    assert {-1, 0, 1, 2} <= set(found.tolist())
    for i in range(N):
        near = [j for j in index[i].tolist() if j >= 0 and annotated[j]]
        expected = sum(bool(own[i] & own[j]) for j in near) if annotated[i] and own[i] else -1
        assert found[i] == expected


def test_labels_in_common_on_a_map_are_those_of_the_ten_nearest_positions(data: tuple[np.ndarray, ...]) -> None:
    """By sorting all distances on the map; one image has no position."""
    _, table, annotated = data
    random = np.random.default_rng(0)
    rows, positions = random.normal(size=(N, 4)), random.normal(size=(N, 2))
    rows[3] = positions[3] = np.nan
    labels, own = np.full(N, -1), sets(table)
    (found,) = measure_qualities(Space.of(rows), [positions], labels, sets=LabelSets(table, annotated))
    means = []
    for i in set(range(N)) - {3}:
        others = sorted(set(range(N)) - {3, i}, key=lambda j: math.dist(positions[i], positions[j]))
        near = [j for j in others[:10] if annotated[j]]
        if annotated[i] and near:
            means.append(sum(jaccard(own[i], own[j]) for j in near) / len(near))
    assert found.overlap == pytest.approx(sum(means) / len(means))
    assert found.accuracy is None
    (none,) = measure_qualities(Space.of(rows), [positions], labels, sets=LabelSets(table, np.zeros(N, bool)))
    assert none.overlap is None


def test_random_overlap_is_the_mean_over_all_pairs_of_annotated_images(data: tuple[np.ndarray, ...]) -> None:
    _, table, annotated = data
    own = sets(table[annotated])
    pairs = [jaccard(a, b) for a, b in combinations(own, 2)]
    assert random_overlap(table, annotated) == pytest.approx(sum(pairs) / len(pairs))
    assert math.isnan(random_overlap(table[:1], np.ones(1, bool)))


def test_share_of_neighbours_with_a_label_counts_pairs(data: tuple[np.ndarray, ...]) -> None:
    index, table, annotated = data
    found = neighbours_with_label(index, table, annotated)
    for k in range(LABELS):
        votes = [table[j, k] for i in range(N) if table[i, k] for j in index[i].tolist() if j >= 0 and annotated[j]]
        assert found[k] == pytest.approx(sum(votes) / len(votes))
    assert np.isnan(neighbours_with_label(index, np.zeros_like(table), annotated)).all()


def test_images_without_a_common_label_are_listed_by_the_agreement_of_their_neighbours(
    data: tuple[np.ndarray, ...],
) -> None:
    index, table, annotated = data
    found, own, agreement = without_common_label(index, table, annotated).tolist(), sets(table), {}
    for i in range(N):
        near = index[i].tolist()
        if annotated[i] and own[i] and all(j >= 0 and annotated[j] and not own[i] & own[j] for j in near):
            agreement[i] = max(sum(k in own[j] for j in near) for k in range(LABELS))
    assert agreement
    assert found == sorted(agreement, key=lambda i: (-agreement[i], i))


def test_nothing_is_found_without_neighbours() -> None:
    index, table = np.zeros((3, 0), np.int64), np.ones((3, 2), bool)
    assert np.isnan(label_overlaps(index, table, np.ones(3, bool))).all()
    assert without_common_label(index, table, np.ones(3, bool)).tolist() == []
    assert count_with_common_label(index, table, np.ones(3, bool)).tolist() == [0, 0, 0]
