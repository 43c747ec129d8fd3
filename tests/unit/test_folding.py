"""Folding: the folded network computes the same outputs, and the original network is unchanged."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.models.folding import fold
from reportgen.models.graph import trace

EXAMPLE = torch.randn(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))


class Mixed(nn.Module):
    """Whatever a fusion could get wrong, in one network."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.randn(8, 3, 3, 3) / 5)
        self.even, self.odd = nn.ZeroPad2d(1), nn.ZeroPad2d((0, 1, 0, 1))
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(4))
        self.alone = nn.BatchNorm2d(8)
        self.read_twice = nn.Conv2d(8, 8, 1)
        self.relu, self.relu6 = nn.ReLU(), nn.ReLU6()
        for norm in (*self.norms, self.alone):
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.normal_(norm.bias)
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norms[0](F.conv2d(self.even(x), self.weight, stride=2)))  # a function, padded evenly
        x = self.relu(self.norms[1](self.shared(x)))
        x = self.relu(self.norms[2](self.shared(x)))  # the same weights, another normalisation
        x = self.relu6(self.norms[3](self.shared(self.odd(x))))  # padded on one side
        y = self.read_twice(x)
        x = y + self.relu(y)  # what two read must not be written over
        return self.alone(self.relu(self.even(x)))  # nothing to fold into, and no convolution to pad


def kinds(graph: fx.GraphModule) -> list[str]:
    modules = (graph.get_submodule(str(node.target)) for node in graph.graph.nodes if node.op == "call_module")
    return [type(module).__name__ for module in modules]


def test_folded_network_gives_the_same_outputs() -> None:
    network = Mixed().eval()
    before = copy.deepcopy(network.state_dict())
    graph = trace(network, EXAMPLE)
    made = fold(graph)
    with torch.no_grad():
        expected = network(EXAMPLE)
        torch.testing.assert_close(made(EXAMPLE), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(graph(EXAMPLE), expected, rtol=0, atol=0)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_folding_removes_what_can_be_folded_and_keeps_the_rest() -> None:
    made = fold(trace(Mixed().eval(), EXAMPLE))
    assert isinstance(made, fx.GraphModule)
    assert kinds(made).count("BatchNorm2d") == 1
    assert kinds(made).count("ZeroPad2d") == 2
    assert not any(node.op == "get_attr" for node in made.graph.nodes)
    in_place = [
        made.get_submodule(str(node.target)).inplace
        for node in made.graph.nodes
        if node.op == "call_module" and isinstance(made.get_submodule(str(node.target)), nn.ReLU | nn.ReLU6)
    ]
    assert in_place == [True, True, True, True, False, False]
    assert all(node.meta["shape"] for node in made.graph.nodes if node.op == "call_module")


def test_folding_returns_a_module_without_a_graph_unchanged() -> None:
    network = Mixed().eval()
    assert fold(network) is network


def test_view_of_flattened_maps_works_in_the_folded_layout() -> None:
    """As LeNet and VGG are written by hand: a channels-last tensor cannot be viewed so."""
    network = WithView().eval()
    graph = trace(network, torch.zeros(1, 3, 16, 16))
    x = torch.randn(2, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(fold(graph)(x), network(x.contiguous()))


class WithView(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, 2), nn.Linear(4 * 7 * 7, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).view(x.size(0), -1))


class FourierFilter(nn.Module):
    """Multiplies the spectrum by complex weights, which are stored as real ones of four dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.weight = nn.Conv2d(3, 4, 3, 1, 1), nn.Parameter(torch.randn(4, 8, 5, 2))

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(self.conv(x)) * torch.view_as_complex(self.weight)
        return torch.fft.irfft2(spectrum, s=x.shape[-2:]).mean((2, 3))


class DepthwiseBlur(nn.Module):
    """The number of groups is a size, which the graph computes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.rand(3, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, groups=x.shape[1]).mean((2, 3))


@pytest.mark.parametrize("kind", [FourierFilter, DepthwiseBlur])
def test_folding_leaves_what_it_cannot_change(kind: type[nn.Module]) -> None:
    network = kind().eval()
    x = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(fold(trace(network, x[:1]))(x), network(x))
