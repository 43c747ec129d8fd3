"""Analysis of a network's graph (torch.fx): where it is cut into trunk and head, and its linear head."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.errors import ModelError
from reportgen.models.classifier import ConvWeights, LinearHead
from reportgen.models.heads import POOLINGS
from reportgen.models.in_place import eliminate_dead_code, make_in_place_changes_explicit

POOLING_MODULES = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
POOLING_FUNCTIONS = (F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d)
NO_OP_MODULES = (nn.Dropout, nn.Dropout2d, nn.Identity)
NO_OP_FUNCTIONS = (F.dropout, F.dropout2d)
# Attention or a convolution after the feature maps would mean that they are not those of the last convolution.
POSITION_MIXING_MODULES = (nn.Conv2d, nn.MultiheadAttention)
POSITION_MIXING_FUNCTIONS = (torch.conv2d, F.conv2d, F.scaled_dot_product_attention, F.multi_head_attention_forward)


def trace(module: nn.Module, example: Tensor) -> fx.GraphModule:
    """Trace a module in evaluation mode. `meta["shape"]` of a node is its output's shape for `example`, or None.

    Errors: ModelError if torch.fx cannot trace the module, or the module does not run on the example.
    """
    try:
        graph = fx.symbolic_trace(module.eval())
        make_in_place_changes_explicit(graph)
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


def first_line(error: Exception) -> str:
    """Return the first line of an error's message: those of PyTorch have many."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error).strip()
    return (text.splitlines() or [type(error).__name__])[0]


class _Shapes(fx.Interpreter):
    """Runs the graph once and stores the shape of every node's output."""

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        n.meta["shape"] = tuple(result.shape) if isinstance(result, Tensor) else None
        return result


def is_node_of(
    node: fx.Node, graph: fx.GraphModule, modules: tuple[type, ...], functions: tuple[Any, ...] = ()
) -> bool:
    """Whether a node calls a module of one of these types, or one of these functions."""
    if node.op == "call_module":
        return isinstance(graph.get_submodule(str(node.target)), modules)
    return node.op == "call_function" and node.target in functions


def _is_spatial(node: fx.Node) -> bool:
    """Whether the output is `(N, C, h, w)` with h = w > 1. The example is square, so channels-last tensors are not."""
    shape = node.meta.get("shape")
    return shape is not None and len(shape) == 4 and shape[2] == shape[3] > 1


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
    nodes: list[fx.Node] = [n for n in graph.graph.nodes if _is_spatial(n) and n.op != "placeholder"]
    if layer is not None:
        inside = [n for n in nodes if _owner(n) == layer or _owner(n).startswith(layer + ".")]
        if not inside or not _is_cut(graph, inside[-1]):
            raise _not_found(graph, nodes, f"not all paths to the logits pass through layer `{layer}`")
        return inside[-1]
    for node in reversed(nodes):
        if _is_cut(graph, node):
            while is_node_of(node, graph, POOLING_MODULES + NO_OP_MODULES, POOLING_FUNCTIONS + NO_OP_FUNCTIONS):
                node = node.all_input_nodes[0]
            head = _dependents(graph, node)
            if any(is_node_of(n, graph, POSITION_MIXING_MODULES, POSITION_MIXING_FUNCTIONS) for n in head):
                raise _not_found(graph, nodes, "the layers after them mix positions (attention?)")
            return node
    raise _not_found(graph, nodes, "no layer with output (channels, height, width) leads to the logits")


def _owner(node: fx.Node) -> str:
    """Return the dotted name of the module that a node belongs to."""
    stack = node.meta.get("nn_module_stack") or {}
    names = [str(path) for path, _ in stack.values()] if stack else []
    return str(node.target) if node.op == "call_module" else (names[-1] if names else node.name)


def _not_found(graph: fx.GraphModule, nodes: Iterable[fx.Node], reason: str) -> ModelError:
    names = list(dict.fromkeys(_owner(n) for n in nodes if _is_cut(graph, n)))[-6:]
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
            _adopt_batch_size(node, graph, inside, head)
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


def _adopt_batch_size(node: fx.Node, graph: fx.GraphModule, inside: dict[fx.Node, fx.Node], head: fx.Graph) -> None:
    """Let the head read the batch size from its own input where the network uses `x.size(0)`, as in `view`."""
    for parent in node.all_input_nodes:
        if parent not in inside:
            maps = next(iter(inside.values()))
            by_method = parent.op == "call_method" and parent.target == "size" and parent.args[1:] == (0,)
            by_shape = parent.target is operator.getitem and parent.args[1] == 0
            if by_method or by_shape:
                inside[parent] = head.call_method("size", (maps, 0))
            else:
                raise ModelError(
                    f"the head reads `{parent.name}` in addition to the feature maps", "name another --layer"
                )


def find_linear_head(
    graph: fx.GraphModule, head: fx.GraphModule, maps: fx.Node, name: str | None = None
) -> LinearHead | None:
    """Return the weights of a head that is global pooling and one linear layer; None for any other head.

    Candidate is the head's only linear layer, with as many inputs as there are feature maps (and called `name`, if
    given). It is accepted if `head(f) = W mean(f) + b` or `head(f) = W max(f) + b` holds for random feature maps f.
    Errors: ModelError if `name` is given and the layer is not accepted.
    """
    channels = maps.meta["shape"][1]
    linears = [
        (str(n.target), module)
        for n in head.graph.nodes
        if n.op == "call_module" and isinstance(module := graph.get_submodule(str(n.target)), nn.Linear)
    ]
    chosen = [m for n, m in linears if (name is None or n == name) and m.in_features == channels]
    if len(linears) == 1 and len(chosen) == 1:
        linear = chosen[0]
        weight = linear.weight.detach().float()
        bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float()
        f = torch.randn(2, *maps.meta["shape"][1:], generator=torch.Generator().manual_seed(0))
        logits = _run_head(head, f)
        with torch.inference_mode():
            for pooling, pool in POOLINGS.items():
                if torch.allclose(logits, pool(f) @ weight.T + bias, rtol=1e-4, atol=1e-4):
                    return LinearHead(weight, bias, pooling)
    if name is not None:
        listed = ", ".join(f"`{n}`" for n, _ in linears) or "none"
        raise ModelError(
            f"head `{name}` is not a linear layer on the mean or maximum of the feature maps",
            f"linear layers of the head: {listed}",
        )
    return None


def _run_head(head: fx.GraphModule, maps: Tensor) -> Tensor:
    try:
        with torch.inference_mode():  # node by node: a GraphModule prints a traceback in addition to raising
            logits: Tensor = fx.Interpreter(head).run(maps)
    except Exception as error:
        raise ModelError(
            f"the network does not run on a batch of {len(maps)} images ({first_line(error)})",
            "its `forward` must accept any number of images",
        ) from error
    return logits


def convolutions(graph: fx.GraphModule) -> Iterator[ConvWeights]:
    """Yield the weights of every convolution, in the order of execution."""
    for node in graph.graph.nodes:
        if is_node_of(node, graph, (nn.Conv2d,)):
            yield ConvWeights(str(node.target), _attribute(graph, f"{node.target}.weight"))
        if node.op == "call_function" and node.target in (torch.conv2d, F.conv2d):
            weight = node.all_input_nodes[1]
            if weight.op == "get_attr":
                yield ConvWeights(str(weight.target).removesuffix(".weight"), _attribute(graph, str(weight.target)))


def _attribute(graph: fx.GraphModule, path: str) -> Tensor:
    """Return a parameter by its dotted name, as float32 on the CPU."""
    parameter = operator.attrgetter(path)(graph)
    assert isinstance(parameter, Tensor)
    return parameter.detach().float().cpu()
