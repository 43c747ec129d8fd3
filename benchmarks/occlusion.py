"""Occlusion maps of one image: only what the square changes, beside Captum's Occlusion, in float32."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torchvision
from captum.attr import Occlusion
from torch import Tensor, nn

from benchmarks.timing import OURS, Result, measure, table
from reportgen.attribution.incremental import Incremental
from reportgen.attribution.occlusion import occlude, squares_over
from reportgen.models.graph import find_maps, split, trace

SIDE, STRIDE, INPUT = 16, 8, 224
NETWORKS: dict[str, dict[str, bool]] = {"vgg16": {}, "googlenet": {"init_weights": False}, "resnet18": {}}
BATCHES = (16, 32, 64)
"""Captum's `perturbations_per_eval` that are tried on a coarse grid; it is timed with the fastest."""
TOLERANCE = 1e-3
"""Of a drop, in logits."""


def run(quick: bool) -> Result:
    """With `quick` ResNet-18 alone, the square moves by 16 pixels, and each is timed once."""
    ratio, lines, gate = {}, [], True
    for name, options in NETWORKS.items():
        if quick and name != "resnet18":
            continue
        torch.manual_seed(0)
        network = torchvision.models.get_model(name, weights=None, **options).eval()
        timings, difference, squares = _compare(network, quick)
        gate &= difference <= TOLERANCE
        peer = next(contestant for contestant in timings.seconds if contestant != OURS)
        ratio[f"captum-{name}"] = timings.ratio(peer)
        lines += [f"{name}: {squares} squares, largest difference of the drops {difference:.1e} logit", *table(timings)]
    return Result(ratio, gate, lines)


def _compare(network: nn.Module, quick: bool) -> tuple:
    stride, rounds = (SIDE, 1) if quick else (STRIDE, 3)
    image = torch.randn(1, 3, INPUT, INPUT)
    graph = trace(network, image)
    trunk, head = split(graph, find_maps(graph))
    squares = squares_over(INPUT, INPUT, SIDE, stride, (0.0, 0.0, 0.0))
    incremental = Incremental(trunk)

    def captum(batch: int, step: int = stride) -> Tensor:
        with torch.inference_mode():
            return Occlusion(network).attribute(
                image, (3, SIDE, SIDE), (3, step, step), target=0, perturbations_per_eval=batch
            )

    best = 32 if quick else min(BATCHES, key=lambda batch: _seconds(lambda: captum(batch, SIDE)))
    contestants = {
        OURS: lambda: occlude(incremental.maps, head, image, squares, 0),
        f"captum, {best} at a time": lambda: captum(best),
    }
    timings = measure(contestants, rounds)
    with torch.inference_mode():
        drops = network(image)[0, 0] - occlude(incremental.maps, head, image, squares, 0).logits[:, 0]
    spread = _spread_over_pixels(drops, squares.corners)
    return timings, float((spread - captum(best)[0, 0]).abs().max()), len(drops)


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _spread_over_pixels(drops: Tensor, corners: Tensor) -> Tensor:
    """Captum's picture: for every pixel the mean of the drops of the squares that cover it."""
    total, count = torch.zeros(2, INPUT, INPUT)
    for drop, (y, x) in zip(drops, corners.tolist(), strict=True):
        total[y : y + SIDE, x : x + SIDE] += drop
        count[y : y + SIDE, x : x + SIDE] += 1
    return total / count.clamp(min=1)
