"""Classes are ordered by the number of images with an error, and an image with two errors counts once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.pages.class_list import class_rows
from tests.site.reports import page_at
from tests.support.factories import SIDE, make_audit, make_logits, make_model_audit


def audit() -> Audit:
    """Class a: two images with a wrong class and a wrong box; class b: three with a wrong box; each has right ones."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    predicted = np.array([1, 1, 0, 0, 1, 1, 1, 1])
    maps = np.zeros((8, 3, SIDE, SIDE))
    wrong_box = np.isin(np.arange(8), [0, 1, 4, 5, 6])
    maps[wrong_box, :, 0, 0] = 1
    maps[~wrong_box, :, 2:6, 2:6] = 1
    boxes = [np.array([[2.0, 2, 6, 6]])] * 8
    return make_audit(
        make_model_audit(labels.tolist(), logits=make_logits(predicted.tolist(), 0.9, 2), maps=maps, boxes=boxes)
    )


def test_class_row_counts_an_image_with_two_errors_once() -> None:
    a, b = class_rows(audit())
    assert [(row.name, row.wrong.count, row.wrong.n) for row in (a, b) if row.wrong] == [("a", 2, 4), ("b", 3, 4)]
    assert [row.top1.count for row in (a, b) if row.top1] == [2, 0]
    assert [row.gt_known.count for row in (a, b) if row.gt_known] == [2, 3]


def test_overview_lists_the_class_with_most_wrong_images_first(tmp_path: Path) -> None:
    """Class a has four errors in two images, class b three in three."""
    assert [row.name for row in page_at("index.html", audit(), tmp_path).rows] == ["b", "a"]
