"""The graph of the live page against the network, run by ONNX's own reference implementation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.models.layers import find_layers
from reportgen.models.live_graph import OUTPUTS, LiveGraph, live_graph
from reportgen.models.onnx_runtime import OnnxSession
from tests.support.tiny_networks import network

SIDE = 64


def tiny(module: nn.Module) -> Classifier:
    classifier = classifier_from_module(module.eval(), "tiny")
    return replace(classifier, preprocessing=replace(classifier.preprocessing, size=SIDE))


def with_head(*head: nn.Module) -> nn.Module:
    return nn.Sequential(*list(network())[:6], *head)


def run(graph: LiveGraph, images: torch.Tensor) -> dict[str, np.ndarray]:
    evaluator = ReferenceEvaluator(onnx.load_from_string(graph.data[: graph.graph_size]))
    more = {"class": np.zeros((1, graph.gradient_classes), np.float32)} if graph.gradient_classes else {}
    return dict(zip(evaluator.output_names, evaluator.run(None, {"image": images.numpy(), **more}), strict=True))


@pytest.mark.parametrize("count", [1, 3])
def test_graph_computes_what_the_network_computes_for_any_number_of_images(count: int) -> None:
    module = network()
    classifier = tiny(module)
    images = torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    layers = [layer.name for layer in find_layers(classifier.trunk, classifier.head)][1:3]
    found = run(live_graph(classifier, layers), images)
    assert list(found) == [*OUTPUTS, "layer/0", "layer/1"]
    values = [images]
    with torch.no_grad():
        for part in module:
            values.append(part(values[-1]))
    expected = {"logits": values[-1], "features": values[-2], "maps": values[6]}
    expected |= {f"layer/{i}": values[1 + int(name)] for i, name in enumerate(layers)}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "pooled"), [(nn.AdaptiveAvgPool2d(1), "gap"), (nn.AdaptiveMaxPool2d(1), "gmp")], ids=["gap", "gmp"]
)
def test_weights_of_a_linear_head_make_its_activation_maps(pooling: nn.Module, pooled: str) -> None:
    linear = nn.Linear(16, 3)
    classifier = tiny(with_head(pooling, nn.Flatten(), linear))
    assert classifier.linear_head is not None
    assert classifier.linear_head.pooling == pooled
    graph = live_graph(classifier, [])
    assert graph.weights is not None
    assert graph.graph_size == len(graph.data), "the weights are those in the graph"
    weights = np.frombuffer(graph.data, "<f4", 3 * 16, graph.weights).reshape(3, 16)
    np.testing.assert_array_equal(weights, linear.weight.detach().numpy())


def test_weights_that_the_graph_does_not_have_follow_it() -> None:
    """Of a network with one logit z, the rows are those of (−z/2, z/2)."""
    linear = nn.Linear(16, 1)
    classifier = classifier_from_module(
        with_head(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear).eval(), "tiny", outputs="binary"
    )
    graph = live_graph(classifier, [])
    assert graph.weights == graph.graph_size == len(graph.data) - 4 * 2 * 16
    weights = np.frombuffer(graph.data, "<f4", 2 * 16, graph.weights).reshape(2, 16)
    np.testing.assert_allclose(weights[1], linear.weight.detach().numpy()[0] / 2)


def test_features_of_another_head_are_the_input_of_its_last_linear_layer() -> None:
    hidden, last = nn.Linear(16, 8), nn.Linear(8, 3)
    classifier = tiny(with_head(nn.AdaptiveAvgPool2d(1), nn.Flatten(), hidden, nn.ReLU(), last))
    graph = live_graph(classifier, [])
    assert graph.weights is None
    found = run(graph, torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)))
    assert found["features"].shape == (1, 8)
    with torch.no_grad():
        np.testing.assert_allclose(found["logits"], last(torch.tensor(found["features"])).numpy(), rtol=1e-4, atol=1e-5)


HEADS = {
    "hidden layer": lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 8), nn.Hardswish(), nn.Linear(8, 3)],
    "maximum pooling and two layers": lambda: [
        nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(64, 8), nn.ReLU(True),
        nn.Linear(8, 3),
    ],
    "normalization": lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 3), nn.Tanh()],
}  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_head_with_a_gradient_makes_grad_cam_of_any_class(head: str) -> None:
    torch.manual_seed(0)
    classifier = tiny(with_head(*HEADS[head]()))
    graph = live_graph(classifier, [])
    assert graph.gradient_classes == 3
    session = OnnxSession(graph.data[: graph.graph_size])  # the reference has other indices of maximum pooling
    image = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = classifier.trunk(image)
    for k in (-1, 0, 2):
        chosen = torch.tensor([[float(i == k) for i in range(3)]])
        logits, alpha = session.run({"image": image, "class": chosen}, ["logits", "alpha"])
        leaf = maps.clone().requires_grad_()
        expected = classifier.head(leaf)
        np.testing.assert_allclose(logits.numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
        expected[0, int(expected.argmax()) if k < 0 else k].backward()
        assert leaf.grad is not None
        np.testing.assert_allclose(alpha.numpy(), leaf.grad.sum((2, 3)).numpy(), rtol=1e-4, atol=1e-6)


def test_head_without_a_traceable_gradient_has_none_and_any_number_of_images() -> None:
    classifier = tiny(with_head(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3)))
    graph = live_graph(classifier, [])
    assert (graph.gradient_classes, graph.weights) == (0, None)
    assert run(graph, torch.randn(2, 3, SIDE, SIDE))["logits"].shape == (2, 3)
