"""The strongest units of an image or a class, worked by hand."""

from __future__ import annotations

import numpy as np

from reportgen.gallery.components.unit_figures import strongest_units
from reportgen.metrics.top_patches import baseline_rows

MAXIMA = np.array([[0, 5, 1, 9], [0, 5, 2, 1], [0, 5, 3, 1], [4, 5, 4, 1]], np.float32)
"""Unit 1 never changes; unit 0 is active for image 3 alone, unit 3 most for image 0."""
MEAN, DEVIATION = MAXIMA.mean(0), MAXIMA.std(0)


def test_strongest_units_of_one_image_rank_by_deviation() -> None:
    """Scores of image 3: (4 − 1) / √3 = 1.73, none, (4 − 2.5) / √1.25 = 1.34, (1 − 3) / √12 = −0.58."""
    assert strongest_units(MAXIMA[3], MEAN, DEVIATION) == [0, 2]
    assert strongest_units(MAXIMA[0], MEAN, DEVIATION)[0] == 3


def test_strongest_units_of_a_class_rank_by_mean_deviation() -> None:
    """Scores of images 2 and 3: (2 − 1) / √3 = 0.58, none, (3.5 − 2.5) / √1.25 = 0.89, −0.58."""
    assert strongest_units(MAXIMA[2:].mean(0), MEAN, DEVIATION) == [2, 0]


def test_non_finite_and_constant_units_are_never_strongest() -> None:
    broken = MAXIMA.copy()
    broken[1, 0] = np.nan
    assert 0 not in strongest_units(broken[3], broken.mean(0), broken.std(0))
    assert strongest_units(MAXIMA[0, 1:2], MEAN[1:2], DEVIATION[1:2]) == []


def test_unit_that_varies_by_rounding_alone_is_never_strongest() -> None:
    """A dead filter after batch normalization: the sum of the same numbers in another order."""
    nearly = np.full(4, 7, np.float32)
    nearly[2] = np.nextafter(np.float32(7), np.float32(8))
    maxima = np.column_stack([nearly, MAXIMA[:, 0]]).astype(np.float64)
    for image in range(4):
        assert 0 not in strongest_units(maxima[image], maxima.mean(0), maxima.std(0))


def test_rarely_active_unit_is_strongest_where_it_is_active() -> None:
    """Of two such units the more active one comes first."""
    found = np.array([0.1, 7.0, 0.2, 0.0])
    assert strongest_units(found, np.array([0, 1, 0, 0]), np.array([0, 1, 0, 0])) == [2, 0]


def test_baseline_sample_ignores_images_outside_of_it() -> None:
    random = np.random.default_rng(0)
    digests = np.array([random.bytes(32).hex().encode() for _ in range(300)], "S64")
    first = baseline_rows(digests, 20)
    assert len(first) == 20
    assert digests[first].tolist() == [digest for digest in digests.tolist() if digest in sorted(digests.tolist())[:20]]
    others = np.setdiff1d(np.arange(300), first)
    fewer = np.delete(digests, others[::3])
    assert fewer[baseline_rows(fewer, 20)].tolist() == digests[first].tolist()
    assert baseline_rows(digests[:5], 20).tolist() == [0, 1, 2, 3, 4]
