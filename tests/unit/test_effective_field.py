"""Effective fields against gradients worked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from reportgen.audit.model_info import LayerCard
from reportgen.config import AuditConfig
from reportgen.methods.effective_field import GradientMass, held
from reportgen.models.sources import classifier_from_module, load_classifier
from reportgen.pipeline.extraction import silent
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.selected_images import Subject, with_effective_fields
from tests.support.tiny import squares


def test_the_middle_of_a_spread_by_hand() -> None:
    """Shares 0, 2, 4, 96, 98, 100, 100 %: the middle 95 % begins behind 2.5 % and ends at 97.5 %."""
    assert held(np.array([0, 0.02, 0.02, 0.92, 0.02, 0.02, 0])) == (-1, 2)
    assert held(np.array([0, 0, 0, 1, 0, 0, 0])) == (0, 1)
    assert held(np.zeros(7)) == (-3, 4)


def test_the_mass_of_one_convolution_by_hand() -> None:
    """Kernel 3, stride 2: position (y, x) has the kernel's magnitudes over the colours at rows 2y … 2y + 2."""
    module = nn.Sequential(nn.Conv2d(3, 2, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    kernel = torch.tensor([[0.0, 1, 0], [0, -6, 2], [0, 0, 1]])
    with torch.no_grad():
        module[0].weight[1] = kernel
    mass = GradientMass(classifier_from_module(module, "one"), ["0"])
    found = mass(torch.randn(1, 3, 224, 224), [(0, 1, 5 * 111 + 7, (10, 14)), (0, 1, 0, (0, 0))])
    assert found.shape == (1, 2, 449)
    np.testing.assert_allclose(found[0, 0, 224:227], [2 * 0.1, 2 * 0.8, 2 * 0.1], rtol=1e-6)
    np.testing.assert_allclose(found[0, 1, 224:227], [0, 2 * 0.7, 2 * 0.3], rtol=1e-6)
    assert found.sum() == np.float32(4)


def test_a_card_with_an_effective_field_draws_that_part_of_what_is_seen() -> None:
    seen = np.array([[0, 6], [2, 10], [6, 10]])
    card = LayerCard("a", (1, 3, 3), seen, seen, (8, 8), (4, 4))
    assert card.box(4).tolist() == [2, 2, 10, 10]
    assert replace(card, effective=((-1, 2), (0, 9))).box(4).tolist() == [4, 3, 10, 6]
    assert replace(card, effective=((-1, 2), (0, 9))).box(0).tolist() == [0, 0, 6, 2]


def test_without_a_file_as_it_was_the_exact_fields_stay(tmp_path: Path) -> None:
    table = squares(tmp_path / "photos", each=2)
    config = AuditConfig(
        data=table, model="python:tests.support.tiny:network", select="none", device="cpu", out=tmp_path / "report"
    )  # fmt: skip
    audit = run_audit(config).audit
    for sample in audit.samples:
        sample.path.unlink()
    subject = Subject(load_classifier(config), config, torch.device("cpu"), audit, config.out)
    assert with_effective_fields(subject, silent) is audit


def test_a_run_draws_effective_fields_where_they_are_asked_for(tmp_path: Path) -> None:
    table = squares(tmp_path / "photos", each=2)
    config = AuditConfig(
        data=table, model="python:tests.support.tiny:network", patch_field="effective", select="none", device="cpu",
        out=tmp_path / "report",
    )  # fmt: skip
    summary = run_audit(config)
    for layer in summary.audit.card.layers:
        assert layer.effective is not None
        assert layer.field is not None
        (top, bottom), (left, right) = layer.effective
        assert 0 < bottom - top <= layer.field[0]
        assert 0 < right - left <= layer.field[1]
    text = next((summary.index.parent / "units").glob("*/0000.html")).read_text()
    assert "holds 95 % of the gradient" in text
