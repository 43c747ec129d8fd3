"""Everything that a run stores of a batch, compared with the bare forward pass of the same network and precision.

ResNet-50, MobileNetV3-Large and DenseNet-121 with random weights and EfficientNet-Lite0, float32, images in memory.

- `reportgen`: the pass of `reportgen run` in ONNX Runtime with its default layers: logits, features, GAP and GMP, six
  maps an image, every unit's maximum and its position, all as NumPy arrays.
- `onnxruntime`: the same network in ONNX Runtime, exported as a whole by PyTorch, its logits alone.
- `bare`: the network as it is published, `module(images)` in PyTorch, from the same uint8 batch, normalised with the
  same code.
- Printed as well, not in the result: `reportgen, torch`: our pass where PyTorch runs it, folded and channels last.

Gate: the logits differ by less than 1e-3 of their range, and the positions of 99 % of the maxima are those of PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from benchmarks.timing import OURS, Result, measure, table
from reportgen.config import AuditConfig
from reportgen.models.classifier import Classifier
from reportgen.models.inference import eval_mode
from reportgen.models.onnx_export import INPUT, export
from reportgen.models.sources import load_classifier
from reportgen.pipeline.forward import ForwardPass

NETWORKS = ("torchvision:resnet50", "torchvision:mobilenet_v3_large", "torchvision:densenet121", "demo")
PEERS = ("bare", "onnxruntime")


def run(quick: bool) -> Result:
    """5 rounds of 32 images; `quick`: 3 of 8, through two of the networks."""
    batch, rounds = (8, 3) if quick else (32, 5)
    results = [compare(name, batch, rounds) for name in (NETWORKS[::3] if quick else NETWORKS)]
    lines = [f"{batch} images, {torch.get_num_threads()} threads", *(line for one in results for line in one.lines)]
    ratio = {peer: min(one.ratio[peer] for one in results) for peer in PEERS}
    return Result(ratio, all(one.gate for one in results), lines)


def compare(name: str, batch: int, rounds: int) -> Result:
    """One network. It is loaded three times: laying out memory for one contestant must not help another."""
    config = AuditConfig(model=name, weights="random" if ":" in name else "DEFAULT")
    plain, ours, in_torch = (load_classifier(config) for _ in range(3))
    pixels = torch.randint(0, 256, (batch, 3, 224, 224), dtype=torch.uint8)
    passes = {
        OURS: ForwardPass(ours, runtime="onnxruntime"),
        "reportgen, torch": ForwardPass(in_torch),
    }
    stored: dict[str, dict[str, np.ndarray]] = {}

    def store(key: str) -> None:
        stored[key] = {name: value.numpy() for name, value in passes[key](pixels, [1] * batch).items()}

    session = bare_session(plain)
    contestants: dict[str, Callable[[], object]] = {
        **{key: (lambda key=key: store(key)) for key in passes},
        "onnxruntime": lambda: session.run(None, {INPUT: plain.preprocessing.normalize(pixels).numpy()}),
        "bare": lambda: bare(plain, pixels),
    }
    with eval_mode(ours), eval_mode(in_torch):
        timings = measure(contestants, rounds)
    logits = bare(plain, pixels).numpy()
    found, expected = stored[OURS], stored["reportgen, torch"]
    same = [(found[key] == expected[key]).mean() for key in found if key.endswith("/where")]
    gate = bool(np.abs(found["logits"] - logits).max() < 1e-3 * np.ptp(logits)) and float(np.mean(same)) >= 0.99
    return Result({peer: timings.ratio(peer) for peer in PEERS}, gate, [name, *table(timings)])


def bare_session(plain: Classifier) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    network = Whole(plain)
    graph = export(network, {INPUT: torch.zeros(2, *plain.preprocessing.input_shape[1:])}, ["logits"])
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Whole(nn.Module):
    """Trunk and head as one module."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.trunk, self.head = classifier.trunk, classifier.head

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.trunk(images))
        return logits


def bare(plain: Classifier, pixels: Tensor) -> Tensor:
    with torch.inference_mode():
        return plain.head(plain.trunk(plain.preprocessing.normalize(pixels)))
