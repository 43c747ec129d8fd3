"""A unit's page: labels among its top images, and images that reach the same largest value."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.core.urls import layer_page, unit_page
from tests.site.reports import page_at
from tests.support.factories import make_audit, make_model_audit


def audit_of(maxima: np.ndarray, labels: list[int]) -> Audit:
    return make_audit(make_model_audit(labels, unit_maxima={"relu6": maxima}))


def facts_of(audit: Audit, site: Path, u: int = 0) -> dict[str, str]:
    page = page_at(unit_page(audit.main.info.layers[0], u), audit, site)
    return {fact.name: fact.value for fact in page.facts}


def test_preferred_class_has_the_counts_behind_it(tmp_path: Path) -> None:
    """Of the 16 top images 4 have no label and 12 have label b, as 20 of the 60 other images."""
    labels = [-1] * 4 + [1] * 12 + [0, 0, 1] * 20
    facts = facts_of(audit_of(np.arange(76, 0, -1.0)[:, None], labels), tmp_path)
    assert facts["Preferred class"] == "b"
    text = facts["Labels of its top 16"]
    assert text.startswith("b 12 of 12 with a label, 4 without; 5.3 b expected by chance, q ")
    assert facts["Selectivity"].startswith("0.")


def test_class_that_chance_explains_is_not_preferred(tmp_path: Path) -> None:
    audit = audit_of(np.random.default_rng(0).random((40, 3)), [0, 1] * 20)
    assert facts_of(audit, tmp_path)["Preferred class"] == "none beyond chance"
    assert "not above chance" in facts_of(audit, tmp_path)["Selectivity"]
    page = page_at(layer_page(audit.main.info.layers[0]), audit, tmp_path)
    assert [(row.top_class, row.share, row.selectivity) for row in page.rows] == [("", None, None)] * 3
    assert page.class_note.startswith("0 of 3 units prefer a class and 0 of 3 are selective")


def test_labels_are_counted_where_no_class_is_large_enough(tmp_path: Path) -> None:
    audit = audit_of(np.arange(20, 0, -1.0)[:, None], [-1] * 14 + [0, 1, 0, 1, 0, 1])
    facts = facts_of(audit, tmp_path)
    assert "Preferred class" not in facts
    assert facts["Labels of its top 16"] == "2 of 16 have a label"


def test_images_tied_at_the_cap_of_relu6_are_counted(tmp_path: Path) -> None:
    maxima = np.column_stack(([6.0] * 7 + [5.0] * 3, np.arange(10, 0, -1.0), [6.0] * 10))
    audit = audit_of(maxima, [0, 1] * 5)
    assert facts_of(audit, tmp_path, 0)["Ties"].startswith("7 images reach the largest value")
    assert "Ties" not in facts_of(audit, tmp_path, 1)
    assert "Ties" not in facts_of(audit, tmp_path, 2)  # constant: shown as a dead unit
    assert page_at(unit_page(audit.main.info.layers[0], 2), audit, tmp_path).is_dead
