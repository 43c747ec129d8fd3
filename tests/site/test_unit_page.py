"""A unit's page: labels among its top images, and images that reach the same largest value."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.core.urls import unit_page
from tests.site.reports import page_at
from tests.support.factories import make_audit, make_model_audit


def audit_of(maxima: np.ndarray, labels: list[int]) -> Audit:
    return make_audit(make_model_audit(labels, unit_maxima={"relu6": maxima}))


def facts_of(audit: Audit, site: Path, u: int = 0) -> dict[str, str]:
    page = page_at(unit_page(audit.main.info.layers[0], u), audit, site)
    return {fact.name: fact.value for fact in page.facts}


def test_most_frequent_label_is_counted_among_labelled_top_images(tmp_path: Path) -> None:
    """Of the 16 top images 12 have no label, three have label b and one has a; weaker images have label a."""
    labels = [-1] * 12 + [1, 1, 1, 0] + [0] * 8
    maxima = np.arange(24, 0, -1.0)[:, None]
    text = facts_of(audit_of(maxima, labels), tmp_path)["Most frequent label among the top images"]
    assert text == "b, 3 of the 4 labelled among its top 16"


def test_most_frequent_label_is_absent_where_no_top_image_has_a_label(tmp_path: Path) -> None:
    audit = audit_of(np.arange(20, 0, -1.0)[:, None], [-1] * 16 + [0, 1, 0, 1])
    assert "Most frequent label among the top images" not in facts_of(audit, tmp_path)


def test_images_tied_at_the_cap_of_relu6_are_counted(tmp_path: Path) -> None:
    maxima = np.column_stack(([6.0] * 7 + [5.0] * 3, np.arange(10, 0, -1.0), [6.0] * 10))
    audit = audit_of(maxima, [0, 1] * 5)
    assert facts_of(audit, tmp_path, 0)["Ties"].startswith("7 images reach the largest value")
    assert "Ties" not in facts_of(audit, tmp_path, 1)
    assert "Ties" not in facts_of(audit, tmp_path, 2)  # constant: shown as a dead unit
    assert page_at(unit_page(audit.main.info.layers[0], 2), audit, tmp_path).is_dead
