"""A head together with the gradient of one of its logits, as one function without automatic differentiation, so that it
can be exported: what Grad-CAM needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from reportgen.errors import ModelError, first_line

TOLERANCE = 1e-4
"""Largest difference of α from that of automatic differentiation, relative to the largest α."""
HeadWithFeatures = Callable[[Tensor], tuple[Tensor, Tensor]]
"""The trunk's output → logits `(1, K)` and features `(1, D)`."""


def head_with_gradient(head: HeadWithFeatures, example: Tensor, classes: int, channels: int) -> fx.GraphModule:
    """Return a module of the trunk's output `(1, C', h, w)` and a class as `(1, K)`: 1 for it and 0 for the others, or
    zeros alone for the predicted class. It computes logits `(1, K)`, features `(1, D)`, and α `(1, C)`, the sum of the
    gradient of the class's logit over the positions, for the first C = `channels` of the trunk's output.

    The backward pass is traced, and its operations are replaced by ones that have a counterpart in ONNX.
    example: an output of the trunk. Errors: ModelError if the traced function is not the head's gradient.
    """

    def compute(output: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, gradient_of, features = vjp(head, output, has_aux=True)
        predicted = torch.where(numbers == logits.argmax(1, keepdim=True), 1.0, 0.0)
        (gradient,) = gradient_of(chosen + (1 - chosen.sum(1, keepdim=True)) * predicted)
        return logits, features, gradient[:, :channels].sum((2, 3))

    vjp: Any = torch.func.vjp  # its type is that of a call without `has_aux`
    numbers = torch.arange(classes, device=example.device)[None]
    none = torch.zeros(1, classes, device=example.device)
    try:
        traced = make_fx(compute, decomposition_table=_decompositions())(example, none)
        other = torch.rand_like(example)
        found = traced(other, none)[2]
    except Exception as error:  # whatever a head does that cannot be traced
        raise ModelError(f"the head's gradient cannot be traced ({first_line(error)})") from error
    with torch.enable_grad():
        leaf = other.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(head(leaf)[0].max(), leaf)
    expected = gradient[:, :channels].sum((2, 3))
    if not (found - expected).abs().max() <= TOLERANCE * expected.abs().max():
        raise ModelError("the head's gradient cannot be traced")
    return traced


def _decompositions() -> dict[Any, Callable[..., Any]]:
    """PyTorch's decompositions of backward operations, and those of two poolings that it does not have."""
    from torch._decomp import core_aten_decompositions

    aten = torch.ops.aten
    return {
        **core_aten_decompositions(),
        aten.max_pool2d_with_indices_backward.default: _max_pool_backward,
        aten._adaptive_avg_pool2d.default: _adaptive_pool,
        aten._adaptive_avg_pool2d_backward.default: lambda gradient, x: gradient * torch.ones_like(x),
    }


def _max_pool_backward(gradient: Tensor, x: Tensor, *settings: Any) -> Tensor:
    """Add each gradient where the maximum was. The last of the settings has the flat positions `(1, C, h, w)`."""
    where: Tensor = settings[-1]
    return torch.zeros_like(x).flatten(2).scatter_add(2, where.flatten(2), gradient.flatten(2)).view_as(x)


def _adaptive_pool(x: Tensor, size: Sequence[int]) -> Tensor:
    """Adaptive pooling of maps that have the wanted size already, as in AlexNet and VGG for their usual input."""
    if list(x.shape[2:]) != list(size):
        raise NotImplementedError(f"adaptive pooling of {list(x.shape[2:])} to {list(size)}")
    return x.clone()
