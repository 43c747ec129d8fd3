"""Occlusion maps of one image: only what the square changes, compared with running every occluded image in full.

In float32. The peers run them in PyTorch by Captum's Occlusion, and in ONNX Runtime, in batches of 32.
"""

from __future__ import annotations

import time

import torch
import torchvision
from captum.attr import Occlusion
from torch import Tensor, nn

from benchmarks.timing import OURS, Result, Timings, measure, table
from reportgen.methods.occlusion.definition import DirectOcclusion, occlude, square_grid
from reportgen.methods.occlusion.incremental import IncrementalOcclusion
from reportgen.models.cut import find_feature_maps
from reportgen.models.graph import trace
from reportgen.models.onnx_export import export_trunk
from reportgen.models.onnx_runtime import OnnxFeatureMaps, onnx_trunk
from reportgen.models.split import split

SIDE, STRIDE, INPUT = 16, 8, 224
NETWORKS: dict[str, dict[str, bool]] = {"vgg16": {}, "googlenet": {"init_weights": False}, "resnet18": {}}
BATCHES = (16, 32, 64)
"""Captum's `perturbations_per_eval` that are tried on a coarse grid; it is timed with the fastest."""
TOLERANCE = 1e-3
"""Of a drop, in logits."""


def run(quick: bool) -> Result:
    """With `quick` ResNet-18 alone, the square moves by 16 pixels, and each is timed once. In full about 20 minutes."""
    ratio, lines, gate = {}, [], True
    for name, options in NETWORKS.items():
        if quick and name != "resnet18":
            continue
        torch.manual_seed(0)
        network = torchvision.models.get_model(name, weights=None, **options).eval()
        timings, difference, squares = _compare(network, quick)
        gate &= difference <= TOLERANCE
        _, by_captum, by_onnx = timings.seconds
        ratio |= {f"captum-{name}": timings.ratio(by_captum), f"onnxruntime-{name}": timings.ratio(by_onnx)}
        lines += [f"{name}: {squares} squares, largest difference of the drops {difference:.1e} logit", *table(timings)]
    return Result(ratio, gate, lines)


def _compare(network: nn.Module, quick: bool) -> tuple[Timings, float, int]:
    stride, rounds = (SIDE, 1) if quick else (STRIDE, 3)
    image = torch.randn(1, 3, INPUT, INPUT)
    graph = trace(network, image)
    trunk, head = split(graph, find_feature_maps(graph))
    squares = square_grid(INPUT, INPUT, SIDE, stride, (0.0, 0.0, 0.0))
    incremental = IncrementalOcclusion(trunk)
    in_full = DirectOcclusion(OnnxFeatureMaps(onnx_trunk(trunk, (), lambda: export_trunk(trunk, (), image.shape))))
    best = 32 if quick else fastest_batch(network, image)
    contestants = {
        OURS: lambda: occlude(incremental, head, image, squares, 0),
        f"captum, {best} at a time": lambda: captum(network, image, stride, best),
        "onnxruntime": lambda: occlude(in_full, head, image, squares, 0),
    }
    timings = measure(contestants, rounds)
    with torch.inference_mode():
        ours, full = (occlude(backend, head, image, squares, 0).logits[:, 0] for backend in (incremental, in_full))
        drops = network(image)[0, 0] - ours
    spread = _spread_over_pixels(drops, squares.corners)
    theirs = captum(network, image, stride, best)
    difference = max(float((spread - theirs[0, 0]).abs().max()), float((ours - full).abs().max()))
    return timings, difference, len(drops)


def captum(network: nn.Module, image: Tensor, stride: int, batch: int) -> Tensor:
    """Captum's picture `(1, 3, H, W)` of the first class's logit."""
    with torch.inference_mode():
        found = Occlusion(network).attribute(
            image, (3, SIDE, SIDE), (3, stride, stride), target=0, perturbations_per_eval=batch
        )
    return found


def fastest_batch(network: nn.Module, image: Tensor) -> int:
    """The `perturbations_per_eval` with which Captum is fastest, on a coarse grid."""

    def seconds(batch: int) -> float:
        start = time.perf_counter()
        captum(network, image, SIDE, batch)
        return time.perf_counter() - start

    return min(BATCHES, key=seconds)


def _spread_over_pixels(drops: Tensor, corners: Tensor) -> Tensor:
    """Captum's picture: for every pixel the mean of the drops of the squares that cover it."""
    total, count = torch.zeros(2, INPUT, INPUT)
    for drop, (y, x) in zip(drops, corners.tolist(), strict=True):
        total[y : y + SIDE, x : x + SIDE] += drop
        count[y : y + SIDE, x : x + SIDE] += 1
    return total / count.clamp(min=1)
