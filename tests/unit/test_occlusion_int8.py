"""Occlusion with 8-bit multiplications: convolutions compared with integers, results with the definition."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18

from reportgen.methods.occlusion import int8 as eightbit
from reportgen.methods.occlusion.definition import DirectOcclusion, occlude, square_grid
from reportgen.methods.occlusion.int8 import LEVELS, ZERO_LEVEL, Int8Convolution, Int8Occlusion, int8_available
from reportgen.methods.occlusion.occluder import make_occluder
from tests.unit.test_occluder import classifier
from tests.unit.test_occlusion import Everything, halves

SQUARES = [(8, 10), (5, 14), (30, 15)]
needs_instructions = pytest.mark.skipif(not int8_available(), reason="no VNNI")


@pytest.fixture
def every_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eightbit, "MIN_INTENSITY", 0)


@needs_instructions
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(3, 5, 3, 2, 1),
        nn.Conv2d(7, 4, (1, 5), padding=(0, 2), bias=False),
        nn.Conv2d(4, 9, 3, 1, 2, dilation=2),
        nn.Conv2d(16, 32, 1, padding=3),
    ],
    ids=["strided", "rectangular", "dilated", "pointwise"],
)
def test_int8_convolution_equals_that_of_the_rounded_numbers(conv: nn.Conv2d, padded: bool) -> None:
    """Integers times integers, each output channel with its scale; oracle in float64, where they are exact.

    No weight lies near the middle between two levels, where float32 and float64 may round to different ones.
    """
    random = torch.Generator().manual_seed(0)
    shape, worth = conv.weight.shape, torch.linspace(0.01, 0.02, len(conv.weight))[:, None, None, None]
    weight = torch.randint(-LEVELS, LEVELS + 1, shape, generator=random)
    weight[:, 0, 0, 0] = LEVELS  # the level of the largest weight
    offsets = (torch.rand(shape, generator=random) - 0.5) * (weight.abs() < LEVELS) * 0.9
    conv.weight.data = (weight + offsets) * worth
    levels = torch.randint(
        ZERO_LEVEL - LEVELS, ZERO_LEVEL + LEVELS + 1, (2, conv.in_channels, 11, 13), dtype=torch.uint8, generator=random
    )
    found = Int8Convolution(conv)(levels.contiguous(memory_format=torch.channels_last), 0.25, padded)
    padding = conv.padding if padded else 0
    sums = F.conv2d(levels.double() - ZERO_LEVEL, weight.double(), None, conv.stride, padding, conv.dilation)
    torch.testing.assert_close(
        found.double(), sums * worth.double().flatten()[:, None, None] * 0.25, rtol=1e-5, atol=1e-4
    )


class Unrounded:
    """A convolution of levels that are no integers."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.conv = conv

    def __call__(self, levels: Tensor, scale: float, padded: bool) -> Tensor:
        conv, padding = self.conv, self.conv.padding if padded else 0
        return F.conv2d((levels - ZERO_LEVEL) * scale, conv.weight, None, conv.stride, padding, conv.dilation)


@pytest.mark.usefixtures("every_convolution")
@pytest.mark.parametrize(("side", "stride"), SQUARES)
@pytest.mark.parametrize("gated", [False, True])
def test_int8_occlusion_equals_the_definition_up_to_rounding(
    side: int, stride: int, gated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eightbit, "Int8Convolution", Unrounded)
    monkeypatch.setattr(eightbit, "_quantize_change", lambda change: (change + ZERO_LEVEL, 1.0))
    trunk, head = halves(Everything(gated), (61, 75))
    image = torch.randn(1, 3, 61, 75)
    squares = square_grid(61, 75, side, stride, (0.3, -0.2, 0.1))
    rounded = Int8Occlusion(trunk)
    assert len(rounded.convolutions) == 3 + gated
    expected = occlude(DirectOcclusion(trunk), head, image, squares, 3)
    found = occlude(rounded, head, image, squares, 3)
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    assert expected.logits.std(0).min() > 1e-4  # the squares do matter


@needs_instructions
@pytest.mark.usefixtures("every_convolution")
@pytest.mark.parametrize(("side", "stride"), SQUARES)
def test_int8_rounding_is_small_against_the_effect_of_the_square(side: int, stride: int) -> None:
    """A step of 1/127 of the largest change is an error of about 1 % of the usual one (a uniform error's deviation is
    0.29 steps, the largest change about 5 deviations); 20 layers' weights and changes together: 1 % √40 ≈ 7 %."""
    trunk, head = halves(resnet18(weights=None, num_classes=7), (96, 96))
    image = torch.randn(1, 3, 96, 96)
    squares = square_grid(96, 96, side, 2 * stride, (0.3, -0.2, 0.1))
    expected = occlude(DirectOcclusion(trunk), head, image, squares, 3).logits
    error = occlude(Int8Occlusion(trunk), head, image, squares, 3).logits - expected
    assert 0 < error.norm() / (expected - head(trunk(image))).norm() < 0.1


@needs_instructions
@pytest.mark.usefixtures("every_convolution")
def test_square_that_changes_no_pixel_changes_no_logit() -> None:
    trunk, head = halves(Everything(), (61, 61))
    image = torch.tensor([0.3, -0.2, 0.1])[None, :, None, None].expand(1, 3, 61, 61).contiguous()
    squares = square_grid(61, 61, 9, 13, (0.3, -0.2, 0.1))
    found = occlude(Int8Occlusion(trunk), head, image, squares, 0).logits
    torch.testing.assert_close(found, head(trunk(image)).expand_as(found), rtol=1e-5, atol=1e-5)


@needs_instructions
def test_int8_rounds_large_convolutions_only() -> None:
    layers = [nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3), nn.Conv2d(64, 64, 1), nn.Conv2d(64, 64, 3, groups=64)]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 3))
    rounded = Int8Occlusion(halves(network, (40, 40))[0])
    (conv,) = rounded.convolutions.values()
    assert conv.scale.shape == (64,)
    places = torch.arange(4)
    squares = square_grid(40, 40, 8, 30, (0.0,) * 3)
    exact = super(Int8Occlusion, rounded)
    assert [rounded.multiplication_cost(node) / exact.multiplication_cost(node) for node in rounded.convolutions] == [
        eightbit.INT8_COST
    ]
    assert rounded.relative_cost(squares, places) < 1


def test_fast_occlusion_uses_int8_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reportgen.methods.occlusion.occluder.native_precision", lambda device: None)
    monkeypatch.setattr("reportgen.methods.occlusion.occluder.int8_available", lambda: False)
    assert make_occluder(classifier(), 16, 16, (0.5, 0.5, 0.5)).arithmetic == "float32"
    if int8_available():
        monkeypatch.setattr("reportgen.methods.occlusion.occluder.int8_available", lambda: True)
        assert make_occluder(classifier(), 16, 16, (0.5, 0.5, 0.5)).arithmetic == "float32"  # no large convolution
        monkeypatch.setattr(eightbit, "MIN_INTENSITY", 0)
        ready = make_occluder(classifier(), 16, 16, (0.5, 0.5, 0.5))
        assert ready.arithmetic == "8 bits"
        assert {type(way) for way in ready.fast_backends.values()} == {Int8Occlusion}


def test_nothing_is_rounded_without_int8_hardware_or_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    int8_available.cache_clear()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert not int8_available()
    int8_available.cache_clear()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": True})
    monkeypatch.setattr(eightbit, "Int8Convolution", lambda conv: torch.ops.onednn.no_such_operator)
    assert not int8_available()
    int8_available.cache_clear()
