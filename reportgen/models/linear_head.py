"""The linear layer of a head of global pooling and one linear layer, whose weights make exact activation maps."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.errors import ModelError
from reportgen.models.batch_size import batch_refused
from reportgen.models.class_logits import two_rows
from reportgen.models.classifier import LinearHead
from reportgen.models.graph import is_node_of
from reportgen.models.heads import POOLINGS

LINEAR_MODULES = (nn.Linear, nn.Conv2d)
LINEAR_FUNCTIONS = (F.linear, torch.conv2d, F.conv2d)
"""Layers that can be the last one of a head: on pooled feature maps, a 1 × 1 convolution is linear too."""


def find_linear_head(head: fx.GraphModule, shape: tuple[int, int, int], name: str | None = None) -> LinearHead | None:
    """Return the weights of a head that is global pooling and one linear layer; None for any other head.

    A linear layer or 1 × 1 convolution of the head (the one called `name`, if given) is accepted if
    `head(f) = W mean(f) + b` or `head(f) = W max(f) + b` holds for random feature maps f of this shape `(C, h, w)`.
    Errors: ModelError if `name` is given and the layer is not accepted, or if the head does not run on two images.
    """
    layers = list(_linear_layers(head))
    chosen = [(weight, bias) for n, weight, bias in layers if name in (None, n) and weight[0].numel() == shape[0]]
    if chosen:
        maps = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        logits = _run(head, maps)
        for weight, bias in chosen:
            if len(weight) == 1:  # of a binary classifier
                weight, bias = two_rows(weight), None if bias is None else two_rows(bias)
            for pooling, pool in POOLINGS.items():
                expected = F.linear(pool(maps), weight, bias)
                if expected.shape == logits.shape and torch.allclose(logits, expected, rtol=1e-4, atol=1e-4):
                    return LinearHead(weight, torch.zeros(len(weight)) if bias is None else bias, pooling)
    if name is not None:
        listed = ", ".join(f"`{n}`" for n, *_ in layers) or "none"
        raise ModelError(
            f"head `{name}` is not a linear layer on the mean or maximum of the feature maps",
            f"linear layers of the head: {listed}",
        )
    return None


def _linear_layers(head: fx.GraphModule) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """Yield name, weight `(K, C)` and bias `(K,)` of the linear layers and 1 × 1 convolutions of a head."""
    for node in head.graph.nodes:
        if not is_node_of(node, head, LINEAR_MODULES, LINEAR_FUNCTIONS):
            continue
        if node.op == "call_module":
            module: Any = head.get_submodule(str(node.target))
            name, weight, bias = str(node.target), module.weight, module.bias
        else:
            arguments = {**dict(zip(("input", "weight", "bias"), node.args, strict=False)), **node.kwargs}
            weight, bias = (_parameter(head, arguments.get(key)) for key in ("weight", "bias"))
            name = "" if weight is None else str(arguments["weight"].target).rpartition(".")[0]
        if isinstance(weight, Tensor) and weight[0].numel() == weight.shape[1]:
            yield name, weight.detach().flatten(1).float(), None if bias is None else bias.detach().float()


def _parameter(head: fx.GraphModule, node: object) -> Tensor | None:
    """Return the parameter that a node reads; None if it is computed or missing."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    value = operator.attrgetter(str(node.target))(head)
    return value if isinstance(value, Tensor) else None


def _run(head: fx.GraphModule, maps: Tensor) -> Tensor:
    try:
        with torch.inference_mode():  # node by node: a GraphModule prints a traceback in addition to raising
            logits: Tensor = fx.Interpreter(head).run(maps)
    except Exception as error:
        raise batch_refused(len(maps), error) from error
    return logits
