"""The page Confidence, against planted logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.results.metrics import metrics
from tests.site.reports import page_at, write_report
from tests.support.factories import make_audit, make_model_audit
from tests.support.html import read_html

N, CLASSES = 120, 3


def audit_of(temperature: float, n: int = N) -> Audit:
    """Labels drawn from softmax(logits / temperature)."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(n, CLASSES)) * 3
    p = np.exp(logits / temperature)
    labels = [int(random.choice(CLASSES, p=row / row.sum())) for row in p]
    return make_audit(make_model_audit(labels, logits=logits.astype(np.float32)))


def test_page_states_planted_overconfidence_and_what_a_temperature_mends(tmp_path: Path) -> None:
    audit = audit_of(4)
    page = page_at("confidence/index.html", audit, tmp_path)
    assert page.study.temperature.temperature == pytest.approx(4, rel=0.3)
    assert page.temperature_verdict.startswith("It mends the probabilities of images that it was not fitted on")
    assert float(page.scores[2].after) < float(page.scores[2].before) / 2
    assert "the confidence does not match the accuracy, and it" in page.lead
    assert [row.verdict for row in page.classes] == ["overconfident"] * CLASSES
    assert page.classes[0].url.startswith("images/index.html#predicted=")
    assert [row.coverage for row in page.rejection] == ["100 %", "90 %", "80 %", "50 %"]
    assert (
        page.rejection[0].error == page.rejection[0].best == f"{100 * audit.main.classification.top1_error.value:.1f} %"
    )
    assert 85 < float(page.sets[0].coverage.removesuffix(" %")) < 95
    assert page.sets[0].worst != "–"


def test_page_of_a_calibrated_network_states_no_miscalibration(tmp_path: Path) -> None:
    page = page_at("confidence/index.html", audit_of(1), tmp_path)
    assert "On 120 labelled images, the confidence may match the accuracy, and it separates right" in page.lead
    assert not page.temperature_verdict.startswith("It mends")
    assert [row.verdict for row in page.classes] == [""] * CLASSES


def test_few_images_get_sentences_instead_of_figures(tmp_path: Path) -> None:
    page = page_at("confidence/index.html", audit_of(1, n=4), tmp_path)
    assert (page.study.temperature, list(page.classes), list(page.sets)) == (None, [], [])
    assert page.temperature_verdict == ""
    write_report(audit_of(1, n=4), tmp_path / "report")
    text = read_html(tmp_path / "report" / "site" / "confidence" / "index.html")
    assert "too few to fit and judge a temperature" in text
    assert "Prediction sets need at least 20 independent labelled images" in text


def test_images_without_labels_or_finite_logits_have_no_study(tmp_path: Path) -> None:
    nan = np.full((3, CLASSES), np.nan, np.float32)
    for audit in (make_audit(make_model_audit([-1] * 3)), make_audit(make_model_audit([0, 1, 2], logits=nan))):
        assert page_at("confidence/index.html", audit, tmp_path).study is None
        assert metrics(audit)["models"][0]["confidence"] is None


def test_metrics_have_the_figures_of_the_page(tmp_path: Path) -> None:
    audit = audit_of(4)
    page, found = page_at("confidence/index.html", audit, tmp_path), metrics(audit)["models"][0]["confidence"]
    assert (found["images"], found["temperature"]) == (N, page.study.temperature.temperature)
    assert page.scores[0].before == f"{found['nll']:.3f}"
    assert page.scores[0].after == f"{found['with_temperature']['nll']:.3f}"
    assert page.sets[1].size == f"{found['conformal']['by_class']['size']:.1f}"
    assert found["auroc"] == page.study.rejection.auroc
