"""What is kept of a unit that was asked for: the input that it prefers, and the guided gradient of its top patches."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.methods.optimized_input import RATE, TURN, ZOOM, preferred_input
from reportgen.methods.saliency import guided
from reportgen.models.classifier import Classifier
from reportgen.models.folding import fused
from reportgen.models.graph import is_node_of, up_to
from reportgen.models.layers import Layer, unit_maxima
from reportgen.models.receptive_fields import receptive_fields

STEPS, SEED = 256, 0
SHIFT = 1 / 16
"""By what share of its receptive field a unit's picture is shifted at most."""
RECIPE = {"steps": STEPS, "seed": SEED, "rate": RATE, "moved": [TURN, ZOOM, SHIFT]}
"""What the optimisation's result depends on, beside the network."""
RELUS = (nn.ReLU, nn.ReLU6), (F.relu, F.relu6, torch.relu)


class Probe:
    """A classifier made ready to be asked about the units of one layer. classifier: its trunk must be a graph."""

    def __init__(self, classifier: Classifier, layer: Layer) -> None:
        trunk = classifier.trunk
        assert isinstance(trunk, fx.GraphModule)
        self.preprocessing = classifier.preprocessing
        self.device = next(trunk.parameters()).device
        sides = receptive_fields(trunk)[layer.node.name].size or (self.preprocessing.size,)
        self._shift = SHIFT * min(*sides, self.preprocessing.size)
        self._maps = up_to(trunk, layer.node)
        self._guided = guided(self._maps)
        # A ReLU that is shut gives no gradient that could open it: what goes into it is made large instead.
        before = layer.node.all_input_nodes[0] if is_node_of(layer.node, trunk, *RELUS) else layer.node
        self._before = fused(up_to(trunk, before)).requires_grad_(False)

    def preferred(self, unit: int) -> dict[str, np.ndarray]:
        """`preferred/picture` `(S, S, 3)` uint8, the input that makes the unit's middle position large;
        `preferred/reached` float32, its maximum over the layer's map there, and `preferred/where` int32, its place."""

        def middle(picture: Tensor) -> Tensor:
            maps = self._before(self._input(picture.to(self.device)))
            return maps[0, unit, maps.shape[2] // 2, maps.shape[3] // 2].cpu()

        found = preferred_input(middle, self.preprocessing.size, self._shift, STEPS, SEED)
        pixels = (255 * found).round().to(torch.uint8)
        with torch.inference_mode():
            value, where = unit_maxima(self._maps(self._input(pixels[None].to(self.device) / 255)))
        return {
            "preferred/picture": pixels.permute(1, 2, 0).numpy(),
            "preferred/reached": value[0, unit].float().cpu().numpy(),
            "preferred/where": where[0, unit].cpu().numpy(),
        }

    def guided_gradient(self, pixels: Tensor, unit: int, where: int) -> np.ndarray:
        """`(S, S, 3)` uint8: guided backpropagation of the unit's value at the flat position `y·w + x`, by the image
        `(1, 3, S, S)` uint8; 128 is zero, and the largest magnitude is 1 or 255."""
        with torch.enable_grad():
            leaf = self._input(pixels.to(self.device) / 255).requires_grad_()
            (gradient,) = torch.autograd.grad(self._guided(leaf)[0, unit].flatten()[where], leaf)
        scaled = gradient[0] / gradient.abs().max().clamp(min=1e-12)
        return (128 + 127 * scaled).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()

    def _input(self, picture: Tensor) -> Tensor:
        """A picture `(1, 3, S, S)` in [0, 1], normalised."""
        return self.preprocessing.normalise(255 * picture)
