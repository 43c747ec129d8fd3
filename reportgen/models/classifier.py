"""A classifier as reportgen sees it: a network cut at its feature maps into trunk and head, and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from reportgen.data.class_names import ClassNames


@dataclass(frozen=True)
class Preprocessing:
    """How an upright RGB image becomes the network's input.

    size:        side of the square input in pixels.
    resize_size: size of the shorter side before the centre crop (for `resize = "crop"` only).
    mean, std:   per channel, for values in [0, 1].
    interpolation: Pillow's name, `bilinear` or `bicubic`; always antialiased, as torchvision does on Pillow images.
    """

    size: int = 224
    resize_size: int = 256
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def normalize(self, pixels: Tensor) -> Tensor:
        """Normalize pixels: `(N, 3, S, S)` in [0, 255], such as uint8, → float32."""
        mean = torch.tensor(self.mean, device=pixels.device).view(1, 3, 1, 1) * 255
        std = torch.tensor(self.std, device=pixels.device).view(1, 3, 1, 1) * 255
        return (pixels.to(torch.float32) - mean) / std


Pooling = Literal["gap", "gmp"]
"""Global average or global maximum pooling."""


@dataclass(frozen=True)
class LinearHead:
    """A head of global pooling and one linear layer, whose weights make the class activation maps.

    With average pooling `mean(CAM) + bias` is the logit. With maximum pooling the same weighted sum is used, but its
    mean is not the logit (Zhou et al. 2016, section 2).

    weight: `(K, C)`; bias: `(K,)`.
    """

    weight: Tensor
    bias: Tensor
    pooling: Pooling = "gap"


@dataclass(frozen=True)
class ConvWeights:
    """The weights of a convolution `(out, in, kh, kw)`, and the name of its layer."""

    layer: str
    weight: Tensor


@dataclass(frozen=True)
class MapFunction:
    """A user's function that computes activation maps in place of CAM or Grad-CAM.

    digest:  SHA-256 of its source code, part of the key of stored results.
    compute: (classifier, normalized images `(N, 3, S, S)`, classes `(N, M)`) → maps `(N, M, h, w)`.
    """

    name: str
    digest: str
    compute: Callable[[Classifier, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Classifier:
    """A network that can be audited: `head(trunk(x))` are its logits.

    trunk:          `(N, 3, S, S)` → feature maps `(N, C, h, w)`.
    head:           feature maps → logits `(N, K)`.
    linear_head:    weights of the head if it is global pooling and one linear layer, else None (Grad-CAM is used).
    feature_layer:  name of the layer whose output is the feature maps.
    feature_shape:  their channels, height and width.
    first_conv:     weights of the first convolution, or None.
    parameters:     number of parameters.
    weights_digest: SHA-256 of the network's description and of every parameter and buffer.
    source:         where the network and its weights come from.
    training_curve: numbers of each epoch of a training by `reportgen fit`.
    map_function:   the user's function for activation maps, or None.
    original:       the module that trunk and head were cut from, with which they are compared; None if they were not
        cut from one.
    """

    name: str
    trunk: nn.Module
    head: nn.Module
    linear_head: LinearHead | None
    feature_layer: str
    feature_shape: tuple[int, int, int]
    class_names: ClassNames
    preprocessing: Preprocessing
    first_conv: ConvWeights | None
    parameters: int
    weights_digest: str
    source: str
    training_curve: tuple[Mapping[str, float], ...] = ()
    map_function: MapFunction | None = None
    original: nn.Module | None = None

    @property
    def method(self) -> str:
        """How activation maps are computed: `cam`, `grad-cam`, or the name of the user's function."""
        return self.map_function.name if self.map_function else "cam" if self.linear_head else "grad-cam"

    def to(self, device: torch.device) -> Classifier:
        """Return the classifier on a device. The modules are moved in place, as in PyTorch."""
        head = self.linear_head
        if head is not None:
            head = replace(head, weight=head.weight.to(device), bias=head.bias.to(device))
        return replace(
            self,
            trunk=self.trunk.to(device),
            head=self.head.to(device),
            linear_head=head,
            original=self.original and self.original.to(device),
        )
