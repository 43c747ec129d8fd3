"""The layers of a trunk, intermediate outputs of a forward pass, and the maxima of units."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.errors import ConfigError, did_you_mean
from reportgen.models.first_convolution import first_convolution_node
from reportgen.models.graph import (
    NO_OP_MODULES,
    POOLING_FUNCTIONS,
    POOLING_MODULES,
    is_node_of,
    is_spatial,
    nodes_on_all_paths,
)
from reportgen.models.locality import Pointwise, locality

NOT_LAYER_MODULES = (*NO_OP_MODULES, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)
NOT_LAYER_FUNCTIONS = (F.pad, F.dropout)
"""Operations that compute nothing, and padding: the size of padded maps does not define a stage."""


@dataclass(frozen=True)
class Layer:
    """A layer of the trunk: a node of its graph.

    name:          that of the outermost module that ends at the node, such as `layer1`, or the node's own.
    shape:         channels, height and width of the output.
    is_stage_end:  whether it is the last layer of its stage, before the maps get smaller.
    is_first_conv: whether it is the first convolution, with its normalization and activation.
    """

    name: str
    node: fx.Node
    shape: tuple[int, int, int]
    is_stage_end: bool
    is_first_conv: bool


def find_layers(trunk: nn.Module, head: nn.Module) -> list[Layer]:
    """Return every module of the trunk with output of the image's aspect, in order, and functions outside of modules.

    If several modules end at one node (`layer1`, `layer1.2`, `layer1.2.relu`), the outermost gives the name. A module
    that continues in the head, such as AlexNet's `features` with its last pooling, does not end in the trunk.
    A trunk that is not a traced graph (from a `python:` factory) has no layers.
    """
    if not isinstance(trunk, fx.GraphModule):
        return []
    nodes = [node for node in trunk.graph.nodes if node.op not in ("get_attr", "output") and is_spatial(node)]
    last = _last_nodes(trunk, head)
    names = {node: paths[0] for node in nodes[1:] if (paths := _modules_ending_at(node, last))}
    names |= {node: node.name for node in nodes[1:] if not _modules(node)}
    names.setdefault(nodes[-1], nodes[-1].name)
    ends = _stage_ends(trunk, nodes[1:], nodes[0].meta["shape"][-1])
    first = next((node for node in reversed(_first_convolution(trunk)) if node in names), None)
    return [
        Layer(names[node], node, tuple(node.meta["shape"][1:]), node in ends or node is nodes[-1], node is first)
        for node in nodes[1:]
        if node in names
    ]


def select_layers(trunk: nn.Module, head: nn.Module, names: Sequence[str]) -> list[Layer]:
    """Return the layers with these names; without names, the first convolution and the last layer of each stage.

    Errors: ConfigError that suggests the closest names.
    """
    layers = find_layers(trunk, head)
    if not names:
        return [layer for layer in layers if layer.is_stage_end or layer.is_first_conv]
    last = _last_nodes(trunk, head)
    known = {name: layer for layer in layers for name in (layer.name, *_modules_ending_at(layer.node, last))}
    for name in names:
        if name not in known:
            hint = f"{did_you_mean(name, known)} `reportgen layers MODEL` lists them".strip()
            raise ConfigError(f"the network has no layer `{name}`", hint)
    return list(dict.fromkeys(known[name] for name in names))


def _modules(node: fx.Node) -> list[str]:
    """Return the dotted names of the modules that a node belongs to, outermost first."""
    return [str(path) for path, _ in (node.meta.get("nn_module_stack") or {}).values()]


def _last_nodes(trunk: nn.Module, head: nn.Module) -> dict[str, fx.Node]:
    """Return the last node of every module, by its dotted name."""
    nodes = [n for part in (trunk, head) if isinstance(part, fx.GraphModule) for n in part.graph.nodes]
    return {path: n for n in nodes for path in _modules(n)}


def _modules_ending_at(node: fx.Node, last: Mapping[str, fx.Node]) -> list[str]:
    """Return the modules whose last node this is, outermost first. last: of `_last_nodes`."""
    return [path for path in _modules(node) if last[path] is node]


def _first_convolution(trunk: fx.GraphModule) -> list[fx.Node]:
    """Return the first convolution and the pointwise operations that follow it: normalization, activation."""
    first = first_convolution_node(trunk)
    chain = [first] if first else []
    while chain and len(chain[-1].users) == 1:
        (after,) = chain[-1].users
        is_chain = after.op != "output" and after.all_input_nodes == [chain[-1]]
        if not is_chain or not isinstance(locality(trunk, after), Pointwise):
            break
        chain.append(after)
    return chain


def parameters_before(trunk: fx.GraphModule, node: fx.Node) -> dict[int, int]:
    """Return the parameters that a node's value depends on: id → number of values. Shared parameters count once."""
    sizes: dict[int, int] = {}
    pending, visited = [node], {node}
    while pending:
        current = pending.pop()
        if current.op == "call_module":
            sizes |= {id(p): p.numel() for p in trunk.get_submodule(str(current.target)).parameters()}
        elif current.op == "get_attr":
            value = operator.attrgetter(str(current.target))(trunk)
            sizes |= {id(value): value.numel()} if isinstance(value, nn.Parameter) else {}
        pending += [source for source in current.all_input_nodes if source not in visited]
        visited.update(current.all_input_nodes)
    return sizes


def _stage_ends(trunk: fx.GraphModule, nodes: Sequence[fx.Node], side: int) -> set[fx.Node]:
    """Return the last node of each stage that all paths pass through, before the maps get smaller.

    A stage is an octave: maps of about the input's side, a half of it, a quarter … (111 after 112 is no new stage).
    Pooling belongs to the next stage, and so does the whole block that makes the maps smaller: MobileNet's inverted
    residuals first expand their input at the old size. That block is the outermost module around the next stage's first
    node outside of which the stage still has nodes.
    """
    bottlenecks = nodes_on_all_paths(trunk)
    stages: dict[int, list[fx.Node]] = {}
    for node in nodes:
        if is_node_of(node, trunk, NOT_LAYER_MODULES, NOT_LAYER_FUNCTIONS):
            continue
        stages.setdefault(round(math.log2(side / node.meta["shape"][-1])), []).append(node)
    ends = set()
    for stage, smaller in itertools.zip_longest(stages.values(), [stage[0] for stage in stages.values()][1:]):
        candidates = [
            n for n in stage if n in bottlenecks and not is_node_of(n, trunk, POOLING_MODULES, POOLING_FUNCTIONS)
        ]
        for path in _modules(smaller) if smaller else []:
            outside = [n for n in candidates if path not in _modules(n)]
            if outside:
                candidates = outside
                break
        ends.update(candidates[-1:])
    return ends


def unit_maxima(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maximum `(N, C)` of each unit in maps `(N, C, h, w)` and its flat position `y·w + x` `(N, C)` int32.

    Of equal values the first counts. On a CPU and in channels-last layout, pooling with indices is eight times as fast
    as `max` over flattened maps.
    """
    maxima, where = F.adaptive_max_pool2d(maps, 1, return_indices=True)
    return maxima.flatten(1), where.flatten(1).to(torch.int32)


def feature_node(head: nn.Module) -> fx.Node | None:
    """Return the node of the features: the input of the head's last linear layer; None if the head has none."""
    if not isinstance(head, fx.GraphModule):
        return None
    linears = [node for node in head.graph.nodes if is_node_of(node, head, (nn.Linear,), (F.linear,))]
    return linears[-1].all_input_nodes[0] if linears else None


def with_intermediates(
    module: nn.Module, nodes: Sequence[fx.Node], transform: Callable[[Tensor], Any] | None = None
) -> nn.Module:
    """Return a module that computes `(output, [transform(value) of each node])`. It shares the parameters.

    Each value is transformed right after it is computed, so that in-place operations after it do not change the result,
    and its memory is released early. Without `transform` the values are returned, and later nodes work on copies.
    """
    if not nodes:
        return _WithoutIntermediates(module)
    assert isinstance(module, fx.GraphModule)
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    results: dict[fx.Node, fx.Node] = {}
    *inner, output = module.graph.nodes
    for node in inner:
        copies[node] = graph.node_copy(node, lambda n: copies[n])
        if node in nodes:
            results[node] = graph.call_function(transform, (copies[node],)) if transform else copies[node]
            if transform is None:
                copies[node] = graph.call_function(torch.clone, (copies[node],))
    graph.output((copies[output.all_input_nodes[0]], [results[node] for node in nodes]))
    return fx.GraphModule(module, graph)


class _WithoutIntermediates(nn.Module):
    """The same interface without intermediate outputs, also for modules that are not traced."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.module(x), []
