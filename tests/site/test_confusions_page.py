"""Confusion cards, the matrix as a table, and the confusions of a class, against planted predictions."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.class_confusions import class_confusions
from tests.site.reports import page_at
from tests.support.factories import SIDE, make_audit, make_logits, make_model_audit

LABELS = [0, 0, 0, 0, 1, 1, 1, 2]
PREDICTED = [1, 1, 3, 0, 1, 1, 0, 2]
SCORES = [0.6, 0.9, 0.7, 0.8, 0.9, 0.8, 0.7, 0.9]


def audit() -> Audit:
    """Two images of a are predicted as b, and one as d, which is no image's label. Image 5 is nearest to image 1."""
    features = np.zeros((8, 2), np.float32)
    features[4:7] = [[9, 9], [1, 1], [5, 5]]
    maps = np.random.default_rng(0).random((8, 5, 2, 2))
    boxes = [np.array([[0.0, 0, SIDE, SIDE]])] * 8
    model = make_model_audit(
        LABELS,
        logits=make_logits(PREDICTED, SCORES, 4),
        maps=maps,
        boxes=boxes,
        arrays={"features/gap": features},
        class_names=list("abcd"),
    )
    return make_audit(model)


def filters(url: str) -> dict[str, str]:
    return {key: value for key, (value,) in parse_qs(urlsplit(url).fragment).items()}


def test_pair_shows_the_surest_mistake_with_both_maps_and_the_nearest_image_of_the_predicted_class(
    tmp_path: Path,
) -> None:
    page = page_at("confusions/index.html", audit(), tmp_path)
    first = page.pairs[0]
    assert (first.row.label, first.row.predicted, first.row.count, first.row.of) == ("a", "b", 2, 4)
    assert filters(first.row.url) == {"label": "0", "predicted": "1"}
    assert [figure.alt for figure in first.maps] == [f"1.png with the activation map of {name}" for name in "ba"]
    assert [figure.value for figure in first.maps] == ["predicted, 0.90", "label, 0.03"]
    assert first.reference.alt == "5.png"
    assert [figure.alt for figure in first.more] == ["0.png"]


def test_pair_without_a_labelled_image_of_the_predicted_class_has_no_reference(tmp_path: Path) -> None:
    pairs = page_at("confusions/index.html", audit(), tmp_path).pairs
    (pair,) = [pair for pair in pairs if pair.row.predicted == "d"]
    assert pair.reference is None


def test_matrix_has_a_row_for_every_label_and_sets_right_predictions_apart(tmp_path: Path) -> None:
    table = page_at("confusions/index.html", audit(), tmp_path).table
    columns = [link.label for link in table.predicted]
    assert sorted(columns) == list("abcd")
    assert [row.label.label for row in table.rows] == [name for name in columns if name != "d"]
    for row in table.rows:
        k = "abcd".index(row.label.label)
        for name, cell in zip(columns, row.cells, strict=True):
            j = "abcd".index(name)
            pairs = [pair for pair in zip(LABELS, PREDICTED, strict=True) if pair == (k, j)]
            assert cell.count == len(pairs)
            assert cell.is_diagonal == (k == j)
            assert filters(cell.url) == {"label": str(k), "predicted": str(j)}
        assert (row.right, row.images) == (
            sum(p == y == k for y, p in zip(LABELS, PREDICTED, strict=True)),
            LABELS.count(k),
        )


def test_class_confusions_count_both_directions() -> None:
    found = class_confusions(audit(), 1)
    assert (found.labelled, [(c.name, c.count) for c in found.predicted]) == (3, [("a", 1)])
    assert (found.predictions, [(c.name, c.count) for c in found.labels]) == (4, [("a", 2)])
    assert filters(found.labels[0].url) == {"label": "0", "predicted": "1"}
    assert class_confusions(audit(), 2).predicted == class_confusions(audit(), 2).labels == []
    assert [(c.name, c.share) for c in class_confusions(audit(), 0).predicted] == [("b", 0.5), ("d", 0.25)]
