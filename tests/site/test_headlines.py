"""Localization figures are compared with the strongest control of the same error, everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.gallery.components.headline import comparison_verdict, headlines
from reportgen.metrics.intervals import Rate
from reportgen.results.tables import CONTROL_LABELS
from tests.site.reports import page_at
from tests.support.factories import SIDE, make_audit, make_logits, make_model_audit

WHOLE = np.array([[0.0, 0, SIDE, SIDE]])
CENTRED = np.array([[2.0, 2, 6, 6]])
"""A quarter of the image: a box around the whole image has an IoU of 0.25 with it."""


def audit_of(box: np.ndarray, fitting: int, n: int = 40, wrong_class: int = 0) -> Audit:
    """Images that all have this ground-truth box, which the maps of the first `fitting` predict.

    wrong_class: so many of the images are classified wrongly.
    """
    (x0, y0, x1, y1), labels = box[0].astype(int), np.arange(n) % 2
    maps = np.zeros((n, 3, SIDE, SIDE))
    maps[:fitting, :, y0:y1, x0:x1] = 1
    maps[fitting:, :, 0, 0] = 1
    predicted = np.where(np.arange(n) < wrong_class, 1 - labels, labels)
    logits = make_logits(predicted.tolist(), 0.9, 2)
    return make_audit(make_model_audit(labels.tolist(), logits=logits, maps=maps, boxes=[box] * n))


def test_each_card_has_the_control_of_its_own_error() -> None:
    """The whole image always fits, so it is wrong where the class is wrong: never with the class given."""
    _, _, top1, gt_known = headlines(audit_of(WHOLE, fitting=20, wrong_class=10))
    assert (top1.label, gt_known.label) == ("Top-1 localization error", "GT-known localization error")
    assert top1.control is not None
    assert gt_known.control is not None
    assert (top1.control.count, top1.control.n) == (10, 40)
    assert (gt_known.control.count, gt_known.control.n) == (0, 40)


@pytest.mark.parametrize("card", [2, 3])
def test_cards_have_the_strongest_control(card: int) -> None:
    """A centred box fits every image, and a box around the whole image none."""
    headline = headlines(audit_of(CENTRED, fitting=20))[card]
    assert headline.rate is not None
    assert headline.control is not None
    assert headline.control_name == CONTROL_LABELS["centre"]
    assert (headline.rate.value, headline.control.value) == (0.5, 0)
    assert headline.verdict == "clearly above the control"


def test_overview_and_localization_page_name_the_strongest_control(tmp_path: Path) -> None:
    audit = audit_of(CENTRED, fitting=20)
    overview = page_at("index.html", audit, tmp_path)
    localization = page_at("localization/index.html", audit, tmp_path)
    for text in (overview.lead, localization.lead, overview.findings[0].text):
        assert CONTROL_LABELS["centre"] in text
        assert CONTROL_LABELS["whole_image"] not in text
    assert "is right on 40" in overview.lead
    assert "do not beat it" in overview.lead
    assert localization.heading == "GT-known localization error 50.0 %: clearly above the control"


@pytest.mark.parametrize(
    ("wrong", "interval", "control_wrong", "verdict"),
    [
        (20, (0.4, 0.6), 30, "clearly below the control"),
        (20, (0.4, 0.6), 10, "clearly above the control"),
        (20, (0.4, 0.6), 22, "below the control, inside the interval"),
        (20, (0.4, 0.6), 18, "above the control, inside the interval"),
        (20, (0.4, 0.6), 24, "below the control, inside the interval"),
        (20, (0.4, 0.6), 20, "equal to the control"),
    ],
)
def test_verdict_names_whether_the_control_is_inside_the_interval(
    wrong: int, interval: tuple[float, float], control_wrong: int, verdict: str
) -> None:
    rate, control = (Rate.of(np.arange(40) < count) for count in (wrong, control_wrong))
    assert rate is not None
    assert control is not None
    assert comparison_verdict(rate, interval, control) == verdict


def test_lead_names_a_control_inside_the_interval(tmp_path: Path) -> None:
    """38 of 40 maps fit, and all centred boxes: 0 % lies inside the interval of 5 % by resampling."""
    inside = page_at("index.html", audit_of(CENTRED, fitting=38), tmp_path)
    outside = page_at("index.html", audit_of(CENTRED, fitting=20), tmp_path)
    assert "inside the map's 95 % interval" in inside.lead
    assert "interval" not in outside.lead


def test_card_shows_the_interval_that_its_verdict_refers_to() -> None:
    """Of 2 wrong boxes in 40, Wilson's interval begins above 0 %, the bootstrap interval of the tables at 0 %."""
    _, _, _, gt_known = headlines(audit_of(CENTRED, fitting=38))
    assert gt_known.rate is not None
    assert gt_known.control is not None
    low, high = gt_known.interval
    assert gt_known.control.value == 0 < gt_known.rate.interval[0]
    assert low == pytest.approx(0, abs=1e-6)
    assert high > gt_known.rate.value
    assert gt_known.verdict == "above the control, inside the interval"
