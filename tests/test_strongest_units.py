"""Which units stand out, by hand."""

from __future__ import annotations

import numpy as np

from reportgen.views.strongest_units import strongest

MAXIMA = np.array([[0, 5, 1, 9], [0, 5, 2, 1], [0, 5, 3, 1], [4, 5, 4, 1]], np.float32)
"""Unit 1 never changes; unit 0 fires for image 3 alone; unit 3 for image 0."""


def test_units_of_one_image() -> None:
    """Scores of image 3: (4 − 1) / √3 = 1.73, none, (4 − 2.5) / √1.25 = 1.34, (1 − 3) / √12 = −0.58."""
    assert strongest(MAXIMA, [3]) == [0, 2]
    assert strongest(MAXIMA, [0])[0] == 3


def test_units_of_a_class() -> None:
    """Scores of images 2 and 3: (2 − 1) / √3 = 0.58, none, (3.5 − 2.5) / √1.25 = 0.89, −0.58."""
    assert strongest(MAXIMA, np.array([2, 3])) == [2, 0]


def test_units_that_are_not_finite_or_never_change_do_not_stand_out() -> None:
    broken = MAXIMA.copy()
    broken[1, 0] = np.nan
    assert 0 not in strongest(broken, [3])
    assert strongest(MAXIMA[:, 1:2], [0]) == []
