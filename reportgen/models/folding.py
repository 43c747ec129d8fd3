"""Folding of a traced network for faster inference: fewer operations, less memory traffic, channels-last layout."""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from reportgen.models.graph import is_node_of
from reportgen.models.in_place import eliminate_dead_code

CONV_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
OWN_OUTPUT = (nn.Conv2d, nn.BatchNorm2d), (operator.add, torch.add)
"""Operations that allocate their output, which an activation after them may overwrite."""


def fold(module: nn.Module) -> nn.Module:
    """Return an equivalent network for evaluation in channels-last layout; its results differ by rounding.

    In a copy of a traced network, batch normalizations are folded into the convolutions before them, zero padding
    becomes part of the convolutions after it, and ReLUs work in place where only they read their input. The remaining
    nodes keep their `meta["shape"]`. A module that is not traced only changes its layout, in place.
    """
    if isinstance(module, fx.GraphModule):
        module = copy.deepcopy(module).eval()
        for change in (
            _convolutions_to_modules, _fold_batch_norms, _pad_in_convolutions, _activate_in_place, _reshape,
        ):  # fmt: skip
            change(module)
        eliminate_dead_code(module)
        module.delete_all_unused_submodules()
        module.recompile()
    for part in module.modules():  # other parameters keep their layout, which `forward` may rely on
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            for parameter in part.parameters(recurse=False):
                if parameter.ndim == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


def _convolutions_to_modules(graph: fx.GraphModule) -> None:
    """Replace calls of `conv2d` on parameters of the network by modules, which the other steps can change."""
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target in (torch.conv2d, F.conv2d):
            arguments: dict[str, Any] = {**dict(zip(CONV_ARGUMENTS, node.args, strict=False)), **node.kwargs}
            weight, bias = (_parameter(graph, arguments.get(name)) for name in ("weight", "bias"))
            has_computed_options = any(isinstance(arguments.get(name), fx.Node) for name in CONV_ARGUMENTS[3:])
            if weight is not None and (bias is not None or arguments.get("bias") is None) and not has_computed_options:
                node.op, node.args, node.kwargs = "call_module", (arguments["input"],), {}
                _set_module(graph, node, _conv(weight, bias, arguments))


def _fold_batch_norms(graph: fx.GraphModule) -> None:
    """Fold each batch normalization into the convolution before it if nothing else reads the convolution's output."""
    for node in list(graph.graph.nodes):
        if not is_node_of(node, graph, (nn.BatchNorm2d,)):
            continue
        (before,) = node.all_input_nodes
        norm: Any = graph.get_submodule(str(node.target))
        if is_node_of(before, graph, (nn.Conv2d,)) and len(before.users) == 1 and norm.running_mean is not None:
            conv: Any = graph.get_submodule(str(before.target))
            _set_module(graph, before, fuse_conv_bn_eval(conv, norm))
            _skip(graph, node)


def _pad_in_convolutions(graph: fx.GraphModule) -> None:
    """Make symmetric zero padding part of the convolutions after it if nothing else reads its output."""
    for node in list(graph.graph.nodes):
        if not is_node_of(node, graph, (nn.ZeroPad2d,)):
            continue
        pad: Any = graph.get_submodule(str(node.target))
        left, right, above, below = pad.padding
        users = list(node.users)
        convs: list[Any] = [graph.get_submodule(str(u.target)) for u in users if is_node_of(u, graph, (nn.Conv2d,))]
        zero_padded = all(conv.padding_mode == "zeros" and not isinstance(conv.padding, str) for conv in convs)
        if (left, above) == (right, below) and min(left, above) >= 0 and zero_padded and len(convs) == len(users):
            for user, conv in zip(users, convs, strict=True):
                wider = copy.copy(conv)
                wider.padding = (conv.padding[0] + above, conv.padding[1] + left)
                _set_module(graph, user, wider)
            _skip(graph, node)


def _activate_in_place(graph: fx.GraphModule) -> None:
    for node in graph.graph.nodes:
        if is_node_of(node, graph, (nn.ReLU, nn.ReLU6)):
            (source,) = node.all_input_nodes
            if is_node_of(source, graph, *OWN_OUTPUT) and len(source.users) == 1:
                _set_module(graph, node, type(graph.get_submodule(str(node.target)))(inplace=True))


def _reshape(graph: fx.GraphModule) -> None:
    """Let `x.view(sizes)` copy where it must: `x` may be in another layout than in the network before folding."""
    for node in graph.graph.nodes:
        if node.op == "call_method" and node.target == "view" and not isinstance(node.args[1], torch.dtype):
            node.target = "reshape"


def _set_module(graph: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    """Give a node a new module. The old one is not changed because other nodes may use it."""
    node.target = f"{node.name}_folded"
    graph.add_submodule(node.target, module)


def _skip(graph: fx.GraphModule, node: fx.Node) -> None:
    (source,) = node.all_input_nodes
    node.replace_all_uses_with(source)
    graph.graph.erase_node(node)


def _parameter(graph: fx.GraphModule, node: Any) -> Tensor | None:
    """Return the tensor that a `get_attr` node reads, or None for anything else."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    tensor = operator.attrgetter(str(node.target))(graph)
    assert isinstance(tensor, Tensor)
    return tensor


def _conv(weight: Tensor, bias: Tensor | None, arguments: dict[str, Any]) -> nn.Conv2d:
    groups = arguments.get("groups", 1)
    out, inside, height, width = weight.shape
    options = {name: arguments.get(name, default) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))}
    with torch.device("meta"):
        module = nn.Conv2d(inside * groups, out, (height, width), groups=groups, bias=bias is not None, **options)
    module.weight = nn.Parameter(weight.detach())
    module.bias = None if bias is None else nn.Parameter(bias.detach())
    return module.eval()
