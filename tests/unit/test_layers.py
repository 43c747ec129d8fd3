"""Layers: names, stages, unit maxima compared with a slow search, and intermediate outputs compared with hooks."""

import pytest
import torch
import torchvision
from torch import Tensor, nn

from reportgen.errors import ConfigError
from reportgen.models.cut import find_feature_maps
from reportgen.models.graph import trace
from reportgen.models.layers import feature_node, find_layers, select_layers, unit_maxima, with_intermediates
from reportgen.models.split import split


def halves(module: nn.Module, side: int = 64) -> tuple:
    graph = trace(module.eval(), torch.zeros(1, 3, side, side))
    return split(graph, find_feature_maps(graph))


def slow_maxima(maps: Tensor) -> tuple[list, list]:
    """Each unit's maximum and the first position that has it, one number after the other."""
    values, positions = [], []
    for image in maps.tolist():
        best = []
        for unit in image:
            flat = [v for row in unit for v in row]
            best.append(max((v, -i) for i, v in enumerate(flat)))
        values.append([v for v, _ in best])
        positions.append([-i for _, i in best])
    return values, positions


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_unit_maxima_equal_those_of_a_search(memory, dtype) -> None:
    maps = torch.randint(-3, 4, (3, 5, 6, 7), generator=torch.Generator().manual_seed(0)).to(dtype)  # many ties
    maxima, where = unit_maxima(maps.contiguous(memory_format=memory))
    assert (maxima.tolist(), where.tolist()) == slow_maxima(maps)
    assert where.dtype == torch.int32


def test_constant_map_has_its_maximum_at_the_first_position() -> None:
    maxima, where = unit_maxima(torch.zeros(1, 2, 3, 3))
    assert (maxima.tolist(), where.tolist()) == ([[0.0, 0.0]], [[0, 0]])


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("resnet18", 64, ["relu", "layer1", "layer2", "layer3", "layer4"]),
        ("alexnet", 224, ["features.1", "features.4", "features.11"]),
        ("vgg11", 64, ["features.1", "features.4", "features.9", "features.14", "features.19"]),
        ("googlenet", 64, ["conv1", "conv3", "inception3b", "inception4e", "inception5b"]),
        ("mobilenet_v2", 64, ["features.0", "features.1", "features.3", "features.6", "features.13", "features"]),
        (
            "densenet121",
            64,
            ["features.relu0", "features.denseblock1", "features.denseblock2", "features.denseblock3", "relu"],
        ),
    ],
)
def test_default_layers_are_the_first_convolution_and_the_stage_ends(name, side, expected) -> None:
    options = {"init_weights": False} if name == "googlenet" else {}
    layers = select_layers(*halves(torchvision.models.get_model(name, weights=None, **options), side), [])
    assert [layer.name for layer in layers] == expected
    assert [layer.is_first_conv for layer in layers] == [True] + [False] * (len(layers) - 1)
    sides = [layer.shape[-1] for layer in layers if layer.is_stage_end]
    assert sides == sorted(set(sides), reverse=True)


class Twice(nn.Module):
    """One in-place ReLU used twice, behind a convolution, and a sum outside of any module."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.relu = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU(inplace=True)
        self.pool, self.fc1, self.fc2 = nn.AdaptiveAvgPool2d(2), nn.Linear(16, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.a(x))
        x = self.relu(self.b(x)) + x
        return self.fc2(torch.tanh(self.fc1(self.pool(x).flatten(1))))


def test_layer_output_is_recorded_before_an_in_place_operation() -> None:
    torch.manual_seed(0)
    network = Twice().eval()
    trunk, head = halves(network)
    images = torch.randn(2, 3, 64, 64)
    layers = {layer.name: layer for layer in find_layers(trunk, head)}
    assert list(layers) == ["a", "b", "relu", "add"]  # `relu` where it was used last
    with torch.no_grad():
        a = network.a(images)
        first = a.clamp(min=0)
        b = network.b(first)
        second = b.clamp(min=0)
        maps, seen = with_intermediates(trunk, [layer.node for layer in layers.values()], unit_maxima)(images)
    for (maxima, where), expected in zip(seen, (a, b, second, second + first), strict=True):
        torch.testing.assert_close(maxima, expected.amax((2, 3)))
        torch.testing.assert_close(expected.flatten(2).gather(2, where[:, :, None].long())[:, :, 0], maxima)
    torch.testing.assert_close(maps, second + first)


def test_features_are_the_input_of_the_last_linear_layer() -> None:
    torch.manual_seed(0)
    network = Twice().eval()
    trunk, head = halves(network)
    with torch.no_grad():
        maps = trunk(torch.randn(2, 3, 64, 64))
        logits, (code,) = with_intermediates(head, [feature_node(head)])(maps)
    torch.testing.assert_close(code, torch.tanh(network.fc1(network.pool(maps).flatten(1))))
    torch.testing.assert_close(network.fc2(code), logits)


def test_no_hook_is_left_on_any_module_after_an_exception() -> None:
    network = Twice()
    trunk, head = halves(network)
    tapped_trunk = with_intermediates(trunk, [layer.node for layer in find_layers(trunk, head)], unit_maxima)
    with pytest.raises(RuntimeError):
        tapped_trunk(torch.zeros(1, 5, 64, 64))
    for module in (network, trunk, head, tapped_trunk):
        assert all(
            not m._forward_hooks and not m._forward_pre_hooks and not m._backward_hooks for m in module.modules()
        )


def test_unknown_layer_is_named_with_the_nearest() -> None:
    trunk, head = halves(torchvision.models.resnet18(weights=None))
    with pytest.raises(ConfigError, match="no layer `layer9`") as caught:
        select_layers(trunk, head, ["layer9"])
    assert "`layer4`" in caught.value.hint
    named = select_layers(trunk, head, ["layer2.0", "layer3", "layer2.0"])
    assert [layer.name for layer in named] == ["layer2.0", "layer3"]
    assert select_layers(trunk, head, ["layer2.1"])[0].name == "layer2"  # both end at the same node


def test_module_without_a_graph_has_no_layers() -> None:
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    assert select_layers(nn.Conv2d(3, 4, 3), head, []) == []
    assert feature_node(head) is None
