"""Saliency: what the logit of a class depends on most, pixel by pixel (Simonyan et al. 2014, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn


def input_gradients(trunk: nn.Module, head: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """`∂logit_c / ∂x`, from one forward pass and one batched backward pass for all classes.

    trunk: images → last maps; head: last maps → logits; images: `(N, 3, H, W)` normalised; classes: `(N, M)` int64.
    Returns `(N, M, 3, H, W)`.
    """
    n, m = classes.shape
    with torch.enable_grad():
        leaf = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        maps = trunk(leaf)
        logits = head(maps)
        one_hot = torch.zeros(m, *logits.shape, dtype=logits.dtype, device=logits.device)
        one_hot[torch.arange(m)[:, None], torch.arange(n)[None], classes.T] = 1
        (gradients,) = torch.autograd.grad(logits, maps, one_hot, is_grads_batched=True, retain_graph=True)
        through = [torch.autograd.grad(maps, leaf, g, retain_graph=j + 1 < m)[0] for j, g in enumerate(gradients)]
    return torch.stack(through, 1)


def saliency(trunk: nn.Module, head: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """`max_channels |∂logit_c / ∂x|`: `(N, M, H, W)`, not negative, in logits a unit of normalised colour."""
    return input_gradients(trunk, head, images, classes).abs().amax(2)


NOISE = 0.15
"""Standard deviation of SmoothGrad's noise, as a share of the image's range (the paper's 10 to 20 %)."""
AT_ONCE = 8
"""Noisy copies that go through the network together."""


def smooth_grad(trunk: nn.Module, head: nn.Module, image: Tensor, classes: Tensor, copies: int) -> Tensor:
    """`max_channels |mean over noisy copies of ∂logit_c / ∂x|` (Smilkov et al., SmoothGrad, 2017): `(1, M, H, W)`.

    image: `(1, 3, H, W)`; classes: `(1, M)`. The noise is Gaussian, and the same in every run.
    """
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros((), device=image.device)
    for start in range(0, copies, AT_ONCE):
        n = min(AT_ONCE, copies - start)
        noise = torch.randn(n, *image.shape[1:], generator=generator).to(image)
        noisy = image + NOISE * (image.max() - image.min()) * noise
        total = total + input_gradients(trunk, head, noisy, classes.expand(n, -1)).sum(0, keepdim=True)
    return (total / copies).abs().amax(2)


class _GuidedReLU(torch.autograd.Function):
    """A ReLU that lets back only positive gradients (Springenberg et al., ICLR workshop 2015, section 3.4)."""

    @staticmethod
    def forward(context: Any, x: Tensor, limit: float | None) -> Tensor:
        context.save_for_backward((x > 0) if limit is None else (x > 0) & (x < limit))
        return x.clamp(0, limit)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (passed,) = context.saved_tensors
        return gradient.clamp(min=0) * passed, None


def _guided(x: Tensor, limit: float | None) -> Tensor:
    result = _GuidedReLU.apply(x, limit)
    assert isinstance(result, Tensor)
    return result


RELUS: dict[Callable, float | None] = {F.relu: None, torch.relu: None, F.relu6: 6.0}


def guided(graph: fx.GraphModule) -> fx.GraphModule:
    """The network with every ReLU (and ReLU6) in its guided form: the same values, other gradients.

    Its gradient is called guided backpropagation, not saliency: it mostly restores edges of the image, and hardly
    depends on the class or the weights (Adebayo et al., NeurIPS 2018). Other activations are left as they are.
    """
    copied = fx.Graph()
    made: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        limit = _limit(graph, node)
        if limit is not False:
            made[node] = copied.call_function(_guided, (made[node.all_input_nodes[0]], limit))
        else:
            made[node] = copied.node_copy(node, made.__getitem__)
    return fx.GraphModule(graph, copied)


def _limit(graph: fx.GraphModule, node: fx.Node) -> float | bool | None:
    """The largest value that a ReLU lets through (None: any); False for another operation."""
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        return 6.0 if isinstance(module, nn.ReLU6) else None if isinstance(module, nn.ReLU) else False
    if node.op == "call_method":
        return None if node.target in ("relu", "relu_") else False
    if node.op == "call_function" and node.target in RELUS:
        return RELUS[node.target]
    return False
