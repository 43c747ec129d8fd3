"""Where a traced network is cut into trunk and head: at its feature maps."""

from __future__ import annotations

import math
import operator
from collections.abc import Container, Sequence
from functools import partial

from torch import fx

from reportgen.errors import ModelError
from reportgen.models.class_tokens import (
    find_class_token_maps,
    has_ordered_patches,
    insert_feature_maps,
    layout_of,
    reads_patches,
    token_layouts,
)
from reportgen.models.graph import (
    NO_OP_FUNCTIONS,
    NO_OP_MODULES,
    POOLING_FUNCTIONS,
    POOLING_MODULES,
    is_node_of,
    is_spatial,
    nodes_on_all_paths,
    owner,
)
from reportgen.models.position_mixing import mixing_node
from reportgen.models.split import dependents, split
from reportgen.models.token_grids import (
    Grid,
    as_feature_maps,
    back_to_tokens,
    keeps_positions,
    reads_all_positions,
    token_grid,
)

NOT_FOUND = "the feature maps were not found"


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
    if layer is not None:
        return _named_layer(graph, layer, nodes, tokens, cuts)
    maps = next((_before_pooling(graph, node) for node in reversed(nodes) if node in cuts), None)
    mixing = mixing_node(split(graph, maps)[1], maps.meta["shape"][1:]) if maps else None
    if maps and not mixing:
        return maps
    found = _pooled_tokens(graph, tokens, cuts) or find_class_token_maps(graph, known, cuts)
    if found:
        return found
    if not maps or not mixing:
        raise _not_found(nodes, cuts, "no layer with output (channels, height, width) leads to the logits")
    source = mixing.all_input_nodes[0]
    is_part_of_tuple = mixing.target is operator.getitem and source.meta.get("shape") is None
    mixer = source if is_part_of_tuple else mixing
    raise ModelError(
        f"{NOT_FOUND}: after `{owner(maps)}`, `{owner(mixer)}` mixes positions, as attention does, so a map of "
        f"`{owner(maps)}` would not show where the evidence is",
        f"give maps of your own, with `--map-function` and `--layer {owner(maps)}`, or audit another network",
    )


def _named_layer(
    graph: fx.GraphModule, layer: str, nodes: list[fx.Node], tokens: dict[fx.Node, Grid], cuts: set[fx.Node]
) -> fx.Node:
    """Return the feature maps of the layer that the user names. nodes: those with spatial output."""
    not_found = partial(_not_found, nodes, cuts)
    layouts = token_layouts(graph, {node.meta["shape"][2:] for node in nodes})
    sequences = {node: layout for node in graph.graph.nodes if (layout := layout_of(node, layouts))}
    inside = [n for n in [*nodes, *tokens, *sequences] if owner(n) == layer or owner(n).startswith(layer + ".")]
    last: fx.Node | None = max(inside, key=list(graph.graph.nodes).index, default=None)
    if last is None or last not in cuts:
        raise not_found(f"not all paths to the logits pass through layer `{layer}`")
    if last in nodes:
        return last
    layout = sequences.get(last)
    is_ordered = has_ordered_patches(graph, last, layout) if layout else keeps_positions(graph, last, tokens[last])
    if not is_ordered:
        raise not_found(f"the tokens of layer `{layer}` are not in the order of the image")
    if layout is None:
        return as_feature_maps(graph, last, tokens[last])
    if not reads_patches(graph, last, layout):
        raise ModelError(
            f"the logits do not depend on the patch tokens of layer `{layer}`", "name an earlier block with --layer"
        )
    return insert_feature_maps(graph, last, layout)


def _pooled_tokens(graph: fx.GraphModule, tokens: dict[fx.Node, Grid], cuts: set[fx.Node]) -> fx.Node | None:
    """Return the feature maps of a network that pools its last tokens, each by itself; None for another one."""
    last = next((node for node in reversed(tokens) if node in cuts), None)
    if not last or _has_fewer_tokens_after(graph, last, cuts) or not keeps_positions(graph, last, tokens[last]):
        return None
    found = as_feature_maps(graph, last, tokens[last])
    head, shape = split(graph, found)[1], found.meta["shape"][1:]
    if not mixing_node(head, shape) and reads_all_positions(head, shape):
        return found
    back_to_tokens(graph, found)
    return None


def _has_fewer_tokens_after(graph: fx.GraphModule, tokens: fx.Node, cuts: set[fx.Node]) -> bool:
    """Whether a network pools its tokens in steps (Hiera), so that these are not its last ones."""
    count = math.prod(tokens.meta["shape"][1:-1])
    shapes = (node.meta["shape"] for node in dependents(graph, tokens) if node in cuts)
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
    return ModelError(f"{NOT_FOUND}: {reason}", f"name one with --layer; candidates: {candidates}")
