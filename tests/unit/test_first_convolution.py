"""The first convolution is the one that reads the image, whatever stands before or beside it."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reportgen.models.classifier import ConvWeights
from reportgen.models.first_convolution import deeper_convolutions, first_convolution
from reportgen.models.graph import trace
from reportgen.models.layers import find_layers


class Branches(nn.Module):
    """RepVGG's block: a 3 × 3 and a 1 × 1 convolution, each normalized, are added."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.large, self.small = nn.Conv2d(3, 5, 3, 2, 1, bias=False), nn.Conv2d(3, 5, 1, 2, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(5), nn.BatchNorm2d(5)])
        for norm in self.norms:
            for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                nn.init.uniform_(values, 0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norms[0](self.large(x)) + self.norms[1](self.small(x)))

    def fused(self) -> Tensor:
        """Written from the definition: each kernel times scale over deviation, the small one in the middle."""
        scales = [norm.weight / (norm.running_var + norm.eps).sqrt() for norm in self.norms]
        kernel = self.large.weight * scales[0].view(-1, 1, 1, 1)
        kernel[:, :, 1, 1] += self.small.weight[:, :, 0, 0] * scales[1].view(-1, 1)
        return kernel


class Standardized(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel(), self.bias, self.stride)

    def kernel(self) -> Tensor:
        std, mean = torch.std_mean(self.weight, (1, 2, 3), keepdim=True)
        return (self.weight - mean) / std


class Gate(nn.Module):
    """A squeeze-and-excitation layer, whose convolutions are modules."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(5, 2, 1), nn.Conv2d(2, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))


class Normalized(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.pad((x - 0.5) / 0.25, (1, 1, 1, 1))


class Nonlinear(Branches):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.large(x)) + F.relu(self.small(x))


def first_of(stem: nn.Module) -> tuple[ConvWeights | None, list[str], list[str]]:
    """The first convolution, the names of the others, and the layers that are marked as the first."""
    network = nn.Sequential(stem, Gate(), nn.Conv2d(5, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))
    graph = trace(network, torch.zeros(1, 3, 20, 20))
    marked = [layer.name for layer in find_layers(graph, nn.Identity()) if layer.is_first_conv]
    return first_convolution(graph), [weights.layer for weights in deeper_convolutions(graph)], marked


DEEPER = ["1.down", "1.up", "2"]


@torch.no_grad()
def test_parallel_branches_are_fused() -> None:
    stem = Branches()
    first, deeper, marked = first_of(copy.deepcopy(stem))
    assert first is not None
    assert first.layer == "0, measured"
    torch.testing.assert_close(first.weight, stem.fused(), rtol=1e-4, atol=1e-5)
    assert (deeper, marked) == (DEEPER, ["0"])


@torch.no_grad()
def test_standardized_weights_are_those_that_are_used() -> None:
    stem = Standardized(3, 5, 3, 2)
    first, deeper, _ = first_of(copy.deepcopy(stem))
    assert first is not None
    torch.testing.assert_close(first.weight, stem.kernel())
    assert deeper == DEEPER


@pytest.mark.parametrize("before", [[], [Normalized()], [nn.BatchNorm2d(3), nn.ReflectionPad2d(2)]])
def test_convolution_after_preprocessing_is_the_first(before: list[nn.Module]) -> None:
    convolution = nn.Conv2d(3, 5, 3, 2)
    first, deeper, _ = first_of(nn.Sequential(*before, convolution))
    assert first is not None
    assert torch.equal(first.weight, convolution.weight)
    assert deeper == DEEPER


def test_branches_that_no_kernel_describes_have_none() -> None:
    first, deeper, _ = first_of(Nonlinear())
    assert first is None
    assert deeper == DEEPER


class Unshuffled(nn.Module):
    """Pixels of 2 × 2 squares as channels, and a convolution of them: a 6 × 6 convolution of the image."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shuffle, self.conv = nn.PixelUnshuffle(2), nn.Conv2d(12, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.shuffle(x))


def test_first_convolution_of_rearranged_pixels_has_its_own_weights() -> None:
    first, _, _ = first_of(Unshuffled())
    assert first is not None
    assert first.weight.shape == (5, 12, 3, 3)
