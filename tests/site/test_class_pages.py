"""Pages of classes: worst images first, and a page for classes that are only predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.pages.class_list import predicted_classes
from reportgen.gallery.sections.class_failures import worst_images
from tests.site.reports import page_at, write_report
from tests.support.factories import SIDE, make_audit, make_logits, make_model_audit
from tests.support.html import read_html


def audit() -> Audit:
    """Class a: images 0 and 1 are predicted as c, which is no image's label; 2 and 3 have wrong boxes, 4 is right."""
    predicted, scores = [2, 2, 0, 0, 0, 1, 2], [0.6, 0.9, 0.8, 0.8, 0.7, 0.9, 0.8]
    maps = np.zeros((7, 4, SIDE, SIDE))
    maps[:, :, 2:6, 2:6] = 1
    maps[2] = 0
    maps[2, :, 2:4, 2:4] = 1
    maps[3] = 0
    maps[3, :, 6:8, 6:8] = 1
    boxes = [np.array([[2.0, 2, 6, 6]])] * 7
    model = make_model_audit(
        [0, 0, 0, 0, 0, 1, -1],
        logits=make_logits(predicted, scores, 3),
        maps=maps,
        boxes=boxes,
        class_names=list("abc"),
        unit_maxima={"conv": np.random.default_rng(0).random((7, 3))},
    )
    return make_audit(model)


def test_worst_images_are_confident_wrong_classes_then_low_ious() -> None:
    assert worst_images(audit(), 0).tolist() == [1, 0, 3, 2]
    assert worst_images(audit(), 2).tolist() == []


def test_class_that_is_only_predicted_has_a_page_with_the_images_that_are_predicted_as_it(tmp_path: Path) -> None:
    page = page_at("classes/0002-c.html", audit(), tmp_path)
    assert (page.row.images, page.predicted) == (0, 3)
    assert [(c.name, c.count) for c in page.confusions.labels] == [("a", 2)]
    (section,) = page.sections
    assert [figure.alt for figure in section.figures] == [f"{i}.png with the activation map of c" for i in (1, 6, 0)]
    assert [figure.title for figure in section.figures] == ["a", "no label", "a"]


def test_class_list_has_the_classes_that_are_only_predicted() -> None:
    assert [(row.name, row.images, round(row.score, 3)) for row in predicted_classes(audit())] == [("c", 3, 0.767)]


def test_class_page_opens_with_its_outcomes_and_image_pages_link_to_predicted_classes(tmp_path: Path) -> None:
    site = write_report(audit(), tmp_path / "report")
    html = read_html(site / "classes" / "0000-a.html")
    assert html.index("outcome-bar") < html.index("Top-1 error") < html.index("Predicted instead")
    assert html.index("Predicted instead") < html.index("Worst images")
    assert "classes/0002-c.html" in read_html(site / "images" / "000000-0.html")
    assert "No image of this data set has this label" in read_html(site / "classes" / "0002-c.html")
