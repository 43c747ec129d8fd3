"""Figures of filters by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.analysis.filters import frequency, study_filters


def test_filters_by_hand() -> None:
    flat, stripes = np.ones((3, 4, 4)), np.ones((3, 4, 4))
    stripes[:, :, 1::2] = -1  # changes at every pixel across: half a cycle a pixel
    red = np.zeros((3, 4, 4))
    red[0] = 2
    rows = study_filters(np.stack([flat, stripes, red, -3 * stripes, 1e-6 * flat]))
    assert [row.energy for row in rows] == pytest.approx([48**0.5, 48**0.5, 8, 3 * 48**0.5, 48**0.5 * 1e-6])
    assert [row.colour for row in rows] == pytest.approx([0, 0, 2 / 3, 0, 0])
    assert [row.frequency for row in rows] == pytest.approx([0, 0.5, 0, 0.5, 0])
    assert [row.dead for row in rows] == [False, False, False, False, True]
    assert [row.twin for row in rows] == [None, (3, pytest.approx(-1)), None, (1, pytest.approx(-1)), None]


def test_filters_of_zeros_are_dead_and_have_no_frequency() -> None:
    rows = study_filters(np.zeros((2, 1, 3, 3)))
    assert all(row.dead and row.frequency == row.energy == 0 and row.twin is None for row in rows)
    assert frequency(np.zeros((1, 3, 3))) == 0
