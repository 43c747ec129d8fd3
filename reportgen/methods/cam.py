"""Class activation maps (Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, section 2)."""

from __future__ import annotations

from torch import Tensor


def class_activation_maps(maps: Tensor, weight: Tensor, classes: Tensor) -> Tensor:
    """Return `M_c(x, y) = Σ_k w[c, k] f_k(x, y)` `(N, M, h, w)`, in logit units: `mean_xy(M_c) + b_c` is the logit.

    maps: feature maps f `(N, C, h, w)`; weight: `(K, C)` of the linear layer; classes: `(N, M)` int64.
    Computed as one batched matrix product, without a backward pass.
    """
    n, c, h, w = maps.shape
    rows = weight[classes]  # (N, M, C)
    return (rows.to(maps.dtype) @ maps.reshape(n, c, h * w)).reshape(n, -1, h, w)
