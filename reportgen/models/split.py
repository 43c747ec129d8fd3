"""Splitting of a traced network into trunk and head at a node."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from reportgen.errors import ModelError
from reportgen.models.graph import truncated_at


def dependents(graph: fx.GraphModule, maps: fx.Node) -> list[fx.Node]:
    """Return the nodes that depend on `maps`, in order."""
    dependent = {maps}
    for node in graph.graph.nodes:
        if any(parent in dependent for parent in node.all_input_nodes):
            dependent.add(node)
    return [node for node in graph.graph.nodes if node in dependent and node is not maps]


def split(graph: fx.GraphModule, maps: fx.Node, batch_axis: int = 0) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Cut a network into trunk (input → feature maps) and head (feature maps → logits), which share its parameters.

    batch_axis: the axis of `maps` that counts images.
    """
    head = fx.Graph()
    # A copy, because the head's first layer may work in place (ReLU), and the feature maps are used after it; in the
    # layout of the original network, because `x.view(len(x), -1)` fails for channels-last maps.
    inside = {maps: head.call_method("clone", (head.placeholder("maps"),), {"memory_format": torch.contiguous_format})}
    after = set(dependents(graph, maps))
    for node in graph.graph.nodes:
        if node.op == "get_attr" and any(user in after for user in node.users):
            inside[node] = head.node_copy(node, lambda n: inside[n])
        elif node in after:
            for parent in node.all_input_nodes:
                if parent not in inside:
                    inside[parent] = _copied_constant(parent, inside[maps], batch_axis, head)
            inside[node] = head.node_copy(node, lambda n: inside[n])
    head.lint()
    return truncated_at(graph, maps), fx.GraphModule(graph, head)


def _copied_constant(node: fx.Node, maps: fx.Node, batch_axis: int, head: fx.Graph) -> Any:
    """Compute in the head what the network computes of sizes and parameters before its feature maps.

    The size of the batch is that of the feature maps; other sizes are those of the example.
    Errors: ModelError for what depends on the pixels.
    """
    measured = _measured_size(node)
    if measured is not None:
        tensor, dimension = measured
        shape = tensor.meta["shape"]
        return head.call_method("size", (maps, batch_axis)) if dimension % len(shape) == 0 else shape[dimension]
    if node.op == "placeholder":
        raise ModelError("the head reads the image in addition to the feature maps", "name another --layer")
    return head.node_copy(node, lambda source: _copied_constant(source, maps, batch_axis, head))


def _measured_size(node: fx.Node) -> tuple[fx.Node, int] | None:
    """Return tensor and dimension of `x.size(d)`, `x.size()[d]` and `x.shape[d]`."""
    if node.op == "call_method" and node.target == "size" and len(node.args) == 2:
        return node.args[0], node.args[1]  # type: ignore[return-value]
    if node.target is not operator.getitem or not isinstance(node.args[1], int):
        return None
    source = node.args[0]
    assert isinstance(source, fx.Node)
    is_shape = source.target is getattr and source.args[1] == "shape"
    return (source.all_input_nodes[0], node.args[1]) if is_shape or source.target == "size" else None
