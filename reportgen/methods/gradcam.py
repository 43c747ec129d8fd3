"""Grad-CAM (Selvaraju et al., ICCV 2017, equations 1 and 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def grad_cam(head: nn.Module, maps: Tensor, classes: Tensor, channels: int | None = None) -> Tensor:
    """Return `Σ_k α_k f_k` `(N, M, h, w)` with `α_k = Σ_xy ∂logit_c / ∂f_k(x, y)`, before the ReLU.

    The paper divides α by the number of positions. Without this division the map of a GAP head is its CAM, so both
    methods have the unit of logits. The ReLU is left to the drawing code, so negative evidence is not lost.

    head: feature maps → logits; maps: feature maps `(N, C, h, w)` from the forward pass; classes: `(N, M)` int64;
    channels: the first channels alone are feature maps, k counts them; by default all are.
    One backward pass through the head is used for all M classes of all N images.
    """
    with torch.enable_grad():
        leaf = maps.detach().clone().requires_grad_()
        logits = head(leaf)
        n, m = classes.shape
        one_hot = torch.zeros(m, *logits.shape, dtype=logits.dtype, device=logits.device)
        one_hot[torch.arange(m)[:, None], torch.arange(n)[None], classes.T] = 1
        (gradient,) = torch.autograd.grad(logits, leaf, one_hot, is_grads_batched=True)
    alpha = gradient[:, :, :channels].sum((3, 4)).transpose(0, 1)  # (N, M, C)
    return (alpha @ leaf.detach()[:, :channels].flatten(2)).reshape(n, m, *maps.shape[2:])
