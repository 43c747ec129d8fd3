"""Optimized inputs of units with a known preference, guided gradients by hand, and both in a whole run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.methods.feature_visualization import (
    COLOUR_CORRELATION,
    UnitVisualizer,
    optimize_input,
    random_transform,
    spectrum_to_image,
)
from reportgen.models.classifier import Preprocessing
from reportgen.models.layers import find_layers
from reportgen.models.sources import load_classifier
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.html import read_html
from tests.support.square_images import squares

SIDE = 112
BARS = torch.tensor([-1.0, -1, 1, 1, -1, -1]).expand(6, 6)
"""What unit 1 of the first layer responds to: a bright vertical bar, two pixels wide, on dark."""


def barred() -> nn.Module:
    """Unit 0 of the first layer wants red and no green; unit 1 a bar, and is shut for all that is grey."""
    torch.manual_seed(0)
    first = nn.Conv2d(3, 3, 6)
    with torch.no_grad():
        first.weight.zero_()
        first.weight[0, 0], first.weight[0, 1] = 1 / 36, -1 / 36
        first.weight[1] = BARS / 36
        first.bias.copy_(torch.tensor([0.0, -0.05, 0.0]))
    return nn.Sequential(
        first, nn.ReLU(), nn.Conv2d(3, 6, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )


def probe() -> UnitVisualizer:
    classifier = load_classifier(AuditConfig(model="python:tests.pipeline.test_feature_visualization:barred"))
    layer = next(layer for layer in find_layers(classifier.trunk, classifier.head) if layer.name == "1")
    return UnitVisualizer(replace(classifier, preprocessing=Preprocessing(size=SIDE, resize_size=SIDE)), layer)


def test_one_frequency_is_one_wave_in_correlated_colours() -> None:
    """Coefficient (0, 2) alone: a cosine with two periods along x, in the first column of the colour matrix."""
    spectrum = torch.zeros(3, 16, 9, 2)
    spectrum[0, 0, 2, 0] = 1.0
    x = torch.arange(16.0)
    wave = 2 * torch.cos(2 * torch.pi * 2 * x / 16) / 16**2 * (16 / (2 / 16)) / 4
    colours = torch.tensor(COLOUR_CORRELATION)
    scale = max(float((colours[:, k] ** 2).sum()) ** 0.5 for k in range(3))
    for channel in range(3):
        expected = torch.sigmoid(wave * colours[channel, 0] / scale).expand(16, 16)
        torch.testing.assert_close(spectrum_to_image(spectrum, 16)[channel], expected)


def test_jitter_keeps_or_shifts_pictures_by_whole_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = torch.rand(1, 3, 12, 12)
    still = torch.tensor([0.5, 0.5, 0.5, 0.5])
    monkeypatch.setattr(torch, "rand", lambda *_, **__: still)
    torch.testing.assert_close(random_transform(picture, 3.0, torch.Generator()), picture)
    still[3] = 1.0
    torch.testing.assert_close(random_transform(picture, 3.0, torch.Generator())[..., :9], picture[..., 3:])


def test_jitter_of_an_image_that_is_not_square_turns_without_shearing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round spot in the middle stays as it is, and a shift by three pixels is one along both axes."""
    y, x = torch.meshgrid(torch.arange(40) - 19.5, torch.arange(80) - 39.5, indexing="ij")
    spot = torch.exp(-(x**2 + y**2) / 50).expand(1, 1, 40, 80)
    drawn = torch.tensor([1.0, 0.5, 0.5, 0.5])  # the largest rotation; no scaling and no shifts
    monkeypatch.setattr(torch, "rand", lambda *_, **__: drawn)
    torch.testing.assert_close(random_transform(spot, 3.0, torch.Generator()), spot, rtol=0, atol=0.01)
    drawn[:] = torch.tensor([0.5, 0.5, 1.0, 1.0])
    moved = random_transform(spot, 3.0, torch.Generator())
    torch.testing.assert_close(moved[..., :37, :77], spot[..., 3:, 3:], rtol=0, atol=1e-5)


def test_grey_spectrum_that_is_not_square_is_one_wave() -> None:
    """Coefficient (0, 2) of 8 × 16 pixels alone: a cosine with two periods along x, at frequency 2 / 16."""
    spectrum = torch.zeros(1, 8, 9, 2)
    spectrum[0, 0, 2, 0] = 1.0
    x = torch.arange(16.0)
    wave = 2 * torch.cos(2 * torch.pi * 2 * x / 16) / (8 * 16) * ((8 * 16) ** 0.5 / (2 / 16)) / 4
    torch.testing.assert_close(spectrum_to_image(spectrum, 16)[0], torch.sigmoid(wave).expand(8, 16))


def test_optimized_input_is_reproducible_and_increases_its_objective() -> None:
    def objective(x: Tensor) -> Tensor:
        return x.mean()

    one, two, other = (optimize_input(objective, (3, 32, 32), 2.0, 150, seed) for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert objective(optimize_input(objective, (3, 32, 32), 2.0, 0)[None]) == pytest.approx(0.5, abs=0.1)
    assert objective(one[None]) > 0.7
    assert 0 <= one.min() <= one.max() <= 1


def test_optimized_input_of_a_red_unit_is_red() -> None:
    found = probe().optimized_input(0)
    middle = found["preferred/picture"][SIDE // 2 - 8 : SIDE // 2 + 8, SIDE // 2 - 8 : SIDE // 2 + 8].mean((0, 1))
    assert middle[0] - middle[1] > 100  # of grey noise it is about 0


def test_optimized_input_of_an_inactive_unit_shows_its_pattern() -> None:
    ready = probe()
    found = ready.optimized_input(1)
    y, x = divmod(int(found["preferred/where"]), SIDE - 5)
    part = found["preferred/picture"][y : y + 6, x : x + 6].mean(2)
    assert np.corrcoef(part.mean(0), BARS[0].numpy())[0, 1] > 0.9
    pixels = found["preferred/picture"].astype(np.float64) / 255
    normal = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    by_hand = (normal[y : y + 6, x : x + 6].sum(2) * BARS.numpy()).sum() / 36 - 0.05
    assert found["preferred/reached"] == pytest.approx(by_hand, rel=1e-3)
    assert by_hand > 0.5


def test_guided_gradient_is_the_kernel_on_the_receptive_field() -> None:
    pixels = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    pixels[0, :, :, 102:104] = 255
    gradient = probe().guided_gradient(pixels, 1, 50 * (SIDE - 5) + 100).astype(int)
    expected = np.full((SIDE, SIDE, 3), 128)
    expected[50:56, 100:106] = 128 + 127 * BARS.numpy().astype(int)[..., None]
    assert np.array_equal(gradient, expected)


def settings(folder: Path, *units: str) -> AuditConfig:
    return AuditConfig(
        data=folder / "photos" / "table.csv",
        classes=folder / "photos" / "classes.txt",
        select="none",
        model="python:tests.pipeline.test_feature_visualization:barred",
        layers=("1", "3"),
        feature_visualization=units,
        device="cpu",
        out=folder / "report",
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    folder = tmp_path_factory.mktemp("unit")
    squares(folder / "photos", each=2)
    return run_audit(settings(folder, "1:1"))


def test_unit_page_shows_optimized_input_and_guided_gradients(report: RunSummary) -> None:
    site = report.index.parent
    page = read_html(site / "units" / "1-3x219" / "0001.html")
    found = report.audit.main.feature_visualizations["1", 1]
    best = report.audit.main.units["1"][1].values[0]
    assert found.reached > best
    assert f"{found.reached:.3g}" in page
    assert f"{best:.3g}" in page
    assert "Guided backpropagation of its top patches" in page
    assert "Adebayo" in page
    assert len(found.gradients) == 6
    assert "Optimized input" not in read_html(site / "units" / "1-3x219" / "0000.html")


def test_rerun_reads_feature_visualizations_from_the_cache(report: RunSummary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnitVisualizer, "optimized_input", lambda *_: pytest.fail("optimised again"))
    monkeypatch.setattr(UnitVisualizer, "guided_gradient", lambda *_: pytest.fail("gradient again"))
    again = run_audit(settings(report.index.parents[2], "1:1")).audit.main.feature_visualizations["1", 1]
    assert np.array_equal(again.picture, report.audit.main.feature_visualizations["1", 1].picture)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("1", "name a unit as"),
        ("1:x", "name a unit as"),
        ("9:1", "no layer `9`"),
        ("1:3", "no unit 3"),
        ("0:1", "units have no pages"),
    ],
)
def test_unknown_unit_is_refused_before_the_work(tmp_path: Path, unit: str, message: str) -> None:
    squares(tmp_path / "photos", each=1)
    with pytest.raises(ConfigError) as caught:
        run_audit(settings(tmp_path, unit))
    assert message in f"{caught.value} {caught.value.hint}"
    assert not (tmp_path / "report" / "site").exists()
