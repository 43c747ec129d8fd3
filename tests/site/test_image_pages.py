"""Image pages: the method of their maps, and the comparison of predicted class and label."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.gallery.components.class_comparison import class_comparison
from reportgen.gallery.components.class_rows import class_rows
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.urls import image_page
from tests.site.reports import write_report
from tests.support.factories import make_audit, make_logits, make_model_audit, make_model_info

NAMES = {"cam": "Class activation map", "grad-cam": "Grad-CAM", "layer_cam": "layer_cam"}


@pytest.mark.parametrize("method", NAMES)
def test_image_page_names_the_method_of_its_maps(method: str, tmp_path: Path) -> None:
    """The third is the name of a function of the user (`map_function`)."""
    audit = make_audit(make_model_audit(info=make_model_info(method=method)))
    site = write_report(audit, tmp_path / "report")
    html = (site / image_page(audit, 0)).read_text("utf-8")
    assert NAMES[method] in html
    for other in NAMES.keys() - {method}:
        assert NAMES[other] not in html
    assert ("logit units" in html) == (method != "layer_cam")  # the unit of other maps is unknown


MAPS = np.random.default_rng(7).random((5, 3, 2, 2))
"""Of the two most probable classes and of the label."""


def wrong_audit(**changes: Any) -> Audit:
    """Five images of three classes; image 0 has label a, but is predicted as b. There is no other image of class a."""
    logits = make_logits([1, 1, 1, 2, 2], 0.8, 3)
    model = make_model_audit([0, 1, 1, 2, 2], logits=logits, maps=MAPS, class_names=["a", "b", "c"], **changes)
    return make_audit(model)


def test_page_of_a_wrong_prediction_compares_both_classes(tmp_path: Path) -> None:
    audit = wrong_audit()
    comparison = class_comparison(audit, Media(tmp_path), 0)
    assert comparison is not None
    logits = np.asarray(audit.main.table["logits"][0], np.float64)
    odds = [math.exp(value) for value in logits]
    expected = [odds[1] / sum(odds), odds[0] / sum(odds), odds[2] / sum(odds)]
    assert [row.name for row in comparison.bars] == ["b", "a", "the other class"]
    assert [row.score for row in comparison.bars] == pytest.approx(expected)
    assert [figure.title for figure in comparison.maps.figures] == ["b", "a"]
    assert len({figure.overlay.url for figure in comparison.maps.figures if figure.overlay}) in (1, 2)

    features = np.asarray(audit.main.table["features/gap"], np.float64)
    distances = {j: math.dist(features[0], features[j]) for j in (1, 2)}
    nearest = min(distances, key=distances.__getitem__)
    assert [card.href for card in comparison.nearest] == [image_page(audit, nearest)]
    assert comparison.nearest[0].value == f"distance {distances[nearest]:.3g}"
    assert comparison.missing == ["No other image has the label a."]

    predicted, label = MAPS[0, 0], MAPS[0, 2 if 0 not in audit.main.cam_classes[0, :-1] else 1]
    limit = np.abs(predicted.astype(np.float32) - label.astype(np.float32)).max()
    assert comparison.difference.scale == (f"−{limit:.1f}", f"{limit:.1f} logit")
    lead = logits[1] - logits[0]
    assert f"The logit of b is {lead:.2f} higher" in comparison.lead


def test_both_maps_of_a_comparison_have_the_scale_of_the_viewer(tmp_path: Path) -> None:
    """Also where the label is none of the top classes: its map is then the last one."""
    audit, media = wrong_audit(), Media(tmp_path)
    comparison, rows = class_comparison(audit, media, 0), class_rows(audit.main, media, 0)
    assert comparison is not None
    assert comparison.maps.scale == ("0", f"{MAPS[0].max():.1f} logit")
    drawn = {row.name: (row.figure.overlay, row.figure.part) for row in rows if row.figure}
    for figure in comparison.maps.figures:
        assert (figure.overlay, figure.part) == drawn[figure.title]
    roles = {row.name: row.role for row in rows}
    assert (roles["b"], roles["a"]) == ("predicted", "label")


def test_other_images_have_no_comparison(tmp_path: Path) -> None:
    """None for a right prediction, for an image without a label, and for a map that is not finite."""
    audit = wrong_audit()
    assert class_comparison(audit, Media(tmp_path), 1) is None
    unlabelled = make_audit(make_model_audit([-1, 0, 1]))
    assert class_comparison(unlabelled, Media(tmp_path), 0) is None
    maps = MAPS.copy()
    maps[0, 0, 0, 0] = np.nan
    broken = make_audit(make_model_audit([0, 1, 1, 2, 2], logits=make_logits([1, 1, 1, 2, 2], 0.8, 3), maps=maps))
    assert class_comparison(broken, Media(tmp_path), 0) is None


def test_comparison_comes_first_on_its_page_and_only_there(tmp_path: Path) -> None:
    audit = wrong_audit()
    site = write_report(audit, tmp_path / "report")
    wrong, right = ((site / image_page(audit, i)).read_text("utf-8") for i in (0, 1))
    assert wrong.index('id="comparison"') < wrong.index('id="viewer"') < wrong.index('id="top_classes"')
    assert 'id="comparison"' not in right
    assert right.index('id="viewer"') < right.index('id="top_classes"')
