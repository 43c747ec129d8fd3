"""The deviation from mean(CAM) + bias = logit is stated in standard deviations of the logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reportgen.gallery.core.media import Media
from reportgen.gallery.pages.provenance import provenance
from reportgen.metrics import classification
from reportgen.metrics.classification import logit_deviation
from reportgen.results.metrics import metrics
from tests.support.factories import make_audit, make_model_audit


def test_logit_deviation_is_numpys_in_blocks_too(monkeypatch) -> None:
    logits = np.random.default_rng(0).normal(50, 3, (11, 4)).astype(np.float32)
    assert logit_deviation(logits) == pytest.approx(logits.astype(float).std(), rel=1e-12)
    monkeypatch.setattr(classification, "BLOCK", 3)
    assert logit_deviation(logits) == pytest.approx(logits.astype(float).std(), rel=1e-12)
    logits[4, 1] = np.nan
    assert logit_deviation(logits) == pytest.approx(np.delete(logits, 4, 0).astype(float).std(), rel=1e-12)
    assert logit_deviation(np.full((2, 3), np.nan)) == 0


def shown(tmp_path: Path, logits: np.ndarray, identity: float | None) -> tuple[object, str]:
    """The figure in metrics.json, and the text on the page."""
    audit = make_audit(make_model_audit((0, 1), logits=logits, cam_identity=identity))
    groups = dict(provenance(audit, Media(tmp_path)).groups)
    (text,) = [fact.value for fact in groups["Network"] if fact.name.startswith("CAM identity")]
    return metrics(audit)["models"][0]["cam_identity_relative"], text


def test_scale_of_the_logits_does_not_change_the_figure(tmp_path: Path) -> None:
    logits = np.array([[3.0, 1.0], [0.0, 2.0]], np.float32)
    deviation = (sum((v - 1.5) ** 2 for v in (3, 1, 0, 2)) / 4) ** 0.5
    for scale in (1, 1e6):
        value, text = shown(tmp_path, logits * np.float32(scale), 3e-7 * scale)
        assert value == pytest.approx(3e-7 / deviation)
        assert text == f"2.7e-07 standard deviations of the logits ({3e-7 * scale:.1e})"


def test_identity_without_a_scale(tmp_path: Path) -> None:
    logits = np.ones((2, 2), np.float32)
    assert shown(tmp_path, logits, 1e-3) == (None, "1.0e-03; all logits are equal")
    assert shown(tmp_path, logits, None) == (None, "not applicable: the maps are not exact CAMs")
