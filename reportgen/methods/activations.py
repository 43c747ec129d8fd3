"""What is kept of an image's activations: all channels of the layers that are looked at, each beside the gradient of
the top class's logit by it (the two mosaics of the ConvNetJS demo)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reportgen.models.classifier import Classifier
from reportgen.models.layers import choose_layers, tapped

MOST = 1 << 18
"""Values of a layer that are kept: larger maps are kept coarser, each value the mean of a square of positions."""
LEVELS = 255
"""A kept value is one of so many steps over its channel's range: a byte, and finer than a screen shows."""


class Activations:
    """A classifier made ready to give these layers' maps and gradients."""

    def __init__(self, classifier: Classifier, layers: Sequence[str]) -> None:
        self.layers = choose_layers(classifier.trunk, classifier.head, layers) if layers else []
        self._trunk = tapped(classifier.trunk, [layer.node for layer in self.layers])
        self._head = classifier.head

    def __call__(self, x: Tensor) -> dict[str, np.ndarray]:
        """The image `(1, 3, S, S)`, normalised. Returns `activations/class` int32, the top class, and of each layer

        `activations/<layer>/map` and `gradients/<layer>/map` `(C, r, c)` uint8: share of the channel's range in 255ths,
            a value the mean of a square of `coarseness` positions a side,
        `activations/<layer>/range` and `gradients/<layer>/range` `(C, 2)` float32: the channel's least and largest
            value over all positions,
        `activations/<layer>/activity` `(C,)` float32: the channel's mean magnitude.
        """
        with torch.enable_grad():
            maps, values = self._trunk(x.detach().clone().requires_grad_())
            logits = self._head(maps)[0]
            top = int(logits.argmax())
            gradients = torch.autograd.grad(logits[top], values, allow_unused=True) if values else ()
        kept = {"activations/class": np.array(top, np.int32)}
        for layer, value, gradient in zip(self.layers, values, gradients, strict=True):
            name, value = layer.name, value.detach()[0].float()
            given = torch.zeros_like(value) if gradient is None else gradient[0].float()
            kept[f"activations/{name}/activity"] = value.abs().mean((1, 2)).cpu().numpy()
            for what, shown in (("activations", value), ("gradients", given)):
                codes, ends = quantised(shown)
                kept |= {f"{what}/{name}/map": codes.cpu().numpy(), f"{what}/{name}/range": ends.cpu().numpy()}
        return kept


def coarseness(channels: int, height: int, width: int) -> int:
    """The least side of squares whose means are at most `MOST` values."""
    side = 1
    while channels * -(-height // side) * -(-width // side) > MOST and side < max(height, width):
        side += 1
    return side


def quantised(maps: Tensor) -> tuple[Tensor, Tensor]:
    """`(C, h, w)` → the means of squares `(C, r, c)` uint8 over each channel's own range, and the ranges `(C, 2)`."""
    side = coarseness(*maps.shape)
    ends = torch.stack([maps.amin((1, 2)), maps.amax((1, 2))], 1)
    means = F.avg_pool2d(maps, side, ceil_mode=True)
    low, high = ends[:, 0, None, None], ends[:, 1, None, None]
    share = torch.where(high > low, (means - low) / (high - low), 0).nan_to_num(0)
    return (LEVELS * share).round().clamp(0, LEVELS).to(torch.uint8), ends
