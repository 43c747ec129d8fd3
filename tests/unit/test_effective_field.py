"""Effective receptive fields, compared with gradients worked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from reportgen.audit.model_info import LayerInfo
from reportgen.config import AuditConfig
from reportgen.methods.effective_field import GradientMass, central_interval
from reportgen.models.classifier import Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.unit_images import effective_fields_work
from tests.support.html import read_html
from tests.support.jobs import inputs_of, job_of
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


def test_mass_interval_holds_the_middle_95_percent() -> None:
    """Shares 0, 2, 4, 96, 98, 100, 100 %: the middle 95 % begins behind 2.5 % and ends at 97.5 %."""
    assert central_interval(np.array([0, 0.02, 0.02, 0.92, 0.02, 0.02, 0])) == (-1, 2)
    assert central_interval(np.array([0, 0, 0, 1, 0, 0, 0])) == (0, 1)
    assert central_interval(np.zeros(7)) == (-3, 4)


def test_gradient_mass_of_one_convolution_is_its_kernel() -> None:
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


def test_gradient_mass_in_an_image_that_is_not_square_is_counted_from_the_position() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    kernel = torch.tensor([[0.0, 1, 0], [0, -6, 2], [0, 0, 1]])
    with torch.no_grad():
        module[0].weight[1] = kernel
    mass = GradientMass(classifier_from_module(module, "one", preprocessing=Preprocessing((33, 65))), ["0"])
    found = mass(torch.randn(1, 3, 33, 65), [(0, 1, 5 * 32 + 20, (10, 40))])
    assert found.shape == (1, 2, 131)
    np.testing.assert_allclose(found[0, 0, 65:68], [0.1, 0.8, 0.1], rtol=1e-6)
    np.testing.assert_allclose(found[0, 1, 65:68], [0, 0.7, 0.3], rtol=1e-6)


def test_layer_box_is_the_effective_field_where_it_was_measured() -> None:
    seen = np.array([[0, 6], [2, 10], [6, 10]])
    card = LayerInfo("a", (1, 3, 3), seen, seen, (8, 8), (4, 4))
    assert card.box(4).tolist() == [2, 2, 10, 10]
    assert replace(card, effective_field=((-1, 2), (0, 9))).box(4).tolist() == [4, 3, 10, 6]
    assert replace(card, effective_field=((-1, 2), (0, 9))).box(0).tolist() == [0, 0, 6, 2]


def test_layer_sees_the_whole_image_if_its_middle_position_does() -> None:
    whole, part = np.tile([0, 10], (3, 1)), np.array([[0, 6], [2, 10], [6, 10]])
    assert LayerInfo("a", (1, 3, 3), whole, whole, None, (4, 4)).sees_whole_image
    assert LayerInfo("a", (1, 3, 3), np.array([[0, 6], [0, 10], [6, 10]]), whole, (12, 12), (4, 4)).sees_whole_image
    assert not LayerInfo("a", (1, 3, 3), whole, part, None, (4, 4)).sees_whole_image
    assert not LayerInfo("a", (1, 3, 3), part, whole, None, (4, 4)).sees_whole_image


def test_analytic_fields_stay_when_every_file_is_gone(tmp_path: Path) -> None:
    table = squares(tmp_path / "photos", each=2)
    config = AuditConfig(
        data=table, model=TINY_NETWORK, select="none", device="cpu", out=tmp_path / "report"
    )  # fmt: skip
    audit, inputs = run_audit(config).audit, inputs_of(config)
    for sample in audit.samples:
        sample.path.unlink()
    info = inputs.models[0].info
    work = effective_fields_work(job_of(inputs), info, info.layers, audit.main.units)
    work.open()
    assert len(work.waiting) > 0
    work.compute(len(work.waiting), lambda steps=1: None)
    assert work.fields() == {}


def test_run_measures_effective_fields_if_the_setting_says_so(tmp_path: Path) -> None:
    table = squares(tmp_path / "photos", each=2)
    config = AuditConfig(
        data=table, model=TINY_NETWORK, receptive_field="effective", select="none", device="cpu",
        out=tmp_path / "report",
    )  # fmt: skip
    summary = run_audit(config)
    for layer in summary.audit.main.info.layers:
        assert layer.effective_field is not None
        assert layer.receptive_field is not None
        (top, bottom), (left, right) = layer.effective_field
        assert 0 < bottom - top <= layer.receptive_field[0]
        assert 0 < right - left <= layer.receptive_field[1]
    text = read_html(next((summary.index.parent / "units").glob("*/0000.html")))
    assert "holds 95 % of the gradient" in text
