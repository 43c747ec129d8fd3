"""A traced network made ready to be run many times: fewer operations, less memory touched, channels last."""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from reportgen.models.graph import is_node_of

CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
FRESH = (nn.Conv2d, nn.BatchNorm2d), (operator.add, torch.add)
"""What gives memory of its own, which an activation behind it may write over."""


def fused(module: nn.Module) -> nn.Module:
    """A copy in channels-last layout, for evaluation, whose results differ from the network's by rounding.

    Batch normalisations are folded into the convolutions before them, zeros around maps are added by the convolutions
    that read them, and ReLUs write over what only they read. `meta["shape"]` stays on the nodes that are kept. Of a
    module that is no graph only the layout changes, in place.
    """
    if isinstance(module, fx.GraphModule):
        module = copy.deepcopy(module).eval()
        for change in (_make_modules, _fold_batch_norms, _pad_in_convolutions, _activate_in_place):
            change(module)
        module.graph.eliminate_dead_code()
        module.delete_all_unused_submodules()
        module.recompile()
    return module.to(memory_format=torch.channels_last)


def _make_modules(graph: fx.GraphModule) -> None:
    """Convolutions called as functions on the network's own weights as modules, which is what can be changed."""
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target in (torch.conv2d, F.conv2d):
            given: dict[str, Any] = {**dict(zip(CONV, node.args, strict=False)), **node.kwargs}
            weight, bias = (_own(graph, given.get(name)) for name in ("weight", "bias"))
            if weight is not None and (bias is not None or given.get("bias") is None):
                node.op, node.args, node.kwargs = "call_module", (given["input"],), {}
                _exchange(graph, node, _conv(weight, bias, given))


def _fold_batch_norms(graph: fx.GraphModule) -> None:
    """Each into the convolution before it, where nothing else reads that one's output."""
    for node in list(graph.graph.nodes):
        if not is_node_of(node, graph, (nn.BatchNorm2d,)):
            continue
        (before,) = node.all_input_nodes
        norm: Any = graph.get_submodule(str(node.target))
        if is_node_of(before, graph, (nn.Conv2d,)) and len(before.users) == 1 and norm.running_mean is not None:
            conv: Any = graph.get_submodule(str(before.target))
            _exchange(graph, before, fuse_conv_bn_eval(conv, norm))
            _skip(graph, node)


def _pad_in_convolutions(graph: fx.GraphModule) -> None:
    """Zeros around maps, as many on either side, where only convolutions read them."""
    for node in list(graph.graph.nodes):
        if not is_node_of(node, graph, (nn.ZeroPad2d,)):
            continue
        pad: Any = graph.get_submodule(str(node.target))
        left, right, above, below = pad.padding
        readers = list(node.users)
        convs: list[Any] = [graph.get_submodule(str(r.target)) for r in readers if is_node_of(r, graph, (nn.Conv2d,))]
        plain = all(conv.padding_mode == "zeros" and not isinstance(conv.padding, str) for conv in convs)
        if (left, above) == (right, below) and min(left, above) >= 0 and plain and len(convs) == len(readers):
            for reader, conv in zip(readers, convs, strict=True):
                wider = copy.copy(conv)
                wider.padding = (conv.padding[0] + above, conv.padding[1] + left)
                _exchange(graph, reader, wider)
            _skip(graph, node)


def _activate_in_place(graph: fx.GraphModule) -> None:
    for node in graph.graph.nodes:
        if is_node_of(node, graph, (nn.ReLU, nn.ReLU6)):
            (source,) = node.all_input_nodes
            if is_node_of(source, graph, *FRESH) and len(source.users) == 1:
                _exchange(graph, node, type(graph.get_submodule(str(node.target)))(inplace=True))


def _exchange(graph: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    """Gives the node a module of its own: what it had may be another node's, too."""
    node.target = f"{node.name}_fused"
    graph.add_submodule(node.target, module)


def _skip(graph: fx.GraphModule, node: fx.Node) -> None:
    (source,) = node.all_input_nodes
    node.replace_all_uses_with(source)
    graph.graph.erase_node(node)


def _own(graph: fx.GraphModule, node: Any) -> Tensor | None:
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    found = operator.attrgetter(str(node.target))(graph)
    assert isinstance(found, Tensor)
    return found


def _conv(weight: Tensor, bias: Tensor | None, given: dict[str, Any]) -> nn.Conv2d:
    groups = given.get("groups", 1)
    out, inside, height, width = weight.shape
    options = {name: given.get(name, default) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))}
    with torch.device("meta"):
        module = nn.Conv2d(inside * groups, out, (height, width), groups=groups, bias=bias is not None, **options)
    module.weight = nn.Parameter(weight.detach())
    module.bias = None if bias is None else nn.Parameter(bias.detach())
    return module.eval()
