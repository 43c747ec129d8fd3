"""Which input positions an output position of an operation depends on.

Receptive fields and incremental occlusion are computed from this.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

Pair = tuple[int, int]


@dataclass(frozen=True)
class SlidingWindow:
    """A convolution or pooling: output row i depends on the input rows `i * stride - padding + dilation * [0, kernel)`.

    Pairs are (rows, columns).
    padding: before the first row and column; fill: the value of padding.
    run: the operation without padding, for an input `(N, C, h, w)` that is padded already.
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    fill: float
    run: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class AdaptivePooling:
    """Adaptive pooling: output row i of n depends on the input rows from ⌊i H / n⌋ to ⌈(i + 1) H / n⌉."""


@dataclass(frozen=True)
class Pointwise:
    """An output position depends on the same position of every input, in any way on the channels."""


@dataclass(frozen=True)
class Global:
    """Every output position may depend on every input position. Unknown operations are taken to be global."""


Locality = SlidingWindow | AdaptivePooling | Pointwise | Global

POINTWISE_MODULES = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid,
    nn.Tanh, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus, nn.Threshold, nn.BatchNorm2d, nn.Dropout,
    nn.Dropout2d, nn.AlphaDropout, nn.Identity, nn.LocalResponseNorm,
)  # fmt: skip
POINTWISE_FUNCTIONS = {
    F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish, F.sigmoid, F.tanh, F.hardswish,
    F.hardsigmoid, F.hardtanh, F.softplus, F.dropout, F.dropout2d, F.batch_norm, F.local_response_norm, torch.relu,
    torch.relu_, torch.sigmoid, torch.tanh, torch.clamp, torch.add, torch.sub, torch.mul, torch.div, torch.maximum,
    torch.minimum, torch.neg, operator.add, operator.iadd, operator.sub, operator.isub, operator.mul, operator.imul,
    operator.truediv, operator.neg,
}  # fmt: skip
POINTWISE_METHODS = {
    "relu", "relu_", "sigmoid", "tanh", "clamp", "clamp_", "add", "add_", "sub", "mul", "mul_", "div", "contiguous",
    "clone", "detach", "to", "float",
}  # fmt: skip
ADAPTIVE_MODULES = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
ADAPTIVE_FUNCTIONS = {F.adaptive_avg_pool2d, F.adaptive_max_pool2d}
CONV_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
MAX_POOL_ARGUMENTS = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
WINDOW_FUNCTIONS = {torch.conv2d, F.conv2d, F.max_pool2d, torch.max_pool2d, F.avg_pool2d}
AVG_POOL_ARGUMENTS = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")


def _is_stochastic_depth(target: object) -> bool:
    """Whether this is torchvision's module or function, which drop whole images in training only.

    A network that has one has imported torchvision; importing it here would take seconds for all others.
    """
    ops = sys.modules.get("torchvision.ops")
    return ops is not None and target in (ops.StochasticDepth, ops.stochastic_depth)


def locality(graph: fx.GraphModule, node: fx.Node) -> Locality:
    """Return the locality of a node in a traced network, whose `meta["shape"]` is set as by `models.graph.trace`."""
    if node.op == "call_module":
        return _of_module(graph.get_submodule(str(node.target)), node)
    if node.op == "call_method":
        return _of_method(node)
    target: Any = node.target
    if target in WINDOW_FUNCTIONS and _has_computed_weights(node):
        return Global()
    if target in (torch.conv2d, F.conv2d):
        return _conv(**_arguments(graph, node, CONV_ARGUMENTS))
    if target in (F.max_pool2d, torch.max_pool2d):
        return _max_pool(**_arguments(graph, node, MAX_POOL_ARGUMENTS))
    if target is F.avg_pool2d:
        return _avg_pool(node, **_arguments(graph, node, AVG_POOL_ARGUMENTS))
    if target in ADAPTIVE_FUNCTIONS:
        return AdaptivePooling()
    if target in POINTWISE_FUNCTIONS or _is_stochastic_depth(target):
        return Pointwise()
    if target in (torch.cat, torch.concat):
        return _along_channels(node, (node.args[1:2] or (node.kwargs.get("dim", 0),))[0])
    if target in (torch.chunk, torch.split):
        return _along_channels(node, (node.args[2:3] or (node.kwargs.get("dim", 0),))[0])
    if target is operator.getitem:  # a part of the tuple that `chunk` returns
        source = node.all_input_nodes[0]
        return Pointwise() if source.meta.get("shape") is None else Global()
    if target is torch.transpose:
        return _on_channels(node)
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
        return SlidingWindow((1, 1), (1, 1), (upper, left), (1, 1), 0.0, lambda x: x)
    if isinstance(module, ADAPTIVE_MODULES):
        return AdaptivePooling()
    return Pointwise() if isinstance(module, POINTWISE_MODULES) or _is_stochastic_depth(type(module)) else Global()


def _of_method(node: fx.Node) -> Locality:
    if node.target in POINTWISE_METHODS:
        return Pointwise()
    if node.target in ("chunk", "split"):
        return _along_channels(node, (node.args[2:3] or (node.kwargs.get("dim", 0),))[0])
    if node.target in ("view", "reshape", "transpose"):
        return _on_channels(node)
    return Global()


def _along_channels(node: fx.Node, dim: Any) -> Locality:
    """Return the locality of `cat`, `chunk` or `split`: pointwise along the channels of `(N, C, h, w)`, else global."""
    shapes = [source.meta.get("shape") for source in node.all_input_nodes]
    return Pointwise() if all(s is not None and len(s) == 4 and dim in (1, -3) for s in shapes) else Global()


def _on_channels(node: fx.Node) -> Locality:
    """Return the locality of a view or transposition: pointwise if it only regroups channels, as in ShuffleNet."""
    before, after = node.all_input_nodes[0].meta.get("shape"), node.meta.get("shape")
    if before is None or after is None or min(len(before), len(after)) < 4 or before[-2:] != after[-2:]:
        return Global()
    if node.target in ("transpose", torch.transpose):
        moved = [d % len(before) for d in node.args[1:3] if isinstance(d, int)]
        return Pointwise() if len(moved) == 2 and max(moved) < len(before) - 2 else Global()
    return Pointwise()


def _has_computed_weights(node: fx.Node) -> bool:
    """Whether the network computes other arguments than the input, such as the weights of standardized convolutions."""
    source = node.args[0] if node.args else node.kwargs["input"]
    return any(other is not source and other.op != "get_attr" for other in node.all_input_nodes)


def _arguments(graph: fx.GraphModule, node: fx.Node, names: tuple[str, ...]) -> dict[str, Any]:
    """Return a node's arguments by name, without the input, and with parameters in place of `get_attr` nodes."""
    values = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    values.pop("input", None)
    return {k: operator.attrgetter(str(v.target))(graph) if isinstance(v, fx.Node) else v for k, v in values.items()}


def _pair(value: Any) -> Pair:
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return int(first), int(rest[0] if rest else first)


def _conv(
    weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Locality:
    kernel, stride, dilation = (int(weight.shape[2]), int(weight.shape[3])), _pair(stride), _pair(dilation)
    if isinstance(padding, str):  # with "same", PyTorch pads an odd pixel at the end
        same = padding == "same"
        before = tuple(d * (k - 1) // 2 if same else 0 for k, d in zip(kernel, dilation, strict=True))
    else:
        before = _pair(padding)
    run = partial(F.conv2d, weight=weight, bias=bias, stride=stride, dilation=dilation, groups=groups)
    return SlidingWindow(kernel, stride, _pair(before), dilation, 0.0, run)


def _max_pool(
    kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Locality:  # fmt: skip
    kernel, dilation = _pair(kernel_size), _pair(dilation)
    stride = _pair(stride or kernel_size)
    run = partial(F.max_pool2d, kernel_size=kernel, stride=stride, dilation=dilation)
    return Global() if return_indices else SlidingWindow(kernel, stride, _pair(padding), dilation, -torch.inf, run)


def _avg_pool(
    node: fx.Node, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Locality:  # fmt: skip
    kernel, padding = _pair(kernel_size), _pair(padding)
    stride = _pair(stride or kernel_size)
    # The divisor depends on the position, so the operation cannot be run on a window without padding.
    if ceil_mode or (not count_include_pad and padding != (0, 0)):
        return Global()
    run = partial(F.avg_pool2d, kernel_size=kernel, stride=stride, divisor_override=divisor_override)
    return SlidingWindow(kernel, stride, padding, (1, 1), 0.0, run)
