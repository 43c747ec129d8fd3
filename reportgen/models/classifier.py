"""A classifier as reportgen sees it: a network cut at its feature maps into trunk and head, and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn

from reportgen.data.class_names import ClassNames
from reportgen.data.score_maps import ScoreMaps

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
"""Pillow's names of its filters. All but `nearest` are antialiased, as in torchvision on Pillow images."""


@dataclass(frozen=True)
class Preprocessing:
    """How an upright RGB image becomes the network's input.

    size:        side of a square input in pixels, or its height and width.
    resize_size: with `resize = "crop"`, the size from which the central part is cut: the image is scaled until it
        covers this square, or this height and width.
    mean, std:   per channel, for values in [0, 1].
    channels:    3, or 1: grey, by Pillow's `convert("L")`.
    squash:      with `resize = "crop"`, the image is scaled to exactly `resize_size`, whatever its own aspect.
    crop_offset: how a central part that is half a pixel off is moved: `round` (torchvision, timm) or `floor` (Hugging
        Face).
    source:      where these values come from, for the report.
    """

    size: int | tuple[int, int] = 224
    resize_size: int | tuple[int, int] = 256
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: Interpolation = "bilinear"
    channels: int = 3
    squash: bool = False
    crop_offset: Literal["round", "floor"] = "round"
    source: str = field(default="", compare=False)

    @property
    def height(self) -> int:
        """Height of the input in pixels."""
        return self.size if isinstance(self.size, int) else self.size[0]

    @property
    def width(self) -> int:
        """Width of the input in pixels."""
        return self.size if isinstance(self.size, int) else self.size[1]

    @property
    def resized(self) -> tuple[int, int]:
        """`resize_size` as height and width."""
        return (self.resize_size, self.resize_size) if isinstance(self.resize_size, int) else self.resize_size

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of a batch of one image."""
        return 1, self.channels, self.height, self.width

    def normalize(self, pixels: Tensor) -> Tensor:
        """Normalize pixels: `(N, C, H, W)` in [0, 255], such as uint8, → float32."""
        mean = torch.tensor(self.mean, device=pixels.device).view(1, -1, 1, 1) * 255
        std = torch.tensor(self.std, device=pixels.device).view(1, -1, 1, 1) * 255
        return pixels.to(torch.float32, copy=True).sub_(mean).div_(std)


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
    compute: (classifier, normalized images `(N, 3 or 1, H, W)`, classes `(N, M)`) → maps `(N, M, h, w)`.
    """

    name: str
    digest: str
    compute: Callable[[Classifier, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Classifier:
    """A network that can be audited: `head(trunk(x))` are its logits.

    trunk:          images `(N, 3 or 1, H, W)` → feature maps `(N, C, h, w)`. Of a vision transformer with class tokens,
        they are followed by channels with the values of these tokens, for the head alone: see `feature_maps`.
    head:           the trunk's output → logits `(N, K)`.
    linear_head:    weights of the head if it is global pooling and one linear layer, else None (Grad-CAM is used).
    feature_layer:  name of the layer whose output is the feature maps.
    feature_shape:  their channels, height and width.
    first_conv:     weights of the first convolution, or None.
    parameters:     number of parameters.
    weights_digest: SHA-256 of the network's description and of every parameter and buffer.
    source:         where the network and its weights come from.
    training_curve: numbers of each epoch of a training by `reportgen fit`.
    map_function:   the user's function for activation maps, or None.
    score_maps:     the files that are read instead of computing activation maps, or None.
    original:       the module that trunk and head were cut from, with which they are compared; None if they were not
        cut from one.
    reads_tokens:   whether class tokens read the feature maps, by attention.
    outputs:        what `original` returns: `classes`, a logit for each class, or `binary`, one logit z, for which the
        head returns (−z/2, z/2), or `probabilities`, those of a softmax: the head returns its logits. Of a multi-label
        network (see `class_names`) `multilabel`, a logit for each label, or `sigmoids`, of which the head returns the
        logits.
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
    score_maps: ScoreMaps | None = None
    original: nn.Module | None = None
    reads_tokens: bool = False
    outputs: str = "classes"

    @property
    def method(self) -> str:
        """Where activation maps come from: `cam`, `grad-cam`, `files`, or the name of the user's function."""
        if self.score_maps:
            return "files"
        return self.map_function.name if self.map_function else "cam" if self.linear_head else "grad-cam"

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of logits `(…, K)`: their softmax, or of a multi-label network their sigmoids."""
        return logits.sigmoid() if self.class_names.is_multilabel else logits.softmax(-1)

    def feature_maps(self, output: Tensor) -> Tensor:
        """Return the feature maps `(N, C, h, w)` in the trunk's output, without the values of class tokens."""
        return output[:, : self.feature_shape[0]]

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
