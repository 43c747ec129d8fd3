"""Which positions of its input an operation looks at: what receptive fields and incremental occlusion rest on."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torchvision.ops import StochasticDepth, stochastic_depth

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A convolution or pooling: output row i looks at the input rows `i * stride - padding + dilation * [0, kernel)`.

    Pairs are (rows, columns). padding: before the first row and column. fill: the value of what lies outside.
    run: the operation without its padding, on an input `(N, C, h, w)` that has been padded by hand.
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    fill: float
    run: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Adaptive:
    """Adaptive pooling: output row i of n looks at the input rows from ⌊i H / n⌋ to ⌈(i + 1) H / n⌉."""


@dataclass(frozen=True)
class Pointwise:
    """An output position depends on the same position of every input, whatever happens to the channels."""


@dataclass(frozen=True)
class Global:
    """Every output position may depend on every input position; also said of operations that are not known here."""


Locality = Window | Adaptive | Pointwise | Global

POINTWISE_MODULES = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid,
    nn.Tanh, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus, nn.Threshold, nn.BatchNorm2d, nn.Dropout,
    nn.Dropout2d, nn.AlphaDropout, nn.Identity, nn.LocalResponseNorm, StochasticDepth,
)  # fmt: skip
POINTWISE_FUNCTIONS = {
    F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish, F.sigmoid, F.tanh, F.hardswish,
    F.hardsigmoid, F.hardtanh, F.softplus, F.dropout, F.dropout2d, F.batch_norm, F.local_response_norm, torch.relu,
    torch.relu_, torch.sigmoid, torch.tanh, torch.clamp, torch.add, torch.sub, torch.mul, torch.div, torch.maximum,
    torch.minimum, torch.neg, operator.add, operator.iadd, operator.sub, operator.isub, operator.mul, operator.imul,
    operator.truediv, operator.neg, stochastic_depth,
}  # fmt: skip
POINTWISE_METHODS = {
    "relu", "relu_", "sigmoid", "tanh", "clamp", "clamp_", "add", "add_", "sub", "mul", "mul_", "div", "contiguous",
    "clone", "detach", "to", "float",
}  # fmt: skip
ADAPTIVE = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
ADAPTIVE_FUNCTIONS = {F.adaptive_avg_pool2d, F.adaptive_max_pool2d}
CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
MAX_POOL = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
WINDOWED = {torch.conv2d, F.conv2d, F.max_pool2d, torch.max_pool2d, F.avg_pool2d}
AVG_POOL = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")


def locality(graph: fx.GraphModule, node: fx.Node) -> Locality:
    """What is known of one node of a traced network (`meta["shape"]` as `models.graph.trace` sets it)."""
    if node.op == "call_module":
        return _of_module(graph.get_submodule(str(node.target)), node)
    if node.op == "call_method":
        return _of_method(node)
    target: Any = node.target
    if target in WINDOWED and _computed(node):
        return Global()
    if target in (torch.conv2d, F.conv2d):
        return _conv(**_named(graph, node, CONV))
    if target in (F.max_pool2d, torch.max_pool2d):
        return _max_pool(**_named(graph, node, MAX_POOL))
    if target is F.avg_pool2d:
        return _avg_pool(node, **_named(graph, node, AVG_POOL))
    if target in ADAPTIVE_FUNCTIONS:
        return Adaptive()
    if target in POINTWISE_FUNCTIONS:
        return Pointwise()
    if target in (torch.cat, torch.concat):
        return _along_channels(node, (node.args[1:2] or (node.kwargs.get("dim", 0),))[0])
    if target in (torch.chunk, torch.split):
        return _along_channels(node, (node.args[2:3] or (node.kwargs.get("dim", 0),))[0])
    if target is operator.getitem:  # one part of a tuple that `chunk` made
        source = node.all_input_nodes[0]
        return Pointwise() if source.meta.get("shape") is None else Global()
    if target is torch.transpose:
        return _keeps_rows_and_columns(node)
    return Global()


def _of_module(module: nn.Module, node: fx.Node) -> Locality:
    if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros":
        return _conv(
            module.weight, module.bias, module.stride, module.padding, module.dilation, module.groups
        )  # fmt: skip
    if isinstance(module, nn.MaxPool2d):
        return _max_pool(module.kernel_size, module.stride, module.padding, module.dilation)
    if isinstance(module, nn.AvgPool2d):
        return _avg_pool(
            node, module.kernel_size, module.stride, module.padding, module.ceil_mode, module.count_include_pad,
            module.divisor_override,
        )  # fmt: skip
    if isinstance(module, nn.ZeroPad2d):
        left, _, upper, _ = module.padding
        return Window((1, 1), (1, 1), (upper, left), (1, 1), 0.0, lambda x: x)
    if isinstance(module, ADAPTIVE):
        return Adaptive()
    return Pointwise() if isinstance(module, POINTWISE_MODULES) else Global()


def _of_method(node: fx.Node) -> Locality:
    if node.target in POINTWISE_METHODS:
        return Pointwise()
    if node.target in ("chunk", "split"):
        return _along_channels(node, (node.args[2:3] or (node.kwargs.get("dim", 0),))[0])
    if node.target in ("view", "reshape", "transpose"):
        return _keeps_rows_and_columns(node)
    return Global()


def _along_channels(node: fx.Node, dim: Any) -> Locality:
    shapes = [source.meta.get("shape") for source in node.all_input_nodes]
    return Pointwise() if all(s is not None and len(s) == 4 and dim in (1, -3) for s in shapes) else Global()


def _keeps_rows_and_columns(node: fx.Node) -> Locality:
    """A view that only regroups channels, as in ShuffleNet: the last two sides are those of its input."""
    before, after = node.all_input_nodes[0].meta.get("shape"), node.meta.get("shape")
    if before is None or after is None or min(len(before), len(after)) < 4 or before[-2:] != after[-2:]:
        return Global()
    if node.target in ("transpose", torch.transpose):
        moved = [d % len(before) for d in node.args[1:3] if isinstance(d, int)]
        return Pointwise() if len(moved) == 2 and max(moved) < len(before) - 2 else Global()
    return Pointwise()


def _computed(node: fx.Node) -> bool:
    """Whether the network itself makes more than the input, as it makes the weights of standardised convolutions."""
    source = node.args[0] if node.args else node.kwargs["input"]
    return any(other is not source and other.op != "get_attr" for other in node.all_input_nodes)


def _named(graph: fx.GraphModule, node: fx.Node, names: tuple[str, ...]) -> dict[str, Any]:
    """The node's arguments by name, without the input; parameters of the network in place of the nodes they come by."""
    found = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    found.pop("input", None)
    return {k: operator.attrgetter(str(v.target))(graph) if isinstance(v, fx.Node) else v for k, v in found.items()}


def _pair(value: Any) -> Pair:
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return int(first), int(rest[0] if rest else first)


def _conv(
    weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Locality:
    kernel, stride, dilation = (int(weight.shape[2]), int(weight.shape[3])), _pair(stride), _pair(dilation)
    if isinstance(padding, str):  # torch pads the odd pixel of "same" behind
        same = padding == "same"
        before = tuple(d * (k - 1) // 2 if same else 0 for k, d in zip(kernel, dilation, strict=True))
    else:
        before = _pair(padding)
    run = partial(F.conv2d, weight=weight, bias=bias, stride=stride, dilation=dilation, groups=groups)
    return Window(kernel, stride, _pair(before), dilation, 0.0, run)


def _max_pool(
    kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Locality:  # fmt: skip
    kernel, dilation = _pair(kernel_size), _pair(dilation)
    stride = _pair(stride or kernel_size)
    run = partial(F.max_pool2d, kernel_size=kernel, stride=stride, dilation=dilation)
    return Global() if return_indices else Window(kernel, stride, _pair(padding), dilation, -torch.inf, run)


def _avg_pool(
    node: fx.Node, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Locality:  # fmt: skip
    kernel, padding = _pair(kernel_size), _pair(padding)
    stride = _pair(stride or kernel_size)
    # Where the divisor depends on the place, a window is not the operation without its padding.
    if ceil_mode or (not count_include_pad and padding != (0, 0)):
        return Global()
    run = partial(F.avg_pool2d, kernel_size=kernel, stride=stride, divisor_override=divisor_override)
    return Window(kernel, stride, padding, (1, 1), 0.0, run)
