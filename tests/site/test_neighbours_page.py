"""kNN accuracy on the neighbours page: only for numbers of voters that a class can outvote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.gallery.pages.neighbours import images_of_largest_class
from tests.site.reports import page_at
from tests.support.factories import make_audit, make_model_audit, make_reference


def audit_of(labels: list[int], reference: list[int] | None = None) -> Audit:
    """Images with random features and thumbnails, and a reference data set with these labels."""
    if reference is None:
        return make_audit(make_model_audit(labels))
    random = np.random.default_rng(1)
    tiny = random.integers(0, 256, (len(reference), 32, 32, 3)).astype(np.uint8)
    features = random.normal(size=(len(reference), 4))
    return make_audit(make_model_audit(labels), reference=make_reference(reference, tiny=tiny, features=features))


@pytest.mark.parametrize(
    ("labels", "plotted"),
    [
        ([0] * 4 + [1] * 4, [1, 3]),
        ([0] * 6 + [1] * 2, [1, 3, 5]),
        ([0] * 11 + [1] * 11 + [-1] * 40, [1, 3, 5, 10]),
        ([0] * 10 + [1] * 10 + [-1] * 40, [1, 3, 5]),
        ([0, 1, 2, 3], []),
        ([-1] * 8, []),
    ],
)
def test_knn_accuracy_stops_below_the_size_of_the_largest_class(
    labels: list[int], plotted: list[int], tmp_path: Path
) -> None:
    page = page_at("neighbours/index.html", audit_of(labels), tmp_path)
    assert [row.k for row in page.accuracy] == plotted
    assert all(row.features and row.pixels for row in page.accuracy)
    charted = [list(series.x) for chart in page.charts for series in chart.series]
    assert charted == ([plotted] * 2 if plotted else [])


def test_knn_accuracy_by_the_reference_stops_at_the_size_of_its_largest_class(tmp_path: Path) -> None:
    """An image of the reference is no image of the data set: with five of a class, five can vote for it."""
    page = page_at("neighbours/index.html", audit_of([0] * 4 + [1] * 4, [0] * 5 + [1] * 3), tmp_path)
    assert [row.k for row in page.accuracy if row.features] == [1, 3]
    assert [row.k for row in page.accuracy if row.reference_features] == [1, 3, 5]
    assert [list(series.x) for chart in page.charts for series in chart.series] == [[1, 3]] * 2 + [[1, 3, 5]] * 2


def test_images_of_largest_class_leaves_out_images_without_label() -> None:
    assert images_of_largest_class(np.array([-1, -1, -1, 4, 4, 2])) == 2
    assert images_of_largest_class(np.array([-1, -1])) == 0
    assert images_of_largest_class(np.zeros(0, int)) == 0
