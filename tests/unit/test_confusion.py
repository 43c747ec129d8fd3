"""Confusion matrices and calibration: cases worked by hand and slow versions of the definitions."""

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import confusion_matrix as sklearns

from reportgen.gallery.components.confusion_table import matrix_picture
from reportgen.metrics.confidence.calibration import assign_bins, calibrate
from reportgen.metrics.confusion import Confusion, cluster_order, confusion_matrix


def test_confusion_matrix_matches_values_by_hand() -> None:
    labels, predicted = np.array([7, 7, 2, 2, 2, -1]), np.array([7, 9, 9, 9, 7, 2])
    found = confusion_matrix(labels, predicted)
    assert found.classes.tolist() == [2, 7, 9]
    assert found.counts.tolist() == [[0, 1, 2], [0, 1, 1], [0, 0, 0]]
    assert found.largest(10) == [Confusion(2, 9, 2), Confusion(2, 7, 1), Confusion(7, 9, 1)]
    assert found.largest(1) == [Confusion(2, 9, 2)]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_confusion_matrix_equals_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    found = confusion_matrix(labels, predicted)
    np.testing.assert_array_equal(found.counts, sklearns(labels, predicted, labels=found.classes))
    assert found.counts.sum() == len(pairs)


def slow_clusters(distances: np.ndarray) -> list[set[int]]:
    """Every cluster of average linkage, by its definition: merge the two clusters with the least mean distance."""
    clusters = [{k} for k in range(len(distances))]
    merged = []
    while len(clusters) > 1:
        pairs = [(a, b) for a in range(len(clusters)) for b in range(a)]
        a, b = min(pairs, key=lambda p: np.mean([distances[i, j] for i in clusters[p[0]] for j in clusters[p[1]]]))
        clusters[b] |= clusters.pop(a)
        merged.append(set(clusters[b]))
    return merged


@pytest.mark.parametrize("seed", range(5))
def test_cluster_order_keeps_every_cluster_of_average_linkage_together(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 1000, (9, 9)) + 1
    shares = counts / counts.sum(1, keepdims=True)
    distances = np.array([[1 - (shares[i, j] + shares[j, i]) / 2 for j in range(9)] for i in range(9)])
    order = cluster_order(counts).tolist()
    assert sorted(order) == list(range(9))
    for cluster in slow_clusters(distances):
        places = sorted(order.index(k) for k in cluster)
        assert places == list(range(places[0], places[0] + len(places)))


def test_clustered_matrix_moves_confused_classes_together_with_their_counts() -> None:
    """Classes 10 and 30 are confused with each other, and 20 and 40."""
    labels = np.repeat([10, 20, 30, 40], 6)
    predicted = labels + np.tile([0, 0, 0, 0, 20, 20], 4) * np.repeat([1, 1, -1, -1], 6)
    matrix = confusion_matrix(labels, predicted)
    found = matrix.clustered()
    places = {int(k): place for place, k in enumerate(found.classes)}
    assert abs(places[10] - places[30]) == abs(places[20] - places[40]) == 1
    for i, label in enumerate(matrix.classes):
        for j, other in enumerate(matrix.classes):
            assert found.counts[places[int(label)], places[int(other)]] == matrix.counts[i, j]
    assert cluster_order(np.zeros((0, 0), int)).tolist() == []


def test_confusion_and_calibration_without_labels_are_empty() -> None:
    found = confusion_matrix(np.array([-1, -1]), np.array([0, 1]))
    assert found.counts.shape == (0, 0)
    assert found.largest(3) == []
    assert calibrate(np.zeros(0), np.zeros(0, bool)) is None


def slow_ece(confidence: list[float], right: list[bool], bins: int) -> float:
    """Guo et al. 2017, equation 3: Σ |B_m| / n · |acc(B_m) − conf(B_m)|; B_m: confidences in ((m − 1)/M, m/M]."""
    total = 0.0
    for m in range(1, bins + 1):
        low = -math.inf if m == 1 else (m - 1) / bins
        inside = [j for j, c in enumerate(confidence) if low < c <= m / bins]
        if inside:
            accuracy = sum(right[j] for j in inside) / len(inside)
            mean = sum(confidence[j] for j in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
@settings(max_examples=80, deadline=None)
def test_ece_equals_its_definition(pairs: list[tuple[float, bool]]) -> None:
    confidence, right = [c for c, _ in pairs], [r for _, r in pairs]
    if any(abs(c * 10 - round(c * 10)) < 1e-9 for c in confidence):
        return  # m / 10 itself is not a float; the edges have a test of their own
    found = calibrate(np.array(confidence), np.array(right), 10)
    assert found is not None
    assert found.ece == pytest.approx(slow_ece(confidence, right, 10), abs=1e-12)
    assert found.counts.sum() == len(pairs)
    assert found.correct.sum() == sum(right)


@pytest.mark.parametrize("n", [50, 100, 400])
def test_calibrated_network_is_rarely_called_miscalibrated(n: int) -> None:
    """200 data sets from networks whose confidence is right; by the ECE alone (≥ 0.1), 95 % of them with 50 images and
    two thirds with 100 were alarms."""
    alarms = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        confidence = random.beta(3, 2, n)
        found = calibrate(confidence, random.random(n) < confidence)
        alarms += found is not None and found.is_clear
    assert alarms / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_planted_overconfidence_is_clear_and_its_gap_has_the_sign() -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.7, 1, 100)
    found = calibrate(confidence, random.random(100) < confidence - 0.25)
    assert found is not None
    assert found.is_clear
    assert 0.1 < found.gap_interval[0] < found.mean_confidence - found.accuracy < found.gap_interval[1] < 0.45


def test_chance_ece_is_the_mean_of_its_definition() -> None:
    """Four images in one bin: |number correct − 4 · 0.5| ÷ 4 is 0 with 6/16, ¼ with 8/16, ½ with 2/16."""
    found = calibrate(np.full(4, 0.5), np.ones(4, bool))
    assert found is not None
    assert found.chance_ece == (0.25, 0.5)


def test_calibration_bins_are_closed_above() -> None:
    assert assign_bins(np.array([0, 0.25, 0.250001, 0.5, 0.75, 1]), 4).tolist() == [0, 0, 1, 1, 2, 3]


def test_calibration_matches_values_by_hand() -> None:
    found = calibrate(np.array([0.9, 0.9, 0.3, np.nan]), np.array([True, False, False, True]), 2)
    assert found is not None
    assert found.counts.tolist() == [1, 2]
    assert found.correct.tolist() == [0, 1]
    np.testing.assert_allclose(found.confidence, [0.3, 0.9])
    assert found.ece == pytest.approx((0.3 + 2 * 0.4) / 3)
    assert (found.accuracy, found.mean_confidence) == pytest.approx((1 / 3, 0.7))


def test_confusion_picture_has_a_square_for_each_cell() -> None:
    matrix = confusion_matrix(np.repeat(np.arange(40), 2), np.repeat(np.arange(40), 2))
    picture = np.asarray(Image.open(io.BytesIO(matrix_picture(matrix)))).astype(int)
    assert picture.shape == (1000, 1000, 3)
    centres = picture[12::25, 12::25]
    diagonal = centres.sum(2)
    assert (centres[np.eye(40, dtype=bool)].std(1) == 0).all()  # grey, unlike every confusion
    assert (diagonal[np.eye(40, dtype=bool)] > 600).all()
    assert (diagonal[~np.eye(40, dtype=bool)] < 20).all()
