"""Statistics of filters, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.metrics.filters import KERNEL_GRID, frequency, strongest_kernels, summarize_filters


def test_filter_statistics_match_values_by_hand() -> None:
    flat, stripes = np.ones((3, 4, 4)), np.ones((3, 4, 4))
    stripes[:, :, 1::2] = -1  # changes at every pixel across: half a cycle a pixel
    red = np.zeros((3, 4, 4))
    red[0] = 2
    rows = summarize_filters(np.stack([flat, stripes, red, -3 * stripes, 1e-6 * flat]))
    assert [row.energy for row in rows] == pytest.approx([48**0.5, 48**0.5, 8, 3 * 48**0.5, 48**0.5 * 1e-6])
    assert [row.colour for row in rows] == pytest.approx([0, 0, 2 / 3, 0, 0])
    assert [row.frequency for row in rows] == pytest.approx([0, 0.5, 0, 0.5, 0])
    assert [row.is_dead for row in rows] == [False, False, False, False, True]
    assert [row.twin for row in rows] == [None, (3, pytest.approx(-1)), None, (1, pytest.approx(-1)), None]


def test_zero_filters_are_dead_and_have_no_frequency() -> None:
    rows = summarize_filters(np.zeros((2, 1, 3, 3)))
    assert all(row.is_dead and row.frequency == row.energy == 0 and row.twin is None for row in rows)
    assert frequency(np.zeros((1, 3, 3))) == 0


def test_strongest_kernels_match_values_by_hand() -> None:
    """Norms of outputs 0, 1, 2: √2, 3, 2; of their inputs 0 and 1 over all outputs: √2, √13."""
    weights = np.zeros((3, 2, 1, 2))
    weights[0, 0], weights[1, 1], weights[2, 1] = [1, -1], [3, 0], [0, 2]
    found = strongest_kernels("deep", weights)
    assert (found.outputs.tolist(), found.inputs.tolist()) == ([1, 2, 0], [1, 0])
    assert found.tiles.tolist() == [[[3, 0]], [[0, 0]], [[0, 2]], [[0, 0]], [[0, 0]], [[1, -1]]]


def test_strongest_kernels_of_a_depthwise_convolution_are_its_outputs() -> None:
    weights = np.arange(200 * 9).reshape(200, 1, 3, 3)
    found = strongest_kernels("depthwise", weights)
    assert found.tiles.shape == (KERNEL_GRID * KERNEL_GRID, 3, 3)
    assert found.outputs.tolist() == list(range(199, 199 - KERNEL_GRID * KERNEL_GRID, -1))
    assert (found.tiles[0] == weights[199, 0]).all()
