"""Difference of two activation maps and drop by occlusion, compared with their definitions."""

import numpy as np
import pytest

from reportgen.metrics.class_evidence import evidence_difference, occlusion_drop


def test_difference_of_maps_is_taken_cell_by_cell() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 3, 4)).astype(np.float32)
    found = evidence_difference(a, b, 2.0, 3.5)
    cells = [[float(a[y, x]) - float(b[y, x]) for x in range(4)] for y in range(3)]
    assert found.map.tolist() == cells
    assert found.limit == max(abs(value) for row in cells for value in row)
    assert found.from_map == pytest.approx(sum(map(sum, cells)) / 12)
    assert found.lead == -1.5


def test_lead_is_that_of_the_maps_and_of_the_biases() -> None:
    """A head of average pooling and one linear layer, written out: the rest of the lead is the difference of biases."""
    random = np.random.default_rng(1)
    features, weights, bias = random.normal(size=(5, 7, 7)), random.normal(size=(2, 5)), random.normal(size=2)
    maps = [sum(weights[k, c] * features[c] for c in range(5)) for k in (0, 1)]
    logits = [sum(weights[k, c] * features[c].mean() for c in range(5)) + bias[k] for k in (0, 1)]
    found = evidence_difference(*maps, *logits)
    assert found.from_bias == pytest.approx(bias[0] - bias[1])
    assert found.from_map + found.from_bias == pytest.approx(logits[0] - logits[1])


def test_drop_is_the_value_of_the_whole_image_less_that_with_the_square() -> None:
    occluded = np.array([[0.9, 0.2], [0.95, 0.7]], np.float32)
    expected = [[0.9 - float(value) for value in row] for row in occluded]
    found = occlusion_drop(0.9, occluded)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[1, 0] < 0 < found[0, 1]
