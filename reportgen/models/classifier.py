"""The classifier as the rest of the product sees it: a network cut at its last maps, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from reportgen.data.class_names import Vocabulary


@dataclass(frozen=True)
class Preprocessing:
    """How an upright RGB image becomes the network's input.

    size:  side of the square input in pixels.
    resize_size: what the shorter side is scaled to before the centre crop (`crop` only).
    mean, std: per channel, for values in [0, 1].
    interpolation: Pillow's name, `bilinear` or `bicubic`; always antialiased, as torchvision does on Pillow images.
    """

    size: int = 224
    resize_size: int = 256
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def normalise(self, pixels: Tensor) -> Tensor:
        """`(N, 3, S, S)` uint8 → float32, normalised."""
        mean = torch.tensor(self.mean, device=pixels.device).view(1, 3, 1, 1) * 255
        std = torch.tensor(self.std, device=pixels.device).view(1, 3, 1, 1) * 255
        return (pixels.to(torch.float32) - mean) / std


Pooling = Literal["gap", "gmp"]
"""Global average or global maximum pooling."""


@dataclass(frozen=True)
class OwnHead:
    """Pooling and one linear layer. After an average CAM is exact; after a maximum the same sum is drawn, but its mean
    is not the logit (Zhou et al. 2016, section 2).

    weight: `(K, C)`; bias: `(K,)`.
    """

    weight: Tensor
    bias: Tensor
    pooling: Pooling = "gap"


@dataclass(frozen=True)
class Filters:
    """The kernels of the first convolution: `(out, in, kh, kw)`, and the name of their layer."""

    layer: str
    weight: Tensor


@dataclass(frozen=True)
class Drawer:
    """Another way to maps than CAM or Grad-CAM. draw: (classifier, images `(N, 3, S, S)` normalised, classes `(N, M)`)
    → maps `(N, M, h, w)`; digest: of its code, by which stored results are found."""

    name: str
    digest: str
    draw: Callable[[Classifier, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Classifier:
    """What can be audited. `head(trunk(x))` are the network's logits.

    trunk: `(N, 3, S, S)` → the last maps `(N, C, h, w)`.
    head:  the last maps → logits `(N, K)`.
    own:   the head's weights where it is global pooling and one linear layer, else None (Grad-CAM is used).
    maps_layer: name of the layer whose output the last maps are.
    weights_digest: SHA-256 of every parameter and buffer; of a user's own, with what their code says besides.
    curve: of a training by `reportgen fit`, what is known of each epoch.
    drawer: the user's own maps, or None.
    """

    name: str
    trunk: nn.Module
    head: nn.Module
    own: OwnHead | None
    maps_layer: str
    maps_shape: tuple[int, int, int]
    vocabulary: Vocabulary
    preprocessing: Preprocessing
    filters: Filters | None
    parameters: int
    weights_digest: str
    source: str
    curve: tuple[Mapping[str, float], ...] = ()
    drawer: Drawer | None = None

    @property
    def method(self) -> str:
        """The map that is drawn: `cam`, `grad-cam`, or the name of the user's own."""
        return self.drawer.name if self.drawer else "cam" if self.own else "grad-cam"

    @property
    def class_names(self) -> Sequence[str]:
        return self.vocabulary.names

    def to(self, device: torch.device) -> Classifier:
        """Moves the modules in place (torch's own habit) and returns a classifier with the head's weights there too."""
        own = self.own and replace(self.own, weight=self.own.weight.to(device), bias=self.own.bias.to(device))
        return replace(self, trunk=self.trunk.to(device), head=self.head.to(device), own=own)
