"""Class activation maps (Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, section 2)."""

from __future__ import annotations

from torch import Tensor


def class_activation_maps(maps: Tensor, weight: Tensor, classes: Tensor) -> Tensor:
    """`M_c(x, y) = Σ_k w[c, k] f_k(x, y)`, in logit units: `mean_xy(M_c) + b_c` is the logit of class c.

    maps: `(N, C, h, w)` last maps f; weight: `(K, C)` of the linear layer; classes: `(N, M)` int64.
    Returns `(N, M, h, w)`: one batched matrix product, no backward pass.
    """
    n, c, h, w = maps.shape
    rows = weight[classes]  # (N, M, C)
    return (rows.to(maps.dtype) @ maps.reshape(n, c, h * w)).reshape(n, -1, h, w)
