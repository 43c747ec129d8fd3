"""Receptive fields, compared with cases worked by hand and with where the gradient is not zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.models as M
from torch import Tensor, fx, nn

from reportgen.models.field_check import checked_receptive_fields
from reportgen.models.graph import trace
from reportgen.models.receptive_fields import ReceptiveField, receptive_fields


def fields_of(make: Callable[[], nn.Module], size: tuple[int, int]) -> tuple[fx.GraphModule, dict[str, ReceptiveField]]:
    """Only the structure matters, so the weights are never made (torch's meta device)."""
    with torch.device("meta"):
        graph = trace(make(), torch.zeros(1, 3, *size))
    return graph, receptive_fields(graph)


def test_receptive_field_of_one_convolution_matches_values_by_hand() -> None:
    """Kernel 3, stride 2, padding 1 on 7 rows: positions see rows [-1, 2), [1, 4), [3, 6), [5, 8), cut at 0 and 7."""
    _, fields = fields_of(lambda: nn.Sequential(nn.Conv2d(3, 2, 3, 2, 1)), (7, 9))
    field = fields["_0"]
    assert field.rows.intervals.tolist() == [[0, 2], [1, 4], [3, 6], [5, 7]]
    assert field.columns.intervals.tolist() == [[0, 2], [1, 4], [3, 6], [5, 8], [7, 9]]
    assert (field.size, field.stride) == ((3, 3), (2, 2))
    assert field.box(0, 4) == (7, 0, 9, 2)


@pytest.mark.parametrize(
    ("name", "node", "size", "stride"),
    [
        ("alexnet", "features_10", 163, 16),
        ("alexnet", "features_12", 195, 32),
        ("vgg16", "features_28", 196, 16),
        ("resnet18", "layer4_1_conv2", 435, 32),
    ],
)
def test_receptive_field_sizes_equal_published_ones(name: str, node: str, size: int, stride: int) -> None:
    """The well-known sizes (Araujo et al. 2019, Table 1, and the usual layer arithmetic)."""
    _, fields = fields_of(lambda: getattr(M, name)(weights=None), (224, 224))
    assert fields[node].size == (size, size)
    assert fields[node].stride == (stride, stride)


class Branches(nn.Module):
    """Parallel dilated, pooled and rectangular kernels, and a residual around them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, (3, 1), stride=(2, 1), padding=(1, 0))
        self.a = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.b = nn.AvgPool2d(3, 1, 1)
        self.c = nn.Conv2d(4, 4, (1, 5), padding="same")
        self.join = nn.Conv2d(12, 4, 1)
        self.down = nn.MaxPool2d(3, 2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        joined = self.join(torch.cat([self.a(x), self.b(x), self.c(x)], 1))
        return self.down(F.relu(joined) + x)


class Gated(nn.Module):
    """A squeeze-excite gate: after it every position sees everything."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(self.pool(x))


def support(graph: fx.GraphModule, node: fx.Node, size: tuple[int, int], y: int, x: int) -> tuple[int, ...]:
    """The box around the input pixels that have a gradient of the node's value at (y, x); zeros where there is none."""
    image = torch.ones(1, 3, *size, requires_grad=True)
    output = structural(graph, node, image)
    (gradient,) = torch.autograd.grad(output[0, :, y, x].sum(), image, allow_unused=True)
    ys, xs = np.nonzero(np.zeros(size) if gradient is None else gradient[0].sum(0).numpy())
    return (int(xs.min()), int(ys.min()), int(xs.max() + 1), int(ys.max() + 1)) if len(ys) else (0, 0, 0, 0)


def structural(graph: fx.GraphModule, until: fx.Node, image: Tensor) -> Tensor:
    """The network up to a node with equal positive weights, means for maxima, and without nonlinearities: no path is
    hidden by a dead unit or by cancelling, so its gradient's support is the network's structure."""
    values: dict[fx.Node, object] = {}
    runner = fx.Interpreter(graph)
    for node in graph.graph.nodes:
        args, kwargs = (fx.map_arg(a, lambda n: values[n]) for a in (node.args, node.kwargs))
        if node.op == "placeholder":
            values[node] = image
        elif node.op == "call_module":
            values[node] = structural_module(graph.get_submodule(str(node.target)), *args)
        elif node.target is F.relu:
            values[node] = args[0]
        elif node.target is torch.conv2d:
            values[node] = structural_conv(*args)
        else:
            values[node] = getattr(runner, node.op)(node.target, args, kwargs)
        if node is until:
            break
    found = values[until]
    assert isinstance(found, Tensor)
    return found


def structural_conv(
    x: Tensor, weight: Tensor, bias: object, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Every output channel is the sum over the taps of the channels' mean."""
    taps = torch.ones(1, 1, *weight.shape[2:]) / 3
    summed = F.conv2d(x.mean(1, keepdim=True), taps, None, stride, padding, dilation)
    return summed.expand(-1, weight.shape[0], -1, -1)


def structural_module(module: nn.Module, x: Tensor) -> Tensor:
    if isinstance(module, nn.Conv2d):
        return structural_conv(x, module.weight, None, module.stride, module.padding, module.dilation)
    if isinstance(module, nn.MaxPool2d):
        return F.avg_pool2d(x, module.kernel_size, module.stride, module.padding, module.ceil_mode)
    if isinstance(module, nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.ZeroPad2d):
        return module(x)
    return x


def lite0() -> nn.Module:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    return package.EfficientNet.from_name("efficientnet-lite0")


NETWORKS = {
    "alexnet": (lambda: M.alexnet(weights=None), (80, 96)),
    "vgg16": (lambda: M.vgg16(weights=None).features, (70, 64)),
    "resnet18": (lambda: M.resnet18(weights=None), (96, 80)),
    "googlenet": (lambda: M.googlenet(weights=None, init_weights=False), (96, 112)),
    "densenet121": (lambda: M.densenet121(weights=None), (64, 96)),
    "efficientnet_lite0": (lite0, (224, 224)),
    "shufflenet": (lambda: M.shufflenet_v2_x0_5(weights=None), (64, 64)),
    "branches": (Branches, (23, 18)),
    "gated": (Gated, (12, 10)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_fields_are_where_the_gradient_is(name: str) -> None:
    make, size = NETWORKS[name]
    graph, fields = fields_of(make, size)
    spatial = [
        n for n in graph.graph.nodes
        if n.name in fields and len(n.meta.get("shape") or ()) == 4 and n.meta["shape"][2] > 1 and n.op != "placeholder"
    ]  # fmt: skip
    random = np.random.default_rng(0)
    chosen = [spatial[i] for i in np.unique(np.linspace(0, len(spatial) - 1, 5).astype(int))]
    for node in chosen:
        h, w = node.meta["shape"][2:]
        for y, x in ((0, 0), (h - 1, w - 1), (random.integers(h), random.integers(w))):
            assert fields[node.name].box(y, x) == support(graph, node, size, y, x), (node.name, y, x)


class Standardised(nn.Conv2d):
    """Weights that the forward pass computes from the parameter alone, as in BiT and NFNet, or from the image too."""

    by_image = False

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight * x.mean() if self.by_image else weight, self.bias)


class WeightsByImage(Standardised):
    by_image = True


def test_convolution_with_standardized_weights_has_the_field_of_its_kernel() -> None:
    graph, fields = fields_of(lambda: nn.Sequential(Standardised(3, 4, 3), nn.ReLU()), (9, 8))
    assert [node.name for node in graph.graph.nodes if node.target is F.conv2d]
    assert fields["conv2d"].box(2, 2) == (2, 2, 5, 5)


def test_convolution_with_weights_from_the_image_sees_all_of_it() -> None:
    _, fields = fields_of(lambda: nn.Sequential(WeightsByImage(3, 4, 3), nn.ReLU()), (9, 8))
    assert fields["conv2d"].box(2, 2) == (0, 0, 8, 9)


def test_global_operations_see_the_whole_image() -> None:
    _, fields = fields_of(Gated, (12, 10))
    field = fields["mul"]
    assert field.size is None
    assert field.box(0, 0) == field.box(9, 7) == (0, 0, 10, 12)
    assert field.stride == (1.2, 1.25)  # 10 × 8 positions of 12 × 10 pixels


class Reshaped(nn.Module):
    """Attention between positions in three dimensions, added to a path that sees little."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.conv(x)
        n, c, h, w = maps.shape
        tokens = maps.view(n, c, h * w)
        mixed = tokens @ torch.softmax(tokens.transpose(1, 2) @ tokens, -1)
        return self.last(maps + mixed.view(n, c, h, w))


def test_field_through_three_dimensions_is_the_whole_image() -> None:
    size = (32, 32)
    graph = trace(Reshaped(), torch.zeros(1, 3, *size))
    fields = receptive_fields(graph)
    assert fields["conv"].size == (3, 3)
    assert fields["last"].size is None
    assert fields["last"].box(3, 4) == support(
        graph, next(n for n in graph.graph.nodes if n.name == "last"), size, 3, 4
    )


class Disguised(nn.ReLU):
    """Called a pointwise module, and a leaf of the graph, but it shifts its input by two rows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.roll(2, 2))


Disguised.__module__ = "torch.nn.modules.activation"


def test_field_that_gradients_contradict_is_the_whole_image() -> None:
    graph = trace(nn.Sequential(nn.Conv2d(3, 4, 3), Disguised(), nn.Conv2d(4, 4, 3)), torch.zeros(1, 3, 24, 20))
    nodes = [node for node in graph.graph.nodes if node.op == "call_module"]
    assert receptive_fields(graph)[nodes[1].name].size == (3, 3)  # what the module's type says
    fields = checked_receptive_fields(graph, nodes)
    assert [field.size for field in fields.values()] == [(3, 3), None, None]
    assert fields[nodes[2].name].box(4, 5) == (0, 0, 20, 24)


def test_fields_that_gradients_confirm_are_kept() -> None:
    make, size = NETWORKS["shufflenet"]
    graph = trace(make(), torch.zeros(1, 3, *size))
    fields = receptive_fields(graph)
    nodes = [node for node in graph.graph.nodes if node.name in fields and node.op == "call_module"][-20:-5]
    for name, field in checked_receptive_fields(graph, nodes).items():
        assert field.size == fields[name].size


class InPlaceTwice(nn.Module):
    """PyTorch cannot differentiate this: the gradient of the ReLU needs its output, which is multiplied in place."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(x, inplace=True)
        y.mul_(2)
        return y


def test_fields_of_a_network_without_gradients_are_kept() -> None:
    graph = trace(nn.Sequential(nn.Conv2d(3, 4, 3), InPlaceTwice(), nn.Conv2d(4, 4, 3)), torch.zeros(1, 3, 24, 20))
    nodes = [node for node in graph.graph.nodes if node.op == "call_module"]
    assert [field.size for field in checked_receptive_fields(graph, nodes).values()] == [(3, 3), (5, 5)]
