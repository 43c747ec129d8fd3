"""A traced network made ready to be run many times: batch normalisations folded, maps laid out channels last."""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")


def fused(graph: fx.GraphModule) -> fx.GraphModule:
    """A copy with batch normalisations folded into the convolutions before them, in channels-last layout.

    Its results differ from the network's by rounding. `meta["shape"]` stays on the nodes that are kept.
    """
    modules = _with_modules(copy.deepcopy(graph).eval())
    shapes = {node.name: node.meta.get("shape") for node in modules.graph.nodes}
    made = fuse(modules)
    assert isinstance(made, fx.GraphModule)
    for node in made.graph.nodes:
        node.meta["shape"] = shapes.get(node.name)
    return made.to(memory_format=torch.channels_last)


def _with_modules(graph: fx.GraphModule) -> fx.GraphModule:
    """Convolutions called as functions on the network's own weights as modules, which is what can be fused."""
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target in (torch.conv2d, F.conv2d):
            given: dict[str, Any] = {**dict(zip(CONV, node.args, strict=False)), **node.kwargs}
            weight, bias = (_own(graph, given.get(name)) for name in ("weight", "bias"))
            if weight is None or (bias is None and given.get("bias") is not None):
                continue
            graph.add_submodule(f"{node.name}_as_module", _conv(weight, bias, given))
            with graph.graph.inserting_before(node):
                call = graph.graph.call_module(f"{node.name}_as_module", (given["input"],))
            node.replace_all_uses_with(call)
            graph.graph.erase_node(node)
            call.meta = node.meta
    graph.recompile()
    return graph


def _own(graph: fx.GraphModule, node: Any) -> Tensor | None:
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    found = operator.attrgetter(str(node.target))(graph)
    assert isinstance(found, Tensor)
    return found


def _conv(weight: Tensor, bias: Tensor | None, given: dict[str, Any]) -> nn.Conv2d:
    groups = given.get("groups", 1)
    out, inside, height, width = weight.shape
    options = {name: given.get(name, default) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))}
    with torch.device("meta"):
        module = nn.Conv2d(inside * groups, out, (height, width), groups=groups, bias=bias is not None, **options)
    module.weight = nn.Parameter(weight.detach())
    module.bias = None if bias is None else nn.Parameter(bias.detach())
    return module.eval()
