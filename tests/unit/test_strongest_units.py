"""Which units stand out, by hand."""

from __future__ import annotations

import numpy as np

from reportgen.gallery.sections.strongest_units import strongest
from reportgen.metrics.top_patches import steady

MAXIMA = np.array([[0, 5, 1, 9], [0, 5, 2, 1], [0, 5, 3, 1], [4, 5, 4, 1]], np.float32)
"""Unit 1 never changes; unit 0 fires for image 3 alone; unit 3 for image 0."""
MEAN, DEVIATION = MAXIMA.mean(0), MAXIMA.std(0)


def test_units_of_one_image() -> None:
    """Scores of image 3: (4 − 1) / √3 = 1.73, none, (4 − 2.5) / √1.25 = 1.34, (1 − 3) / √12 = −0.58."""
    assert strongest(MAXIMA[3], MEAN, DEVIATION) == [0, 2]
    assert strongest(MAXIMA[0], MEAN, DEVIATION)[0] == 3


def test_units_of_a_class() -> None:
    """Scores of images 2 and 3: (2 − 1) / √3 = 0.58, none, (3.5 − 2.5) / √1.25 = 0.89, −0.58."""
    assert strongest(MAXIMA[2:].mean(0), MEAN, DEVIATION) == [2, 0]


def test_units_that_are_not_finite_or_never_change_do_not_stand_out() -> None:
    broken = MAXIMA.copy()
    broken[1, 0] = np.nan
    assert 0 not in strongest(broken[3], broken.mean(0), broken.std(0))
    assert strongest(MAXIMA[0, 1:2], MEAN[1:2], DEVIATION[1:2]) == []


def test_a_unit_that_usually_does_not_fire_stands_out_where_it_does() -> None:
    """Of two such units the one that fires more."""
    found = np.array([0.1, 7.0, 0.2, 0.0])
    assert strongest(found, np.array([0, 1, 0, 0]), np.array([0, 1, 0, 0])) == [2, 0]


def test_the_sample_stays_when_images_that_are_not_in_it_come_and_go() -> None:
    random = np.random.default_rng(0)
    digests = np.array([random.bytes(32).hex().encode() for _ in range(300)], "S64")
    first = steady(digests, 20)
    assert len(first) == 20
    assert digests[first].tolist() == [digest for digest in digests.tolist() if digest in sorted(digests.tolist())[:20]]
    others = np.setdiff1d(np.arange(300), first)
    fewer = np.delete(digests, others[::3])
    assert fewer[steady(fewer, 20)].tolist() == digests[first].tolist()
    assert steady(digests[:5], 20).tolist() == [0, 1, 2, 3, 4]
