"""Effective receptive fields: where in the input a unit's gradient is (Luo et al., NeurIPS 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from reportgen.models.classifier import Classifier
from reportgen.models.layers import choose_layers, tapped

MASS = 0.95
"""Share of the gradient's mass that the effective field holds along each axis."""
Asked = tuple[int, int, int, tuple[int, int]]
"""Layer's number, unit, flat position in its map, and the row and column that distances are counted from."""


class GradientMass:
    """A classifier made ready to tell how the magnitude of units' gradients is spread over the input."""

    def __init__(self, classifier: Classifier, layers: Sequence[str]) -> None:
        self.layers = layers
        chosen = choose_layers(classifier.trunk, classifier.head, layers)
        self._trunk = tapped(classifier.trunk, [layer.node for layer in chosen])

    def __call__(self, x: Tensor, asked: Sequence[Asked]) -> np.ndarray:
        """The image `(1, 3, S, S)`, normalised. Returns `(layers, 2, 2·S + 1)` float32: down and across, by the
        distance −S … S from the origin, the sum over what is asked of each unit's share."""
        size = x.shape[-1]
        found = np.zeros((len(self.layers), 2, 2 * size + 1), np.float32)
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            _, values = self._trunk(leaf)
        for number, unit, where, origins in asked:
            value = values[number][0, unit].flatten()[where]
            (gradient,) = torch.autograd.grad(value, leaf, retain_graph=True)
            mass = gradient[0].abs().sum(0).cpu().double().numpy()
            if 0 < mass.sum() < np.inf:
                for axis, origin in enumerate(origins):
                    start = size - origin
                    found[number, axis, start : start + size] += mass.sum(1 - axis) / mass.sum()
        return found


def held(spread: np.ndarray) -> tuple[int, int]:
    """First and last + 1 distance of the middle `MASS` of a spread `(2·S + 1,)` over distances −S … S; all of them
    where there is no gradient."""
    middle = len(spread) // 2
    if not spread.sum() > 0:
        return -middle, middle + 1
    share = np.cumsum(spread.astype(np.float64)) / spread.sum(dtype=np.float64)
    first = int(np.searchsorted(share, (1 - MASS) / 2, "right"))
    last = int(np.searchsorted(share, 1 - (1 - MASS) / 2, "left"))
    return first - middle, last + 1 - middle
