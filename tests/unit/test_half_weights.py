"""Weights in 16 bits against a network whose weights are rounded, run by ONNX's own reference implementation."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.models.half_weights import half_weights, largest_difference
from reportgen.models.live_graph import live_graph
from tests.support.tiny_networks import network

IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def tiny(module: nn.Module) -> Classifier:
    classifier = classifier_from_module(module, "tiny")
    return replace(classifier, preprocessing=replace(classifier.preprocessing, size=64))


def test_graph_computes_what_the_network_with_rounded_weights_computes() -> None:
    module = network().eval()
    rounded = copy.deepcopy(module)
    for parameter in rounded.parameters():
        if parameter.ndim >= 2:
            parameter.data = parameter.data.half().float()
    classifier = tiny(module)
    graph = live_graph(classifier, [])
    half = half_weights(graph, classifier)
    assert half.is_half
    assert len(half.data) < len(graph.data)
    evaluator = ReferenceEvaluator(onnx.load_from_string(half.data[: half.graph_size]))
    with torch.no_grad():
        expected, original = rounded(IMAGES).numpy(), module(IMAGES).numpy()
    np.testing.assert_allclose(evaluator.run(["logits"], {"image": IMAGES.numpy()})[0], expected, rtol=1e-4, atol=1e-5)
    difference = np.abs(original - expected).max()
    assert difference > 0
    assert largest_difference(graph, half, IMAGES) == pytest.approx(difference, rel=0.1)


def test_heads_weights_are_those_of_the_network_rounded() -> None:
    module = network().eval()
    classifier = tiny(module)
    half = half_weights(live_graph(classifier, []), classifier)
    assert classifier.linear_head is not None
    assert half.weights is not None
    weight = classifier.linear_head.weight.detach().numpy()
    found = np.frombuffer(half.data, "<f2", weight.size, half.weights).reshape(weight.shape)
    np.testing.assert_array_equal(found, weight.astype(np.float16))


def test_weights_beyond_the_range_of_float16_make_a_difference_that_no_limit_allows() -> None:
    module = network().eval()
    with torch.no_grad():
        next(p for p in module.parameters() if p.ndim >= 2).view(-1)[0] = 1e5
    classifier = tiny(module)
    graph = live_graph(classifier, [])
    assert not largest_difference(graph, half_weights(graph, classifier), IMAGES) < 1e9
