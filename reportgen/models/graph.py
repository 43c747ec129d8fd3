"""Analysis of a network's graph (torch.fx): where it is cut into trunk and head, and its linear head."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves

from reportgen.errors import ModelError, first_line
from reportgen.models.classifier import ConvWeights
from reportgen.models.constants import compute_constants
from reportgen.models.example_tracer import GraphTracer, trace_with_examples, unchanged_attributes
from reportgen.models.in_place import eliminate_dead_code, make_in_place_changes_explicit
from reportgen.models.outputs import logits_in

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
        if any(is_lazy(parameter) for parameter in module.parameters()):
            with torch.no_grad():
                module(example)  # makes the parameters
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
            f"`{type(module).__name__}` does not run on {tuple(example.shape)} ({first_line(error)})",
            "state its input with --input-size and --channels",
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
    returned: Any = output.args[0]
    if isinstance(returned, fx.Node) and isinstance(returned.target, type) and issubclass(returned.target, tuple):
        named_tuple: Any = returned.target
        returned = named_tuple(*returned.args)
    logits = logits_in(returned, fx.Node)
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


def input_shape(graph: fx.Graph) -> tuple[int, ...]:
    """Return the shape `(1, channels, height, width)` of the image that a graph was traced with."""
    shape: tuple[int, ...] = next(iter(graph.nodes)).meta["shape"]
    return shape


def is_grid(graph: fx.Graph, rows: int, columns: int) -> bool:
    """Whether there are several rows and columns, in the image's aspect up to rounding."""
    height, width = input_shape(graph)[2:]
    return min(rows, columns) > 1 and abs(rows * width - columns * height) < max(height, width)


def is_spatial(node: fx.Node) -> bool:
    """Whether the output is `(N, C, h, w)` with h, w > 1 and the image's aspect, which channels-last tensors lack.

    Not where the channels are not all of one layer: `meta["is_layer"]` is False.
    """
    shape = node.meta.get("shape") if node.meta.get("is_layer", True) else None
    return shape is not None and len(shape) == 4 and is_grid(node.graph, shape[2], shape[3])


def owner(node: fx.Node) -> str:
    """Return the dotted name of the module that a node belongs to."""
    stack = node.meta.get("nn_module_stack") or {}
    names = [str(path) for path, _ in stack.values()] if stack else []
    return str(node.target) if node.op == "call_module" else (names[-1] if names else node.name)


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


def nodes_on_all_paths(graph: fx.GraphModule, tensors: Sequence[fx.Node] | None = None) -> set[fx.Node]:
    """Return the nodes that all paths from input to output contain: after them, no earlier value is used.

    tensors: the nodes that count, in order, as values and as what uses them; by default all values that are one tensor,
        without the parameters, and every use of them.
    """
    order = {node: i for i, node in enumerate(graph.graph.nodes)}
    users = set(order if tensors is None else tensors)
    if tensors is None:
        tensors = [node for node in order if node.meta.get("shape") is not None and node.op != "get_attr"]
    reach, on_all_paths = -1, set()
    for node in tensors:
        if reach <= order[node]:
            on_all_paths.add(node)
        reach = max([reach, *(order[user] for user in node.users if user in users)])
    return on_all_paths
