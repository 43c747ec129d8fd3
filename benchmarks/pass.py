"""Everything that a run stores of a batch, compared with the bare forward pass of the same network and precision.

ResNet-50 with random weights and EfficientNet-Lite0, float32, images in memory.

- `reportgen`: the pass of `reportgen run` with its default layers: logits, features, GAP and GMP, six maps an image,
  every unit's maximum and its position, all as NumPy arrays.
- `bare`: the network as it is published, `module(images)`, from the same uint8 batch, normalised with the same code.
- Printed as well, not in the result: `bare, as fast as it gets`: the same with channels last and batch normalisation
  folded, as our trunk has them. Compared with that, the pass shows what storing everything costs.
- Printed, too, where there is a C++ compiler and not with `quick`: the same through `torch.compile`.

Gate: the logits differ by less than 1e-3 of their range.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.timing import OURS, Result, measure, table
from reportgen.config import AuditConfig
from reportgen.models.classifier import Classifier
from reportgen.models.folding import fold
from reportgen.models.layers import select_layers, with_intermediates
from reportgen.models.sources import load_classifier
from reportgen.pipeline.forward import ForwardPass


def run(quick: bool) -> Result:
    """5 rounds of 32 images; `quick`: 3 of 8."""
    batch, rounds = (8, 3) if quick else (32, 5)
    compile_ = not quick and shutil.which("g++") is not None
    results = [compare(name, batch, rounds, compile_) for name in ("torchvision:resnet50", "demo")]
    lines = [f"{batch} images, {torch.get_num_threads()} threads", *(line for one in results for line in one.lines)]
    return Result({"bare": min(one.ratio["bare"] for one in results)}, all(one.gate for one in results), lines)


def compare(name: str, batch: int, rounds: int, compile_: bool) -> Result:
    """One network. It is loaded three times: laying out memory for one contestant must not help another."""
    config = AuditConfig(model=name, weights="random" if ":" in name else "DEFAULT")
    ours, plain, quick = (load_classifier(config) for _ in range(3))
    pixels = torch.randint(0, 256, (batch, 3, 224, 224), dtype=torch.uint8)
    forward = ForwardPass(ours)
    stored: dict[str, np.ndarray] = {}
    taps = [select_layers(quick.trunk, quick.head, [])[0].node]  # nothing is done there
    folded = fold(with_intermediates(quick.trunk, taps, len))
    contestants: dict[str, Callable[[], object]] = {
        OURS: lambda: stored.update({key: value.numpy() for key, value in forward(pixels, [1] * batch).items()}),
        "bare": lambda: bare(plain, pixels),
        "bare, as fast as it gets": lambda: bare_and_fast(folded, quick, pixels),
    }
    if compile_:
        compiled = torch.compile(folded)
        contestants["that, compiled"] = lambda: bare_and_fast(compiled, quick, pixels)
    timings = measure(contestants, rounds)
    logits = bare(plain, pixels).numpy()
    gate = bool(np.abs(stored["logits"] - logits).max() < 1e-3 * np.ptp(logits))
    return Result({"bare": timings.ratio("bare")}, gate, [name, *table(timings)])


def bare(plain: Classifier, pixels: Tensor) -> Tensor:
    with torch.inference_mode():
        return plain.head(plain.trunk(plain.preprocessing.normalize(pixels)))


def bare_and_fast(folded: nn.Module, quick: Classifier, pixels: Tensor) -> Tensor:
    with torch.inference_mode():
        images = quick.preprocessing.normalize(pixels).contiguous(memory_format=torch.channels_last)
        return quick.head(folded(images)[0])
