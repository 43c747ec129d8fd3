"""kNN accuracy on the neighbours page: only for numbers of voters that a class can outvote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.gallery.components.knn_accuracy import images_of_largest_class
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
    assert charted == ([plotted] * 3 if plotted else [])  # by features, by pixels, and chance


def test_knn_accuracy_by_the_reference_stops_at_the_size_of_its_largest_class(tmp_path: Path) -> None:
    """An image of the reference is no image of the data set: with five of a class, five can vote for it."""
    page = page_at("neighbours/index.html", audit_of([0] * 4 + [1] * 4, [0] * 5 + [1] * 3), tmp_path)
    assert [row.k for row in page.accuracy if row.features] == [1, 3]
    assert [row.k for row in page.accuracy if row.reference_features] == [1, 3, 5]
    assert [list(series.x) for chart in page.charts for series in chart.series] == [[1, 3]] * 3 + [[1, 3, 5]] * 3


def test_figures_have_chance_and_ceiling(tmp_path: Path) -> None:
    """Four images of one class and six that are alone in theirs: no more than four can be right."""
    page = page_at("neighbours/index.html", audit_of([0] * 4 + [1, 2, 3, 4, 5, 6]), tmp_path)
    (chart,) = page.charts
    assert [reference.label for reference in chart.references] == ["ceiling, 40.0 %"]
    assert chart.series[-1].name == "chance: permuted labels"
    assert all(0 < value < 0.4 for value in chart.series[-1].y)
    assert "Random neighbours would give 13 %, and at most 13 % are possible" in page.lead  # all are neighbours
    assert "6 of the" in page.disagreeing_note


def test_map_table_ends_with_chance_and_ceiling(tmp_path: Path) -> None:
    chance = page_at("embedding/index.html", audit_of([0] * 8 + [1, 2]), tmp_path).chance
    assert chance.accuracy.ceiling == 0.8
    assert 0.4 < chance.trustworthiness < 0.6
    assert chance.preservation == pytest.approx(4 / 9)


def test_images_of_largest_class_leaves_out_images_without_label() -> None:
    assert images_of_largest_class(np.array([-1, -1, -1, 4, 4, 2])) == 2
    assert images_of_largest_class(np.array([-1, -1])) == 0
    assert images_of_largest_class(np.zeros(0, int)) == 0
