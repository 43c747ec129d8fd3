"""Localization figures are compared with the strongest control of the same error, everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.gallery.components.headline import comparison_verdict, headlines
from reportgen.gallery.pages.class_list import class_rows
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.comparisons import compare_with_strongest_control
from reportgen.metrics.localization.controls import CONTROL_LABELS
from reportgen.metrics.paired import compare_errors
from reportgen.results.tables import classification_table
from tests.site.reports import page_at, write_report
from tests.support.factories import SIDE, make_audit, make_logits, make_model_audit

WHOLE = np.array([[0.0, 0, SIDE, SIDE]])
CENTRED = np.array([[2.0, 2, 6, 6]])
"""A quarter of the image: a box around the whole image has an IoU of 0.25 with it."""


def audit_of(box: np.ndarray, fitting: int, n: int = 40, wrong_class: int = 0, classes: int = 2) -> Audit:
    """Images that all have this ground-truth box, which the maps of the first `fitting` predict.

    wrong_class: so many of the images are classified wrongly.
    """
    (x0, y0, x1, y1), labels = box[0].astype(int), np.arange(n) % 2
    maps = np.zeros((n, min(classes, 5) + 1, SIDE, SIDE))
    maps[:fitting, :, y0:y1, x0:x1] = 1
    maps[fitting:, :, 0, 0] = 1
    logits = logits_of(n, wrong_class, classes)
    return make_audit(make_model_audit(labels.tolist(), logits=logits, maps=maps, boxes=[box] * n))


def audit_without_boxes(wrong_class: int, classes: int = 2, n: int = 40) -> Audit:
    """Images of two classes, so many of which are classified wrongly."""
    return make_audit(make_model_audit((np.arange(n) % 2).tolist(), logits=logits_of(n, wrong_class, classes)))


def logits_of(n: int, wrong_class: int, classes: int) -> np.ndarray:
    """`(n, classes)` for labels 0, 1, 0, 1, …"""
    labels = np.arange(n) % 2
    predicted = np.where(np.arange(n) < wrong_class, 1 - labels, labels)
    return make_logits(predicted.tolist(), 0.9, classes)


def test_each_card_has_the_control_of_its_own_error() -> None:
    """Two of six classes have 20 images each: naming one is wrong on half of them, naming both never; the whole image
    fits."""
    top1, top5, gt_known, _ = headlines(audit_of(WHOLE, fitting=20, wrong_class=10, classes=6))
    assert [one.label for one in (top1, top5, gt_known)] == [
        "Top-1 error",
        "Top-5 error",
        "GT-known localization error",
    ]
    assert [(one.rate, one.control) for one in (top1, top5, gt_known)] == [
        (Rate(10, 40), Rate(20, 40)),
        (Rate(0, 40), Rate(0, 40)),
        (Rate(20, 40), Rate(0, 40)),
    ]
    assert top1.control_name == "always the most frequent label"
    assert top1.verdict == "clearly below the control"


@pytest.mark.parametrize(("wrong", "verdict"), [(4, "within chance"), (32, "more than chance explains")])
def test_calibration_card_says_whether_chance_explains_the_error(wrong: int, verdict: str) -> None:
    """40 predictions with probability 0.9, of which 4 are wrong, as stated, or 32."""
    card = headlines(audit_without_boxes(wrong))[-1]
    assert card.value == f"{abs(0.9 - (40 - wrong) / 40):.2f}"
    assert card.detail == f"mean confidence 90 %, accuracy {100 * (40 - wrong) / 40:.0f} %"
    assert card.verdict.startswith(verdict)


def test_localization_card_has_the_strongest_control() -> None:
    """A centred box fits every image, and a box around the whole image none."""
    headline = headlines(audit_of(CENTRED, fitting=20))[-2]
    assert headline.rate is not None
    assert headline.control is not None
    assert headline.control_name == CONTROL_LABELS["centre"]
    assert (headline.rate.value, headline.control.value) == (0.5, 0)
    assert headline.verdict == "clearly above the control"


def test_overview_and_localization_page_name_the_strongest_control(tmp_path: Path) -> None:
    audit = audit_of(CENTRED, fitting=20)
    overview = page_at("index.html", audit, tmp_path)
    localization = page_at("localization/index.html", audit, tmp_path)
    for text in (overview.lead, localization.lead, overview.findings[0].headline):
        assert CONTROL_LABELS["centre"] in text
        assert CONTROL_LABELS["whole_image"] not in text
    assert "The centred box, best size does better (paired difference +50.0 points" in overview.lead
    assert localization.heading == "GT-known localization error 50.0 %: clearly above the control"


@pytest.mark.parametrize(
    ("fixed", "broken", "verdict"),
    [
        (10, 0, "clearly below the control"),
        (0, 10, "clearly above the control"),
        (4, 2, "below the control, perhaps by chance (p = 0.69)"),
        (5, 0, "below the control, perhaps by chance (p = 0.06)"),  # McNemar: 2 · 2⁻⁵; the interval is below 0
        (2, 4, "above the control, perhaps by chance (p = 0.69)"),
        (3, 3, "equal to the control"),
    ],
)
def test_verdict_is_of_the_paired_difference(fixed: int, broken: int, verdict: str) -> None:
    """Of 40 images the network alone is right on `fixed`, the control alone on `broken`, and neither on the others."""
    network, control = np.arange(40) < fixed, np.arange(40)[::-1] < broken
    change = compare_errors(control, network, np.ones(40, bool))
    assert change is not None
    assert comparison_verdict(change) == verdict


def test_difference_of_equal_strength_is_clear_in_few_data_sets() -> None:
    """200 data sets in which network and control are right with the same probability: at most 5 %, plus spread."""
    clear = 0
    for seed in range(200):
        network, control = np.random.default_rng(seed).random((2, 60)) < 0.6
        change = compare_errors(control, network, np.ones(60, bool))
        clear += change is not None and change.is_clear
    assert clear / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("error", ["top1", "gt_known"])
def test_paired_comparison_has_the_rates_of_the_tables(error: str) -> None:
    audit = audit_of(CENTRED, fitting=30, wrong_class=12)
    study = audit.main.localization_study
    assert study is not None
    found = compare_with_strongest_control(study, error)
    assert found.change.a == getattr(study.controls[found.name].recipes["paper"], error)
    assert found.change.b == getattr(study.label_map.recipes["paper"], error)
    assert headlines(audit)[-2].rate == study.label_map.recipes["paper"].gt_known


def test_lead_states_a_difference_that_may_be_chance(tmp_path: Path) -> None:
    """38 of 40 maps fit, and all centred boxes."""
    lead = page_at("index.html", audit_of(CENTRED, fitting=38), tmp_path).lead
    assert lead.endswith(
        "The maps do not clearly beat the strongest control, centred box, best size (paired difference +5.0 points, "
        "95 % interval −3.2 to +12.7, p = 0.5)."
    )


def test_error_by_required_iou_is_the_share_of_boxes_below_it(tmp_path: Path) -> None:
    """30 of 40 boxes fit exactly; the others are one pixel in a corner, far from the object."""
    page = page_at("localization/index.html", audit_of(CENTRED, fitting=30), tmp_path)
    (series,) = page.iou_chart.series
    assert list(series.x) == pytest.approx([0.3 + 0.05 * k for k in range(13)])
    assert list(series.y) == pytest.approx([0.25] * 13)
    assert page.iou_notes == [
        "Mean IoU 0.750. For 0 of 40 boxes the IoU is within 0.02 of 0.50, so that a small shift would change the "
        "verdict."
    ]


@pytest.mark.parametrize(("classes", "has_top5"), [(2, False), (5, False), (6, True)])
def test_networks_of_few_classes_have_no_top5_error(classes: int, has_top5: bool, tmp_path: Path) -> None:
    """With at most five classes, the label is always among the top five."""
    audit = audit_of(WHOLE, fitting=20, wrong_class=36, classes=classes)
    assert ("Top-5 error" in [one.label for one in headlines(audit)]) is has_top5
    assert all((row.top5 is not None) is has_top5 for row in class_rows(audit))
    assert classification_table(audit).rows[0].cells[2].startswith("0.0") is has_top5
    site = write_report(audit, tmp_path)
    for page in ("index.html", "classes/index.html", "classes/0000-a.html"):
        assert ("Top-5 error" in (site / page).read_text()) is has_top5
    assert ("among the top 5" in (site / "findings" / "index.html").read_text()) is has_top5
