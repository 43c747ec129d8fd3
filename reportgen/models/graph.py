"""Analysis of a network's graph (torch.fx): where it is cut into trunk and head, and its linear head."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from reportgen.errors import ModelError, first_line
from reportgen.models.classifier import ConvWeights
from reportgen.models.constants import compute_constants
from reportgen.models.example_tracer import GraphTracer, trace_with_examples, unchanged_attributes
from reportgen.models.in_place import eliminate_dead_code, make_in_place_changes_explicit
from reportgen.models.outputs import logits_in
from reportgen.models.position_mixing import mixing_node

POOLING_MODULES = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
POOLING_FUNCTIONS = (F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d)
NO_OP_MODULES = (nn.Dropout, nn.Dropout2d, nn.Identity)
NO_OP_FUNCTIONS = (F.dropout, F.dropout2d)


def trace(module: nn.Module, example: Tensor) -> fx.GraphModule:
    """Trace a module in evaluation mode. `meta["shape"]` of a node is its output's shape for `example`, or None.

    example: `(1, channels, height, width)`; where `forward` asks for shapes, the graph holds for its size only.
    Errors: ModelError if the module cannot be traced, or does not run on the example.
    """
    module.eval()
    try:
        graph = _symbolic_or_with_examples(module, example)
        make_in_place_changes_explicit(graph)
        _return_logits_alone(graph)
        compute_constants(graph)
    except Exception as error:
        raise ModelError(
            f"cannot trace `{type(module).__name__}` ({first_line(error)})",
            "let the `python:` factory return a `Classifier` with its own trunk and head",
        ) from error
    try:
        with torch.inference_mode():
            _Shapes(graph).run(example)
    except Exception as error:
        raise ModelError(
            f"`{type(module).__name__}` does not run on {tuple(example.shape)} ({first_line(error)})"
        ) from error
    return graph


def _symbolic_or_with_examples(module: nn.Module, example: Tensor) -> fx.GraphModule:
    """Trace without an example if possible: such a graph holds for images of every size."""
    try:
        with unchanged_attributes(module):
            return fx.GraphModule(module, GraphTracer().trace(module), type(module).__name__)
    except Exception:  # whatever `forward` does with the proxies of torch.fx
        return trace_with_examples(module, tuple(example.shape[1:]))


def _return_logits_alone(graph: fx.GraphModule) -> None:
    """Let the graph return the logits without what else the module returns, such as hidden states."""
    output = next(iter(reversed(graph.graph.nodes)))
    logits = logits_in(output.args[0], fx.Node)
    if logits is None:
        raise ValueError("it returns no tensor, and no dict, tuple or list with one")
    output.args = (logits,)
    eliminate_dead_code(graph)


class _Shapes(fx.Interpreter):
    """Runs the graph once and stores the shape of every node's output, and whether it is or has a tensor."""

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        n.meta["shape"] = tuple(result.shape) if isinstance(result, Tensor) else None
        n.meta["has_tensors"] = any(isinstance(part, Tensor) for part in tree_leaves(result))
        return result


def is_node_of(
    node: fx.Node, graph: fx.GraphModule, modules: tuple[type, ...], functions: tuple[Any, ...] = ()
) -> bool:
    """Whether a node calls a module of one of these types, or one of these functions."""
    if node.op == "call_module":
        return isinstance(graph.get_submodule(str(node.target)), modules)
    return node.op == "call_function" and node.target in functions


def is_spatial(node: fx.Node) -> bool:
    """Whether the output is `(N, C, h, w)` with h, w > 1 and the image's aspect, which channels-last tensors lack."""
    shape = node.meta.get("shape")
    if shape is None or len(shape) != 4 or min(shape[2:]) < 2:
        return False
    image = next(iter(node.graph.nodes)).meta["shape"]
    return bool(abs(shape[2] * image[3] - shape[3] * image[2]) < (1 if image[2] == image[3] else max(image[2:])))


def _dependents(graph: fx.GraphModule, maps: fx.Node) -> list[fx.Node]:
    """Return the nodes that depend on `maps`, in order."""
    dependent = {maps}
    for node in graph.graph.nodes:
        if any(parent in dependent for parent in node.all_input_nodes):
            dependent.add(node)
    return [node for node in graph.graph.nodes if node in dependent and node is not maps]


def _is_cut(graph: fx.GraphModule, maps: fx.Node) -> bool:
    """Whether the output depends on the input through `maps` alone."""
    inside = {maps, *_dependents(graph, maps)}
    parents = {p for node in inside - {maps} for p in node.all_input_nodes} - inside
    output = next(iter(reversed(graph.graph.nodes)))
    return output in inside and all(p.op == "get_attr" or p.meta.get("shape") is None for p in parents)


def find_feature_maps(graph: fx.GraphModule, layer: str | None = None) -> fx.Node:
    """Return the node whose output is the feature maps.

    layer: the dotted name of a module whose output they are. By default, the last node with spatial output that all
        logits depend on, before any pooling: the feature maps of AlexNet and VGG are those of the last convolution,
        13 × 13 and 14 × 14, not the pooled ones.
    Errors: ModelError that lists the candidates.
    """
    nodes: list[fx.Node] = [n for n in graph.graph.nodes if is_spatial(n) and n.op != "placeholder"]
    if layer is not None:
        inside = [n for n in nodes if owner(n) == layer or owner(n).startswith(layer + ".")]
        if not inside or not _is_cut(graph, inside[-1]):
            raise _not_found(graph, nodes, f"not all paths to the logits pass through layer `{layer}`")
        return inside[-1]
    for node in reversed(nodes):
        if _is_cut(graph, node):
            while is_node_of(node, graph, POOLING_MODULES + NO_OP_MODULES, POOLING_FUNCTIONS + NO_OP_FUNCTIONS):
                node = node.all_input_nodes[0]
            mixing = mixing_node(split(graph, node)[1], node.meta["shape"][1:])
            if mixing:
                reason = f"after `{owner(node)}`, `{owner(mixing)}` mixes positions, as attention does, so a map of"
                raise _not_found(graph, nodes, f"{reason} `{owner(node)}` would not show where the evidence is")
            return node
    raise _not_found(graph, nodes, "no layer with output (channels, height, width) leads to the logits")


def owner(node: fx.Node) -> str:
    """Return the dotted name of the module that a node belongs to."""
    stack = node.meta.get("nn_module_stack") or {}
    names = [str(path) for path, _ in stack.values()] if stack else []
    return str(node.target) if node.op == "call_module" else (names[-1] if names else node.name)


def _not_found(graph: fx.GraphModule, nodes: Iterable[fx.Node], reason: str) -> ModelError:
    names = list(dict.fromkeys(owner(n) for n in nodes if _is_cut(graph, n)))[-6:]
    candidates = ", ".join(f"`{name}`" for name in names) or "none, the network has no feature maps"
    return ModelError(f"the feature maps were not found: {reason}", f"name one with --layer; candidates: {candidates}")


def split(graph: fx.GraphModule, maps: fx.Node) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Cut a network into trunk (input → feature maps) and head (feature maps → logits), which share its parameters."""
    head = fx.Graph()
    # A copy, because the head's first layer may work in place (ReLU), and the feature maps are used after it.
    inside = {maps: head.call_method("clone", (head.placeholder("maps"),))}
    dependents = set(_dependents(graph, maps))
    for node in graph.graph.nodes:
        if node.op == "get_attr" and any(user in dependents for user in node.users):
            inside[node] = head.node_copy(node, lambda n: inside[n])
        elif node in dependents:
            for parent in node.all_input_nodes:
                if parent not in inside:
                    inside[parent] = _copied_number(parent, inside[maps], head)
            inside[node] = head.node_copy(node, lambda n: inside[n])
    head.lint()
    return truncated_at(graph, maps), fx.GraphModule(graph, head)


def truncated_at(graph: fx.GraphModule, last: fx.Node) -> fx.GraphModule:
    """Return the network from its input to the output of one node. It shares the parameters."""
    copied = fx.Graph()
    output: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        output[node] = copied.node_copy(node, lambda n: output[n])
        if node is last:
            break
    copied.output(output[last])
    truncated = fx.GraphModule(graph, copied)
    eliminate_dead_code(truncated)
    truncated.recompile()
    return truncated


def _copied_number(node: fx.Node, maps: fx.Node, head: fx.Graph) -> Any:
    """Compute a number that the network reads before the feature maps in the head: one made of sizes, as for `view`.

    The size of the batch is that of the feature maps; other sizes are those of the example.
    Errors: ModelError for a tensor, or for a number that is not made of sizes.
    """
    measured = _measured_size(node)
    if measured is not None:
        tensor, dimension = measured
        shape = tensor.meta["shape"]
        return head.call_method("size", (maps, 0)) if dimension % len(shape) == 0 else shape[dimension]
    if node.op != "call_function" or node.meta["has_tensors"] or not node.all_input_nodes:
        raise ModelError(f"the head reads `{node.name}` in addition to the feature maps", "name another --layer")
    return head.node_copy(node, lambda source: _copied_number(source, maps, head))


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


def convolutions(graph: fx.GraphModule) -> Iterator[tuple[ConvWeights, fx.Node]]:
    """Yield the weights of every convolution whose weights are parameters, and its node, in the order of execution."""
    for node in graph.graph.nodes:
        if is_node_of(node, graph, (nn.Conv2d,)):
            yield ConvWeights(str(node.target), _attribute(graph, f"{node.target}.weight")), node
        if node.op == "call_function" and node.target in (torch.conv2d, F.conv2d):
            weight = node.all_input_nodes[1]
            if weight.op == "get_attr":
                name = str(weight.target).removesuffix(".weight")
                yield ConvWeights(name, _attribute(graph, str(weight.target))), node


def _attribute(graph: fx.GraphModule, path: str) -> Tensor:
    """Return a parameter by its dotted name, as float32 on the CPU."""
    parameter = operator.attrgetter(path)(graph)
    assert isinstance(parameter, Tensor)
    return parameter.detach().float().cpu()


def nodes_on_all_paths(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the nodes that all paths from input to output contain: after them, no earlier value is used."""
    order = {node: i for i, node in enumerate(graph.graph.nodes)}
    tensors = [node for node in order if node.meta.get("shape") is not None and node.op != "get_attr"]
    last_use = {node: max((order[user] for user in node.users), default=-1) for node in tensors}
    reach, on_all_paths = -1, set()
    for node in tensors:
        if reach <= order[node]:
            on_all_paths.add(node)
        reach = max(reach, last_use[node])
    return on_all_paths
