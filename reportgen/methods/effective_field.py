"""Effective receptive fields: the distribution of a unit's gradient over the input (Luo et al., NeurIPS 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from reportgen.models.classifier import Classifier
from reportgen.models.layers import select_layers, with_intermediates

MASS_SHARE = 0.95
"""Share of the gradient's mass that the effective receptive field contains along each axis."""
UnitPosition = tuple[int, int, int, tuple[int, int]]
"""Index of the layer, unit, flat position in its map, and row and column of the input that distances start from."""


class GradientMass:
    """Computes the distribution of the gradient magnitude of units over the input."""

    def __init__(self, classifier: Classifier, layers: Sequence[str]) -> None:
        self.layers = layers
        chosen = select_layers(classifier.trunk, classifier.head, layers)
        self._trunk = with_intermediates(classifier.trunk, [layer.node for layer in chosen])

    def __call__(self, x: Tensor, units: Sequence[UnitPosition]) -> np.ndarray:
        """Return `(layers, 2, 2·S + 1)` float32: for each layer, down and across, the share of the gradient at distance
        −S … S from the unit's position, summed over the units. x: the image `(1, C, H, W)`, normalized; S: the larger
        of H and W."""
        size = max(x.shape[2:])
        result = np.zeros((len(self.layers), 2, 2 * size + 1), np.float32)
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            _, values = self._trunk(leaf)
        for number, unit, where, origins in units:
            value = values[number][0, unit].flatten()[where]
            (gradient,) = torch.autograd.grad(value, leaf, retain_graph=True)
            mass = gradient[0].abs().sum(0).cpu().double().numpy()
            if 0 < mass.sum() < np.inf:
                for axis, origin in enumerate(origins):
                    start = size - origin
                    result[number, axis, start : start + mass.shape[axis]] += mass.sum(1 - axis) / mass.sum()
        return result


def central_interval(spread: np.ndarray) -> tuple[int, int]:
    """Return the half-open interval of distances that contains the middle `MASS_SHARE` of the gradient.

    spread: `(2·S + 1,)` over the distances −S … S. Without any gradient the interval contains all distances.
    """
    middle = len(spread) // 2
    if not spread.sum() > 0:
        return -middle, middle + 1
    share = np.cumsum(spread.astype(np.float64)) / spread.sum(dtype=np.float64)
    first = int(np.searchsorted(share, (1 - MASS_SHARE) / 2, "right"))
    last = int(np.searchsorted(share, 1 - (1 - MASS_SHARE) / 2, "left"))
    return first - middle, last + 1 - middle
