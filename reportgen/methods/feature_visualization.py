"""Feature visualization: an optimized input for a unit, and guided backpropagation in its top patches.

The optimized input follows Olah, Mordvintsev and Schubert, Feature Visualization, Distill 2017, and their library
Lucid: the image is parametrized by its spectrum, with frequencies scaled and colours correlated as in photographs. In
each step it is rotated, scaled and shifted at random, which suppresses patterns that depend on the exact position.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.methods.saliency import with_guided_relus
from reportgen.models.classifier import Classifier
from reportgen.models.folding import fold
from reportgen.models.graph import is_node_of, truncated_at
from reportgen.models.layers import Layer, unit_maxima
from reportgen.models.receptive_fields import receptive_fields

STEPS, SEED = 256, 0
LEARNING_RATE = 0.05
INITIAL_STD = 0.01
"""Standard deviation of the initial spectrum, whose image is nearly grey."""
MAX_ROTATION, MAX_SCALING = math.radians(10), 0.1
"""Largest rotation and relative scaling of a step."""
MAX_SHIFT = 1 / 16
"""Largest shift of a step, as a share of the unit's receptive field."""
OPTIMIZATION_SETTINGS = {
    "steps": STEPS,
    "seed": SEED,
    "rate": LEARNING_RATE,
    "moved": [MAX_ROTATION, MAX_SCALING, MAX_SHIFT],
}
"""Settings that the result depends on, apart from the network."""
COLOUR_CORRELATION = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of colours in ImageNet's photographs, from Lucid; rows are R, G, B."""
RELUS = (nn.ReLU, nn.ReLU6), (F.relu, F.relu6, torch.relu)


class UnitVisualizer:
    """Visualizes the units of one layer. classifier: its trunk must be a traced graph."""

    def __init__(self, classifier: Classifier, layer: Layer) -> None:
        trunk = classifier.trunk
        assert isinstance(trunk, fx.GraphModule)
        self.preprocessing = classifier.preprocessing
        self.device = next(trunk.parameters()).device
        self._shape = self.preprocessing.input_shape[1:]
        self._shift = MAX_SHIFT * min(*self._shape[1:], *(receptive_fields(trunk)[layer.node.name].size or ()))
        self._layer = truncated_at(trunk, layer.node)
        self._guided_layer = with_guided_relus(self._layer)
        # An inactive ReLU has no gradient, so the objective is its input.
        before_relu = layer.node.all_input_nodes[0] if is_node_of(layer.node, trunk, *RELUS) else layer.node
        self._before_relu = fold(truncated_at(trunk, before_relu)).requires_grad_(False)

    def optimized_input(self, unit: int) -> dict[str, np.ndarray]:
        """Return the input that maximizes the unit at the middle position of its map.

        `preferred/picture` `(H, W, 3)` uint8: the image; `preferred/reached` float32: the unit's maximum over all
        positions; `preferred/where` int32: its flat position.
        """

        def middle(image: Tensor) -> Tensor:
            maps = self._before_relu(self._to_input(image.to(self.device)))
            value: Tensor = maps[0, unit, maps.shape[2] // 2, maps.shape[3] // 2].cpu()
            return value

        image = optimize_input(middle, self._shape, self._shift, STEPS, SEED)
        pixels = (255 * image).round().to(torch.uint8)
        with torch.inference_mode():
            value, where = unit_maxima(self._layer(self._to_input(pixels[None].to(self.device) / 255)))
        return {
            "preferred/picture": pixels.expand(3, -1, -1).permute(1, 2, 0).numpy(),
            "preferred/reached": value[0, unit].float().cpu().numpy(),
            "preferred/where": where[0, unit].cpu().numpy(),
        }

    def guided_gradient(self, pixels: Tensor, unit: int, where: int) -> np.ndarray:
        """Return guided backpropagation `(H, W, 3)` uint8 of the unit's value at the flat position `y·w + x`.

        pixels: `(1, C, H, W)` uint8. 128 stands for zero; the largest magnitude is scaled to 1 or 255.
        """
        with torch.enable_grad():
            leaf = self._to_input(pixels.to(self.device) / 255).requires_grad_()
            (gradient,) = torch.autograd.grad(self._guided_layer(leaf)[0, unit].flatten()[where], leaf)
        scaled = gradient[0] / gradient.abs().max().clamp(min=1e-12)
        return (128 + 127 * scaled).round().to(torch.uint8).expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()

    def _to_input(self, image: Tensor) -> Tensor:
        """Normalize an image `(1, C, H, W)` in [0, 1]."""
        return self.preprocessing.normalize(255 * image)


def optimize_input(
    objective: Callable[[Tensor], Tensor], shape: tuple[int, int, int], shift: float, steps: int, seed: int = 0
) -> Tensor:
    """Return the image `(C, H, W)` in [0, 1] that Adam finds to maximize the objective.

    objective: image `(1, C, H, W)` → scalar; shape: channels, height, width; shift: largest shift of a step in pixels.
    """
    channels, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    spectrum = INITIAL_STD * torch.randn(channels, height, width // 2 + 1, 2, generator=generator)
    spectrum.requires_grad_()
    optimizer = torch.optim.Adam([spectrum], LEARNING_RATE)
    with torch.enable_grad():
        for _ in range(steps):
            optimizer.zero_grad()
            loss = -objective(random_transform(spectrum_to_image(spectrum, width)[None], shift, generator))
            loss.backward(inputs=[spectrum])
            optimizer.step()
    return spectrum_to_image(spectrum, width).detach()


def spectrum_to_image(spectrum: Tensor, width: int) -> Tensor:
    """Return the image `(C, H, W)` of a spectrum `(C, H, W // 2 + 1, 2)`, of three correlated colours or grey."""
    channels, height = spectrum.shape[:2]
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))
    weight = math.sqrt(height * width) / frequency.clamp(min=1 / max(height, width))
    decorrelated: Tensor = torch.fft.irfft2(torch.view_as_complex(spectrum) * weight, s=(height, width)) / 4
    if channels == 1:
        return decorrelated.sigmoid()
    correlation = torch.tensor(COLOUR_CORRELATION)
    correlation = correlation / correlation.norm(dim=0).max()
    return torch.einsum("rc,cyx->ryx", correlation, decorrelated).sigmoid()


def random_transform(image: Tensor, shift: float, generator: torch.Generator) -> Tensor:
    """Rotate, scale and shift an image `(1, C, H, W)` at random; it is mirrored beyond its border."""
    height, width = image.shape[2:]
    rotation, scaling, down, across = (2 * torch.rand(4, generator=generator) - 1).tolist()
    angle, scale = MAX_ROTATION * rotation, 1 + MAX_SCALING * scaling
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    aspect = height / width  # of the units of both axes: half the height and half the width
    x_row = [cos, -sin * aspect, 2 * shift / width * across]
    theta = torch.tensor([[x_row, [sin / aspect, cos, 2 * shift / height * down]]])
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)
