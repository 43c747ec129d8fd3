"""The layers of a trunk that can be looked at, and how a pass looks at them: each unit's maximum, and where it is."""

from __future__ import annotations

import difflib
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.errors import ConfigError
from reportgen.models.graph import PASSING, POOLING, POOLING_FUNCTIONS, is_node_of
from reportgen.models.locality import Pointwise, locality

NO_LAYER = (*PASSING, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)
NO_LAYER_FUNCTIONS = (F.pad, F.dropout)
"""What computes nothing; the sides of padded maps say nothing of the stage."""


@dataclass(frozen=True)
class Layer:
    """A place in the trunk's graph. name: the outermost module that ends there, as `layer1`, or the node's own name.

    shape: channels, height, width of its output.
    stage_end: the last place before the maps get smaller.
    first: what the first convolution's filters answer, after its normalisation and activation.
    """

    name: str
    node: fx.Node
    shape: tuple[int, int, int]
    stage_end: bool
    first: bool


def find_layers(trunk: nn.Module, head: nn.Module) -> list[Layer]:
    """Every module of the trunk that gives square maps, and the functional operations outside of modules, in order.

    Where several modules end at one node (`layer1`, `layer1.2`, `layer1.2.relu`), the outermost names it; a module that
    goes on in the head, as AlexNet's `features` with its last pooling, does not end in the trunk. A trunk that is no
    graph (a `python:` factory's own) has none.
    """
    if not isinstance(trunk, fx.GraphModule):
        return []
    nodes = [node for node in trunk.graph.nodes if _is_maps(node)]
    names = {node: paths[0] for node in nodes[1:] if (paths := _ended(trunk, head, node))}
    names |= {node: node.name for node in nodes[1:] if not _modules(node)}
    names.setdefault(nodes[-1], nodes[-1].name)
    ends = _stage_ends(trunk, nodes[1:], nodes[0].meta["shape"][-1])
    first = next((node for node in reversed(_first_convolution(trunk)) if node in names), None)
    return [
        Layer(names[node], node, tuple(node.meta["shape"][1:]), node in ends, node is first)
        for node in nodes[1:]
        if node in names
    ]


def choose_layers(trunk: nn.Module, head: nn.Module, wanted: Sequence[str]) -> list[Layer]:
    """The layers that are named; where none is, the first convolution and the ends of the stages.

    Errors: ConfigError, naming the nearest.
    """
    layers = find_layers(trunk, head)
    if not wanted:
        return [layer for layer in layers if layer.stage_end or layer.first]
    known = {name: layer for layer in layers for name in (layer.name, *_ended(trunk, head, layer.node))}
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.4)
            said = f"did you mean {' or '.join(f'`{n}`' for n in near)}? " if near else ""
            raise ConfigError(f"the network has no layer `{name}`", f"{said}`reportgen layers MODEL` lists them")
    return list(dict.fromkeys(known[name] for name in wanted))


def _is_maps(node: fx.Node) -> bool:
    shape: tuple[int, ...] = node.meta.get("shape") or ()
    return node.op not in ("get_attr", "output") and len(shape) == 4 and shape[2] == shape[3] > 1


def _modules(node: fx.Node) -> list[str]:
    """The dotted names of the modules that a node lies in, outermost first."""
    return [str(path) for path, _ in (node.meta.get("nn_module_stack") or {}).values()]


def _ended(trunk: nn.Module, head: nn.Module, node: fx.Node) -> list[str]:
    """The modules whose last node this one is, outermost first."""
    nodes = [n for part in (trunk, head) if isinstance(part, fx.GraphModule) for n in part.graph.nodes]
    last = {path: n for n in nodes for path in _modules(n)}
    return [path for path in _modules(node) if last[path] is node]


def _first_convolution(trunk: fx.GraphModule) -> list[fx.Node]:
    """The first convolution and what follows it alone, channel by channel: its normalisation, its activation."""
    convolutions = (n for n in trunk.graph.nodes if is_node_of(n, trunk, (nn.Conv2d,), (torch.conv2d, F.conv2d)))
    chain = list(itertools.islice(convolutions, 1))
    while chain and len(chain[-1].users) == 1:
        (after,) = chain[-1].users
        alone = after.op != "output" and after.all_input_nodes == [chain[-1]]
        if not alone or not isinstance(locality(trunk, after), Pointwise):
            break
        chain.append(after)
    return chain


def parameters_before(trunk: fx.GraphModule, node: fx.Node) -> dict[int, int]:
    """The parameters that a node's value depends on: identity → number of values; one that is shared counts once."""
    found: dict[int, int] = {}
    waiting, seen = [node], {node}
    while waiting:
        one = waiting.pop()
        if one.op == "call_module":
            found |= {id(p): p.numel() for p in trunk.get_submodule(str(one.target)).parameters()}
        elif one.op == "get_attr":
            value = operator.attrgetter(str(one.target))(trunk)
            found |= {id(value): value.numel()} if isinstance(value, nn.Parameter) else {}
        waiting += [source for source in one.all_input_nodes if source not in seen]
        seen.update(one.all_input_nodes)
    return found


def _stage_ends(trunk: fx.GraphModule, nodes: Sequence[fx.Node], side: int) -> set[fx.Node]:
    """For each stage the last node that everything passes through, before what makes the maps smaller.

    A stage is an octave: maps of about the input's side, a half, a quarter … of it (111 after 112 is no stage).
    Pooling counts to what makes the maps smaller, and so does the rest of the block that does: an inverted residual of
    MobileNet widens its input at the old size first. That block is the outermost module around the next stage's first
    node that leaves anything of the stage.
    """
    through = _passed_by_all(trunk)
    stages: dict[int, list[fx.Node]] = {}
    for node in nodes:
        if is_node_of(node, trunk, NO_LAYER, NO_LAYER_FUNCTIONS):
            continue
        stages.setdefault(round(math.log2(side / node.meta["shape"][-1])), []).append(node)
    ends = set()
    for stage, smaller in itertools.zip_longest(stages.values(), [stage[0] for stage in stages.values()][1:]):
        candidates = [n for n in stage if n in through and not is_node_of(n, trunk, POOLING, POOLING_FUNCTIONS)]
        for path in _modules(smaller) if smaller else []:
            outside = [n for n in candidates if path not in _modules(n)]
            if outside:
                candidates = outside
                break
        ends.update(candidates[-1:])
    return ends


def _passed_by_all(trunk: fx.GraphModule) -> set[fx.Node]:
    """The nodes that no path from input to output avoids: when they have run, nothing else is waited for."""
    order = {node: i for i, node in enumerate(trunk.graph.nodes)}
    tensors = [node for node in order if node.meta.get("shape") is not None and node.op != "get_attr"]
    last_use = {node: max((order[user] for user in node.users), default=-1) for node in tensors}
    reach, passed = -1, set()
    for node in tensors:
        if reach <= order[node]:
            passed.add(node)
        reach = max(reach, last_use[node])
    return passed


def unit_maxima(maps: Tensor) -> tuple[Tensor, Tensor]:
    """`(N, C, h, w)` → each unit's maximum `(N, C)` and its flat position `y·w + x` `(N, C)` int32; the first, if tied.

    Pooling that tells its indices is, channels last, eight times as fast on a CPU as `max` over flattened maps.
    """
    maxima, where = F.adaptive_max_pool2d(maps, 1, return_indices=True)
    return maxima.flatten(1), where.flatten(1).to(torch.int32)


def code_node(head: nn.Module) -> fx.Node | None:
    """What the last linear layer of a head takes: the code of the image. None where there is no such layer."""
    if not isinstance(head, fx.GraphModule):
        return None
    linears = [node for node in head.graph.nodes if is_node_of(node, head, (nn.Linear,), (F.linear,))]
    return linears[-1].all_input_nodes[0] if linears else None


def tapped(module: nn.Module, nodes: Sequence[fx.Node], look: Callable[[Tensor], Any] | None = None) -> nn.Module:
    """A module that gives `(output, [look(value) of each node])`; it shares the parameters and hangs no hook anywhere.

    Each value is looked at as soon as it is there: an in-place ReLU behind it cannot change what is seen, and maps are
    freed at once. Without `look` the values themselves are given, and what comes after them works on copies.
    """
    if not nodes:
        return _Untapped(module)
    assert isinstance(module, fx.GraphModule)
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    seen: dict[fx.Node, fx.Node] = {}
    *inner, output = module.graph.nodes
    for node in inner:
        copies[node] = graph.node_copy(node, lambda n: copies[n])
        if node in nodes:
            seen[node] = graph.call_function(look, (copies[node],)) if look else copies[node]
            if look is None:
                copies[node] = graph.call_function(torch.clone, (copies[node],))
    graph.output((copies[output.all_input_nodes[0]], [seen[node] for node in nodes]))
    return fx.GraphModule(module, graph)


class _Untapped(nn.Module):
    """The same form for a module that nothing is wanted of, or that is no graph."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> tuple[Tensor, list]:
        return self.module(x), []
