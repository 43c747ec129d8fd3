"""What a network computes from its parameters alone, such as standardized weights, computed once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from reportgen.models.in_place import eliminate_dead_code


@torch.no_grad()
def compute_constants(graph: fx.GraphModule) -> None:
    """Replace nodes that do not depend on the image by parameters with their values.

    A convolution with standardized weights is then a plain one: its receptive field is known, and it can be folded. A
    new parameter belongs to the module of the first parameter that it was computed from.
    """
    values: dict[fx.Node, Any] = {}
    paths: dict[fx.Node, str] = {}
    runner = fx.Interpreter(graph)
    for node in graph.graph.nodes:
        if node.op in ("placeholder", "output") or not all(source in values for source in node.all_input_nodes):
            continue
        if not node.all_input_nodes and node.op != "get_attr":
            continue  # without a parameter, such as `torch.zeros`: cheap, and perhaps random
        runner.env = values
        values[node] = runner.run_node(node)
        paths[node] = str(node.target) if node.op == "get_attr" else paths[node.all_input_nodes[0]]
    for node in list(values):
        is_last = any(user not in values for user in node.users)
        if node.op != "get_attr" and is_last and isinstance(values[node], Tensor) and values[node].is_floating_point():
            _replace(graph, node, paths[node], values[node])
    eliminate_dead_code(graph)
    graph.recompile()


def _replace(graph: fx.GraphModule, node: fx.Node, path: str, value: Tensor) -> None:
    name = f"{path}_{node.name}"
    owner, _, attribute = name.rpartition(".")
    graph.get_submodule(owner).register_parameter(attribute, nn.Parameter(value.clone(), requires_grad=False))
    with graph.graph.inserting_before(node):
        constant = graph.graph.get_attr(name)
    constant.meta = dict(node.meta)
    node.replace_all_uses_with(constant)
