"""The occluder: which method it chooses and why, and that fast occlusion is as similar to exact as stated."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.methods.occlusion.definition import DirectOcclusion, occlude, square_grid
from reportgen.methods.occlusion.incremental import IncrementalOcclusion
from reportgen.methods.occlusion.occluder import Occluder, make_occluder
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.selected_images import occlusion_square
from tests.support.html import read_html
from tests.unit.test_occlusion import halves

SIDE = 96


class Gate(nn.Module):
    """Squeeze-excite: every channel times a number that depends on all positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mix(F.adaptive_avg_pool2d(x, 1)).sigmoid()


class Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, 1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.size()
        rows = x.flatten(2).transpose(1, 2)
        return x + self.attention(rows, rows, rows, need_weights=False)[0].transpose(1, 2).reshape(n, c, h, w)


def classifier(*first: nn.Module) -> Classifier:
    torch.manual_seed(0)
    network = nn.Sequential(
        *first, nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 12, 3, 1, 1),
        nn.ReLU(), nn.Conv2d(12, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 6),
    )  # fmt: skip
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    made = classifier_from_module(network.eval(), "small", None, Preprocessing(size=SIDE))
    return replace(made, trunk=made.trunk.eval(), head=made.head.eval())


def blurred() -> Classifier:
    """A network that sees means of 15 × 15 pixels, so that its logits change slowly with the square's position."""
    return classifier(nn.AvgPool2d(15, 1, 7))


def images(n: int) -> list[Tensor]:
    """Smooth pictures, as photographs are: coarse noise, enlarged."""
    coarse = torch.randn(n, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    return list(F.interpolate(coarse, (SIDE, SIDE), mode="bicubic").split(1))


@pytest.fixture(scope="module")
def ready() -> Occluder:
    return make_occluder(classifier(), 16, 5, (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("size", "given", "square"),
    [
        (224, {}, (32, 8)),
        (299, {}, (32, 8)),
        (112, {}, (16, 4)),
        ((32, 100), {}, (5, 1)),
        (3, {}, (1, 1)),
        (28, {"occlusion_side": 7}, (7, 1)),
        (28, {"occlusion_stride": 2}, (4, 2)),
    ],
)
def test_occluding_square_is_smaller_for_small_inputs(
    size: int | tuple[int, int], given: dict[str, int], square: tuple[int, int]
) -> None:
    assert occlusion_square(AuditConfig(**given), Preprocessing(size)) == square


@pytest.mark.parametrize("mixing", [Gate, Attention])
def test_network_that_mixes_positions_early_is_run_in_full_with_the_reason(mixing: type[nn.Module]) -> None:
    found = make_occluder(classifier(mixing(3)), 16, 16, (0.5, 0.5, 0.5))
    assert isinstance(found.exact_backend, DirectOcclusion)
    assert "mixes all positions" in found.fallback_reason
    assert list(found.fast_backends) == [1.0]


def test_local_network_is_run_incrementally(ready: Occluder) -> None:
    assert isinstance(ready.exact_backend, IncrementalOcclusion)
    assert ready.fallback_reason == ""


def test_fast_occlusion_is_as_similar_to_exact_as_stated(ready: Occluder) -> None:
    """The least SSIM by scikit-image over the images of the trials, between the maps that `exact` and `fast` keep."""
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    few = images(3)
    fast = ready.calibrated(np.stack([ready.trial(x, 2)["trial/probability"] for x in few]))
    assert fast.approximation is not None
    assert fast.approximation.computed_share(fast.grid) < 1
    assert fast.seconds_per_image < ready.seconds_per_image
    found = []
    for x in few:
        true, near = (one(x, 2)["occlusion/probability"].astype(np.float64) for one in (ready, fast))
        assert not np.array_equal(true, near)
        found.append(structural_similarity(true, near, data_range=true.max() - true.min()))
    assert fast.similarity == pytest.approx(min(found), abs=1e-3)
    assert fast.similarity >= 0.95


def test_fast_occlusion_returns_consistent_arrays(ready: Occluder) -> None:
    few = images(3)
    fast = ready.calibrated(np.stack([ready.trial(x, None)["trial/probability"] for x in few]))
    kept = fast(few[0], None)
    first, score = kept["occlusion/class"], kept["occlusion/score"].astype(np.float64)
    assert (np.diff(score, axis=-1) <= 0).all()
    assert (score.sum(-1) <= 1.01).all()
    subject = kept["occlusion/subject"]
    own = np.where(first == subject, score, 0).sum(-1)
    np.testing.assert_allclose(own, np.where(own > 0, kept["occlusion/probability"], 0), atol=1e-3)
    exact = ready(few[0], None)
    assert {name: array.shape for name, array in kept.items()} == {name: array.shape for name, array in exact.items()}
    assert (first[..., 0] == exact["occlusion/class"][..., 0]).mean() > 0.9


def test_report_states_how_far_fast_occlusion_approximates(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for n, x in enumerate(images(4)):
        pixels = (128 + 50 * x[0].permute(1, 2, 0)).clamp(0, 255).to(torch.uint8).numpy()
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{n}.png")
    config = AuditConfig(
        data=tmp_path / "photos", model="python:tests.unit.test_occluder:blurred", device="cpu", occlusion="fast",
        occlusion_side=24, occlusion_stride=4, select="1", out=tmp_path / "report",
    )  # fmt: skip
    results = run_audit(config).audit.main.selected["occlusion"]
    (row,) = results.rows
    found = results.of_image(row)
    step, similarity = int(found["occlusion/step"]), float(found["occlusion/similarity"])
    assert found["occlusion/approximate"]
    assert step > 1
    assert similarity >= 0.95
    page = read_html(next((tmp_path / "report" / "site" / "images").glob(f"{row:06d}-*.html")))
    place = ("second", "third", "fourth")[step - 2]
    assert re.search(rf"the square [^.]*at every {place} position", page)
    assert re.search(rf"a structural similarity[^.]* of at least {similarity:.3f}", page)


def test_occluder_without_a_trial_stays_exact(ready: Occluder) -> None:
    assert ready.calibrated(np.zeros((0,))) is ready


@pytest.mark.parametrize("channels", [1, 5])
def test_incremental_occlusion_takes_one_or_many_channels(channels: int) -> None:
    network = nn.Sequential(
        nn.Conv2d(channels, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 3),
    )  # fmt: skip
    trunk, head = halves(network, (40, 40), channels)
    image = torch.randn(1, channels, 40, 40)
    squares = square_grid(40, 40, 8, 12, (0.2,) * channels)
    expected = occlude(DirectOcclusion(trunk), head, image, squares, 0)
    found = occlude(IncrementalOcclusion(trunk), head, image, squares, 0)
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)


def test_incremental_occlusion_takes_inputs_smaller_than_the_receptive_field() -> None:
    """Five dilated convolutions see 63 pixels of an input of 24: every square changes every position behind them."""
    layers = [part for d in (1, 2, 4, 8, 16) for part in (nn.Conv2d(4, 4, 3, padding=d, dilation=d), nn.ReLU())]
    network = nn.Sequential(nn.Conv2d(3, 4, 1), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    trunk, head = halves(network, (24, 24))
    image = torch.randn(1, 3, 24, 24)
    squares = square_grid(24, 24, 6, 6, (0.1, 0.2, 0.3))
    expected = occlude(DirectOcclusion(trunk), head, image, squares, 0)
    found = occlude(IncrementalOcclusion(trunk), head, image, squares, 0)
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.unit_total, expected.unit_total, rtol=1e-4, atol=1e-4)
