"""Saliency of five classes of sixteen images: one forward pass for all, beside Captum's Saliency class by class."""

from __future__ import annotations

import torch
import torchvision
from captum.attr import Saliency
from torch import Tensor

from benchmarks.timing import OURS, Result, measure, table
from reportgen.attribution.saliency import saliency
from reportgen.models.fused import fused
from reportgen.models.graph import find_maps, split, trace

IMAGES, CLASSES, INPUT = 16, 5, 224
TOLERANCE = 1e-2
"""Mean difference of a map, relative to its mean."""


def run(quick: bool) -> Result:
    """ResNet-18 with random weights; with `quick` one round in place of five."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None).eval()
    graph = trace(network, torch.zeros(1, 3, INPUT, INPUT))
    trunk, head = split(graph, find_maps(graph))
    ready = fused(trunk)
    images = torch.randn(IMAGES, 3, INPUT, INPUT)
    classes = torch.randint(0, 1000, (IMAGES, CLASSES))

    def ours() -> Tensor:
        return saliency(ready, head, images.contiguous(memory_format=torch.channels_last), classes)

    def captum() -> Tensor:
        maps = [Saliency(network).attribute(images.clone().requires_grad_(), classes[:, j]) for j in range(CLASSES)]
        return torch.stack([map_.amax(1) for map_ in maps], 1)

    timings = measure({OURS: ours, "captum": captum}, 1 if quick else 5)
    mine, theirs = ours(), captum()
    # In the mean: a gradient jumps where rounding moves a unit across the corner of its ReLU, so pixels may differ.
    difference = float(((mine - theirs).abs().mean((2, 3)) / theirs.mean((2, 3))).max())
    lines = [f"mean difference at most {difference:.1e} of a map's mean", *table(timings)]
    return Result({"captum": timings.ratio("captum")}, difference <= TOLERANCE, lines)
