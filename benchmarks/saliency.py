"""Saliency of five classes of 16 images: one forward pass for all, compared with Captum's Saliency class by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torchvision
from captum.attr import Saliency
from torch import Tensor

from benchmarks.timing import OURS, Result, measure, table
from reportgen.methods.saliency import saliency
from reportgen.models.cut import find_feature_maps
from reportgen.models.folding import fold
from reportgen.models.graph import trace
from reportgen.models.split import split

IMAGES, CLASSES, INPUT = 16, 5, 224
TOLERANCE = 1e-9
"""Largest difference of a pixel in float64, relative to its map's maximum."""


def run(quick: bool) -> Result:
    """ResNet-18 with random weights; with `quick` one round in place of five, and two images compared in float64."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None).eval()
    graph = trace(network, torch.zeros(1, 3, INPUT, INPUT))
    trunk, head = split(graph, find_feature_maps(graph))
    images = torch.randn(IMAGES, 3, INPUT, INPUT)
    classes = torch.randint(0, 1000, (IMAGES, CLASSES))

    def contestants(images: Tensor, classes: Tensor) -> dict[str, Callable[[], Tensor]]:
        """Both on the same images, in their precision, which the network must have."""
        ready = fold(trunk)

        def ours() -> Tensor:
            return saliency(ready, head, images.contiguous(memory_format=torch.channels_last), classes)

        def captum() -> Tensor:
            maps = [Saliency(network).attribute(images.clone().requires_grad_(), classes[:, j]) for j in range(CLASSES)]
            return torch.stack([map_.amax(1) for map_ in maps], 1)

        return {OURS: ours, "captum": captum}

    timed = contestants(images, classes)
    timings = measure(timed, 1 if quick else 5)
    rounded = _difference(timed)
    # In float32 rounding moves units across the corner of their ReLU, where the gradient jumps: between any two orders
    # of summation single pixels differ by some per cent. In float64 no unit is that near: the same code must agree.
    for module in (network, trunk, head):
        module.double()
    compared = 2 if quick else IMAGES
    exact = _difference(contestants(images[:compared].double(), classes[:compared]))
    lines = [
        f"largest difference of a pixel, relative to its map's maximum: {exact:.1e} in float64 ({compared} images), "
        f"{rounded:.1e} in float32",
        *table(timings),
    ]
    return Result({"captum": timings.ratio("captum")}, exact <= TOLERANCE, lines)


def _difference(contestants: Mapping[str, Callable[[], Tensor]]) -> float:
    mine, theirs = (contestants[name]().double() for name in (OURS, "captum"))
    return float(((mine - theirs).abs().amax((2, 3)) / theirs.amax((2, 3))).max())
