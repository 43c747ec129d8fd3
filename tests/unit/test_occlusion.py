"""Occlusion: the definition by hand, an additive network, and the incremental method compared with the definition."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision.models as M
from torch import Tensor, nn

from reportgen.methods.occlusion.definition import DirectOcclusion, SquareGrid, occlude, occlude_image, square_grid
from reportgen.methods.occlusion.incremental import IncrementalOcclusion
from reportgen.models.graph import trace
from reportgen.models.split import split


def test_square_positions_reach_the_far_edge() -> None:
    squares = square_grid(20, 17, 8, 4, (0.0,) * 3)
    assert (squares.rows, squares.columns) == ((0, 4, 8, 12), (0, 4, 8, 9))
    assert squares.corners[:2].tolist() == [[0, 0], [0, 4]]
    assert len(squares.corners) == 16
    with pytest.raises(ValueError, match="9 pixels does not fit into 8"):
        square_grid(8, 8, 9, 1, (0.0,))


def test_occluded_image_differs_in_the_square_alone() -> None:
    image = torch.arange(24.0).reshape(1, 2, 3, 4)
    copy = occlude_image(image, SquareGrid(2, (1,), (2,), (-1.0, -2.0)), torch.tensor([[1, 2]]))
    expected = image.clone()
    expected[0, 0, 1:, 2:], expected[0, 1, 1:, 2:] = -1, -2
    assert torch.equal(copy, expected)


class Weighted(nn.Module):
    """The sum of the pixels, each times its weight."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).sum((1, 2, 3), keepdim=True)


def test_disjoint_squares_sum_to_the_output_of_an_additive_network() -> None:
    """logit = Σ pixels · weight: squares that tile the image take away parts that sum to the whole logit."""
    torch.manual_seed(0)
    image, weight = torch.randn(1, 3, 12, 12), torch.randn(3, 12, 12)
    squares = square_grid(12, 12, 4, 4, (0.0,) * 3)
    answers = occlude(DirectOcclusion(Weighted(weight)), nn.Flatten(), image, squares, 0)
    whole = (image * weight).sum()
    parts = whole - answers.logits[:, 0]
    torch.testing.assert_close(parts.sum(), whole)
    torch.testing.assert_close(parts[4], (image * weight)[0, :, 4:8, 4:8].sum())
    torch.testing.assert_close(answers.unit_total, answers.logits[:, 0])


class Everything(nn.Module):
    """Strides, dilation, groups, depthwise, rectangular kernels, pools with and without ceil_mode, branches, residuals,
    regrouped channels and a functional activation, on odd sizes."""

    def __init__(self, gated: bool = False) -> None:
        super().__init__()
        self.gated = gated
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 5, 2, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.a = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2)
        self.b = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(8, 8, 2, groups=8), nn.BatchNorm2d(8))
        self.c = nn.AvgPool2d(3, 1, 1)
        self.wide = nn.Conv2d(8, 8, (1, 3), padding="same")
        self.join = nn.Conv2d(32, 8, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())
        self.down = nn.Conv2d(8, 12, 3, 2)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stem(x))
        n, c, h, w = x.size()
        shuffled = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        left, right = shuffled.chunk(2, dim=1)
        both = torch.cat((right, left), 1)
        x = F.relu(self.join(torch.cat([self.a(x), self.b(both), self.c(x), self.wide(x)], 1))) + x
        if self.gated:
            x = x * self.gate(x)
        return self.head(F.relu(self.down(x)).mean((2, 3)))


def halves(module: nn.Module, size: tuple[int, int], channels: int = 3) -> tuple[nn.Module, nn.Module]:
    """Trunk and head, with statistics and weights that keep signals of size 1 through every layer."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.1, 0.1)
            part.running_var.uniform_(0.8, 1.2)
            nn.init.uniform_(part.weight, 0.8, 1.2)
    graph = trace(module.eval(), torch.zeros(1, channels, *size))
    maps = [
        node for node in graph.graph.nodes if len(shape := node.meta.get("shape") or ()) == 4 and min(shape[2:]) > 1
    ]
    return split(graph, maps[-1])


@pytest.mark.parametrize(("side", "stride"), [(8, 10), (5, 14), (1, 30), (30, 15)])
@pytest.mark.parametrize("gated", [False, True])
def test_incremental_occlusion_equals_the_definition(side: int, stride: int, gated: bool) -> None:
    trunk, head = halves(Everything(gated), (61, 75))
    image = torch.randn(1, 3, 61, 75)
    squares = square_grid(61, 75, side, stride, (0.3, -0.2, 0.1))
    expected = occlude(DirectOcclusion(trunk), head, image, squares, 3)
    incremental = IncrementalOcclusion(trunk)
    found = occlude(incremental, head, image, squares, 3)
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.unit_total, expected.unit_total, rtol=1e-4, atol=1e-4)
    assert expected.logits.std(0).min() > 1e-4  # the squares do matter


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "googlenet"])
def test_incremental_occlusion_equals_the_definition_on_known_networks(name: str) -> None:
    options = {"init_weights": False} if name == "googlenet" else {}
    trunk, head = halves(M.get_model(name, weights=None, num_classes=7, **options), (96, 96))
    image = torch.randn(1, 3, 96, 96)
    squares = SquareGrid(16, (0, 40, 80), (0, 56), (0.0, 0.5, 0.0))
    expected = occlude(DirectOcclusion(trunk), head, image, squares, 0)
    found = occlude(IncrementalOcclusion(trunk), head, image, squares, 0)
    scale = expected.logits.abs().max()
    torch.testing.assert_close(found.logits / scale, expected.logits / scale, rtol=0, atol=1e-4)


@pytest.mark.parametrize("make", [DirectOcclusion, IncrementalOcclusion])
def test_batch_of_positions_is_halved_until_it_fits_memory(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trunk, head = halves(Everything(), (61, 61))
    image, squares = torch.randn(1, 3, 61, 61), square_grid(61, 61, 9, 13, (0.0,) * 3)
    way = make(trunk)
    whole, once, sizes = occlude(way, head, image, squares, 0), make.feature_maps, []

    def small(self: Any, x: Tensor, over: SquareGrid, places: Tensor) -> Tensor:
        if len(places) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(places))
        return once(self, x, over, places)

    monkeypatch.setattr(make, "feature_maps", small)
    found = occlude(way, head, image, squares, 0)
    assert max(sizes) == 3
    torch.testing.assert_close(found.logits, whole.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.unit_total, whole.unit_total, rtol=1e-4, atol=1e-4)


def test_incremental_occlusion_keeps_nothing_of_the_previous_image() -> None:
    trunk, head = halves(Everything(), (61, 61))
    squares = square_grid(61, 61, 9, 26, (0.0,) * 3)
    incremental = IncrementalOcclusion(trunk)
    for seed in range(2):
        image = torch.randn(1, 3, 61, 61, generator=torch.Generator().manual_seed(seed))
        found = occlude(incremental, head, image, squares, 0)
        expected = occlude(DirectOcclusion(trunk), head, image, squares, 0)
        torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)


def test_incremental_work_is_small_for_local_networks_and_full_otherwise() -> None:
    squares = square_grid(96, 96, 8, 8, (0.0,) * 3)
    places = torch.arange(len(squares))
    local = IncrementalOcclusion(halves(Everything(), (96, 96))[0]).relative_cost(squares, places)
    assert 0.02 < local < 0.5
    mixed = nn.Sequential(nn.Softmax(3), nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    assert IncrementalOcclusion(halves(mixed, (96, 96))[0]).relative_cost(squares, places) == 1.0


def test_incremental_occlusion_rejects_a_module_without_a_graph() -> None:
    with pytest.raises(TypeError, match="traced"):
        IncrementalOcclusion(nn.Conv2d(3, 4, 3))
