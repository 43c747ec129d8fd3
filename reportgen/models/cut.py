"""Where a traced network is cut into trunk and head: at its feature maps."""

from __future__ import annotations

import math
import operator
from collections.abc import Container, Sequence
from functools import partial
from typing import Any

import torch
from torch import fx

from reportgen.errors import ModelError
from reportgen.models.graph import (
    NO_OP_FUNCTIONS,
    NO_OP_MODULES,
    POOLING_FUNCTIONS,
    POOLING_MODULES,
    is_node_of,
    is_spatial,
    nodes_on_all_paths,
    owner,
    truncated_at,
)
from reportgen.models.position_mixing import mixing_node
from reportgen.models.token_grids import as_feature_maps, keeps_positions, reads_all_positions, token_grid


def _dependents(graph: fx.GraphModule, maps: fx.Node) -> list[fx.Node]:
    """Return the nodes that depend on `maps`, in order."""
    dependent = {maps}
    for node in graph.graph.nodes:
        if any(parent in dependent for parent in node.all_input_nodes):
            dependent.add(node)
    return [node for node in graph.graph.nodes if node in dependent and node is not maps]


def _cuts(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the nodes through which alone the output depends on the input's pixels.

    Sizes do not depend on the pixels, nor what is made of them, such as a mask.
    """
    dependent: dict[fx.Node, None] = {}
    for node in graph.graph.nodes:
        has_tensors = node.meta.get("has_tensors", node.op == "output")
        if node.op == "placeholder" or (has_tensors and any(source in dependent for source in node.all_input_nodes)):
            dependent[node] = None
    return nodes_on_all_paths(graph, list(dependent))


def find_feature_maps(graph: fx.GraphModule, layer: str | None = None) -> fx.Node:
    """Return the node whose output is the feature maps. Tokens are turned into feature maps in the graph.

    layer: the dotted name of a module whose output they are. By default, the last node with spatial output that all
        logits depend on, before any pooling: the feature maps of AlexNet and VGG are those of the last convolution,
        13 × 13 and 14 × 14, not the pooled ones.
    Errors: ModelError that lists the candidates.
    """
    nodes: list[fx.Node] = [n for n in graph.graph.nodes if is_spatial(n) and n.op != "placeholder"]
    known = {(shape[2], shape[3]) for node in nodes if (shape := node.meta["shape"])}
    others: list[fx.Node] = [node for node in graph.graph.nodes if node not in nodes]
    tokens = {node: grid for node in others if (grid := token_grid(node, known))}
    cuts = _cuts(graph)
    not_found = partial(_not_found, nodes, cuts)
    if layer is not None:
        inside: list[fx.Node] = [n for n in [*nodes, *tokens] if owner(n) == layer or owner(n).startswith(layer + ".")]
        last = max(inside, key=list(graph.graph.nodes).index, default=None)
        if last is None or last not in cuts:
            raise not_found(f"not all paths to the logits pass through layer `{layer}`")
        if last not in tokens:
            return last
        if not keeps_positions(graph, last, tokens[last]):
            raise not_found(f"the tokens of layer `{layer}` are not in the order of the image")
        return as_feature_maps(graph, last, tokens[last])
    maps = next((_before_pooling(graph, node) for node in reversed(nodes) if node in cuts), None)
    mixing = mixing_node(split(graph, maps)[1], maps.meta["shape"][1:]) if maps else None
    if maps and not mixing:
        return maps
    last = next((node for node in reversed(tokens) if node in cuts), None)
    if last and not _has_fewer_tokens_after(graph, last, cuts) and keeps_positions(graph, last, tokens[last]):
        found = as_feature_maps(graph, last, tokens[last])
        head, shape = split(graph, found)[1], found.meta["shape"][1:]
        if not mixing_node(head, shape) and reads_all_positions(head, shape):
            return found
    if not maps or not mixing:
        raise not_found("no layer with output (channels, height, width) leads to the logits")
    mixer = mixing.all_input_nodes[0] if mixing.target is operator.getitem else mixing
    reason = f"after `{owner(maps)}`, `{owner(mixer)}` mixes positions, as attention does, so a map of"
    raise not_found(f"{reason} `{owner(maps)}` would not show where the evidence is")


def _has_fewer_tokens_after(graph: fx.GraphModule, tokens: fx.Node, cuts: set[fx.Node]) -> bool:
    """Whether a network pools its tokens in steps (Hiera), so that these are not its last ones."""
    count = math.prod(tokens.meta["shape"][1:-1])
    shapes = (node.meta["shape"] for node in _dependents(graph, tokens) if node in cuts)
    return any(shape and len(shape) == 3 and count not in shape and 1 < shape[1] < count for shape in shapes)


def _before_pooling(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    while is_node_of(node, graph, POOLING_MODULES + NO_OP_MODULES, POOLING_FUNCTIONS + NO_OP_FUNCTIONS):
        node = node.all_input_nodes[0]
    return node


def _not_found(nodes: Sequence[fx.Node], cuts: Container[fx.Node], reason: str) -> ModelError:
    """The error that names the last of the nodes through which alone the output depends on the image."""
    names = list(dict.fromkeys(owner(node) for node in nodes if node in cuts))[-6:]
    why = "no layer's output is all that the logits depend on" if nodes else "the network has no feature maps"
    candidates = ", ".join(f"`{name}`" for name in names) or f"none, {why}"
    return ModelError(f"the feature maps were not found: {reason}", f"name one with --layer; candidates: {candidates}")


def split(graph: fx.GraphModule, maps: fx.Node) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Cut a network into trunk (input → feature maps) and head (feature maps → logits), which share its parameters."""
    head = fx.Graph()
    # A copy, because the head's first layer may work in place (ReLU), and the feature maps are used after it; in the
    # layout of the original network, because `x.view(len(x), -1)` fails for channels-last maps.
    inside = {maps: head.call_method("clone", (head.placeholder("maps"),), {"memory_format": torch.contiguous_format})}
    dependents = set(_dependents(graph, maps))
    for node in graph.graph.nodes:
        if node.op == "get_attr" and any(user in dependents for user in node.users):
            inside[node] = head.node_copy(node, lambda n: inside[n])
        elif node in dependents:
            for parent in node.all_input_nodes:
                if parent not in inside:
                    inside[parent] = _copied_constant(parent, inside[maps], head)
            inside[node] = head.node_copy(node, lambda n: inside[n])
    head.lint()
    return truncated_at(graph, maps), fx.GraphModule(graph, head)


def _copied_constant(node: fx.Node, maps: fx.Node, head: fx.Graph) -> Any:
    """Compute in the head what the network computes of sizes and parameters before its feature maps.

    The size of the batch is that of the feature maps; other sizes are those of the example.
    Errors: ModelError for what depends on the pixels.
    """
    measured = _measured_size(node)
    if measured is not None:
        tensor, dimension = measured
        shape = tensor.meta["shape"]
        return head.call_method("size", (maps, 0)) if dimension % len(shape) == 0 else shape[dimension]
    if node.op == "placeholder":
        raise ModelError("the head reads the image in addition to the feature maps", "name another --layer")
    return head.node_copy(node, lambda source: _copied_constant(source, maps, head))


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
