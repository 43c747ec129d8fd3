"""Activations of an image: all channels of the selected layers, and the gradient of the top class's logit with respect
to each (the two mosaics of the ConvNetJS demo)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reportgen.models.classifier import Classifier
from reportgen.models.layers import select_layers, with_intermediates

MAX_VALUES = 1 << 18
"""Most values that are stored of a layer. Larger maps are averaged over squares of positions."""
LEVELS = 255
"""Stored values are quantized to so many steps over their channel's range: one byte, finer than a screen shows."""


class Activations:
    """Computes the activations and gradients of these layers for single images."""

    def __init__(self, classifier: Classifier, layers: Sequence[str]) -> None:
        self.layers = select_layers(classifier.trunk, classifier.head, layers) if layers else []
        self._trunk = with_intermediates(classifier.trunk, [layer.node for layer in self.layers])
        self._head = classifier.head

    def __call__(self, x: Tensor) -> dict[str, np.ndarray]:
        """Return the results of the image x `(1, C, H, W)`, normalized.

        `activations/class` int32: the top class. For each layer:
        `activations/<layer>/map` and `gradients/<layer>/map` `(C, r, c)` uint8: means over squares of `coarseness`
            positions a side, in 255ths of the channel's range;
        `activations/<layer>/range` and `gradients/<layer>/range` `(C, 2)` float32: the channel's minimum and maximum
            over all positions;
        `activations/<layer>/activity` `(C,)` float32: the channel's mean magnitude.
        """
        with torch.enable_grad():
            maps, values = self._trunk(x.detach().clone().requires_grad_())
            logits = self._head(maps)[0]
            top = int(logits.argmax())
            gradients = torch.autograd.grad(logits[top], values, allow_unused=True) if values else ()
        results = {"activations/class": np.array(top, np.int32)}
        for layer, value, gradient in zip(self.layers, values, gradients, strict=True):
            name, value = layer.name, value.detach()[0].float()
            gradient = torch.zeros_like(value) if gradient is None else gradient[0].float()
            results[f"activations/{name}/activity"] = value.abs().mean((1, 2)).cpu().numpy()
            for kind, tensor in (("activations", value), ("gradients", gradient)):
                steps, ranges = quantize_per_channel(tensor)
                results |= {f"{kind}/{name}/map": steps.cpu().numpy(), f"{kind}/{name}/range": ranges.cpu().numpy()}
        return results


def coarseness(channels: int, height: int, width: int) -> int:
    """Return the smallest side of squares for which a layer has at most `MAX_VALUES` means."""
    side = 1
    while channels * -(-height // side) * -(-width // side) > MAX_VALUES and side < max(height, width):
        side += 1
    return side


def quantize_per_channel(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return means of maps `(C, h, w)` over squares, `(C, r, c)` uint8 in steps of each channel's range, and the ranges
    `(C, 2)`."""
    side = coarseness(*maps.shape)
    ranges = torch.stack([maps.amin((1, 2)), maps.amax((1, 2))], 1)
    means = F.avg_pool2d(maps, side, ceil_mode=True)
    low, high = ranges[:, 0, None, None], ranges[:, 1, None, None]
    share = torch.where(high > low, (means - low) / (high - low), 0).nan_to_num(0)
    return (LEVELS * share).round().clamp(0, LEVELS).to(torch.uint8), ranges
