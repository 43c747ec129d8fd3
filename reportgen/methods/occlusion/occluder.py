"""Occlusion sensitivity of single images: choice of the backend, and the stored results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, fx, nn

from reportgen.methods.occlusion.coarse_to_fine import EXACT, Approximation, cheapest_approximation, coarse_to_fine
from reportgen.methods.occlusion.definition import (
    DirectOcclusion,
    OcclusionBackend,
    OcclusionResult,
    SquareGrid,
    occlude,
    square_grid,
    strongest_unit,
)
from reportgen.methods.occlusion.incremental import IncrementalOcclusion
from reportgen.methods.occlusion.int8 import Int8Occlusion, int8_available
from reportgen.models.classifier import Classifier
from reportgen.models.cost import seconds_per_image
from reportgen.models.inference import N_TOP_CLASSES, native_precision, top_classes
from reportgen.models.locality import AdaptivePooling, Global, locality
from reportgen.models.onnx_runtime import OnnxFeatureMaps

MAX_RELATIVE_COST = 0.9
"""Cost relative to direct occlusion above which incremental occlusion is not worth its copying."""
ONNX_COST = 0.7
"""Cost of direct occlusion in ONNX Runtime, relative to that in PyTorch. Not measured in the run: see below."""
LOGIT_TOLERANCE = 1e-3
"""Largest relative difference of logits between incremental and direct occlusion on a trial image."""
SECONDS_PER_POSITION = 5e-4
"""Seconds that estimates add for each position of the square, for putting its input together."""
WINDOW_CAPS = (1.0, 0.8, 0.6)
"""The values of `Approximation.window_cap` that are tried."""


@dataclass(frozen=True)
class Occluder:
    """Computes occlusion sensitivity of single images.

    exact_backend:     computes the definition, directly or incrementally.
    fallback_reason:   why incremental occlusion cannot be used, or "".
    seconds_per_image: estimated time.
    approximation:     how far results are approximated, or None for exact results.
    fast_backend:      the backend of approximate results.
    similarity:        smallest similarity of approximate and exact maps in the trials.
    """

    classifier: Classifier
    grid: SquareGrid
    exact_backend: OcclusionBackend
    fallback_reason: str
    seconds_per_image: float
    approximation: Approximation | None = None
    fast_backend: OcclusionBackend | None = None
    similarity: float = 1.0

    def __call__(self, x: Tensor, label: int | None) -> dict[str, np.ndarray]:
        """Return the results of the image x `(1, C, H, W)`, normalized. R × C are the positions of the square.

        `occlusion/subject` int32: the class whose probability is recorded: the label, or the top class without one;
        `occlusion/clean` `(2,)` float32: its probability and the unit's total without a square;
        `occlusion/probability` `(R, C)` float32: its probability;
        `occlusion/class` `(R, C, 5)` int32 and `occlusion/score` `(R, C, 5)` float16: top classes, their probabilities;
        `occlusion/unit` int32: the unit with the largest total over its feature map;
        `occlusion/total` `(R, C)` float32: its total;
        and how the results were computed, see `_provenance`.
        """
        with torch.inference_mode():
            maps, logits, subject = self._run_clean(x, label)
            unit = strongest_unit(maps)
            result = self._occlude(x, unit, subject)
            probability = self.classifier.probabilities(result.logits)
            top = top_classes(result.logits, min(N_TOP_CLASSES, result.logits.shape[1]))
            shape = (len(self.grid.rows), len(self.grid.columns))
            clean = torch.stack((self.classifier.probabilities(logits)[0, subject], maps[0, unit].sum().float()))
            score = probability.gather(1, top)
        return {
            "occlusion/subject": np.array(subject, np.int32),
            "occlusion/clean": clean.cpu().numpy(),
            "occlusion/probability": probability[:, subject].reshape(shape).cpu().numpy(),
            "occlusion/class": top.to(torch.int32).reshape(*shape, -1).cpu().numpy(),
            "occlusion/score": score.to(torch.float16).reshape(*shape, -1).cpu().numpy(),
            "occlusion/unit": np.array(unit, np.int32),
            "occlusion/total": result.unit_total.reshape(shape).cpu().numpy(),
            **self._provenance(),
        }

    def _provenance(self) -> dict[str, np.ndarray]:
        """Return how the results are computed.

        `occlusion/step` int32, `occlusion/share` and `occlusion/cap` float32: see `Approximation`;
        `occlusion/similarity` float32: smallest similarity in the trials, 1 for exact results;
        `occlusion/arithmetic` S8; `occlusion/approximate` bool.
        """
        approximation = self.approximation or EXACT
        return {
            "occlusion/step": np.array(approximation.step, np.int32),
            "occlusion/share": np.array(approximation.refined_share, np.float32),
            "occlusion/cap": np.array(approximation.window_cap, np.float32),
            "occlusion/similarity": np.array(self.similarity, np.float32),
            "occlusion/arithmetic": np.array(self.arithmetic if self.approximation else "float32", "S8"),
            "occlusion/approximate": np.array(self.approximation is not None),
        }

    def _run_clean(self, x: Tensor, label: int | None) -> tuple[Tensor, Tensor, int]:
        """Return feature maps and logits without a square, and the class whose probability is recorded."""
        output = self.classifier.trunk(x)
        logits = self.classifier.head(output).float()
        return self.classifier.feature_maps(output), logits, int(logits.argmax()) if label is None else label

    def _occlude(self, x: Tensor, unit: int, subject: int) -> OcclusionResult:
        if self.approximation is None or self.fast_backend is None:
            return occlude(self.exact_backend, self.classifier.head, x, self.grid, unit)
        backend = self.fast_backend

        def compute(positions: Tensor) -> Tensor:
            result = occlude(backend, self.classifier.head, x, self.grid, unit, positions)
            return torch.cat((self.classifier.probabilities(result.logits), result.unit_total[:, None]), 1)

        values = coarse_to_fine(compute, self.grid, self.approximation, subject)
        probability = values[:, :-1]
        logits = probability.logit() if self.classifier.class_names.is_multilabel else probability.log()
        return OcclusionResult(logits, values[:, -1])

    @cached_property
    def arithmetic(self) -> str:
        """Arithmetic of approximate results: `bfloat16` or `8 bits` if the device is faster with it, else `float32`."""
        device = next(self.classifier.trunk.parameters()).device
        if not isinstance(self.exact_backend, IncrementalOcclusion):
            return "float32"
        if native_precision(device) == "bf16":
            return "bfloat16"
        use_int8 = device.type == "cpu" and int8_available() and Int8Occlusion(self.classifier.trunk).convolutions
        return "8 bits" if use_int8 else "float32"

    @cached_property
    def fast_backends(self) -> Mapping[float, OcclusionBackend]:
        """Window cap → the backend for approximate results."""
        trunk = self.classifier.trunk
        if not isinstance(self.exact_backend, IncrementalOcclusion):
            return {1.0: self.exact_backend}
        if self.arithmetic == "8 bits":
            return {cap: Int8Occlusion(trunk, cap) for cap in WINDOW_CAPS}
        if self.arithmetic == "bfloat16":
            return {cap: IncrementalOcclusion(trunk, cap, torch.bfloat16) for cap in WINDOW_CAPS}
        return {1.0: self.exact_backend} | {cap: IncrementalOcclusion(trunk, cap) for cap in WINDOW_CAPS if cap < 1}

    def trial(self, x: Tensor, label: int | None) -> dict[str, np.ndarray]:
        """Return `trial/probability` `(1 + caps, P)` float32: the class's probability, exactly and by window cap."""
        with torch.inference_mode():
            _, _, subject = self._run_clean(x, label)
            backends = (self.exact_backend, *self.fast_backends.values())
            logits = {b: occlude(b, self.classifier.head, x, self.grid, 0).logits for b in dict.fromkeys(backends)}
            probabilities = [self.classifier.probabilities(logits[b])[:, subject] for b in backends]
        return {"trial/probability": torch.stack(probabilities).cpu().numpy()}

    def calibrated(self, trials: np.ndarray) -> Occluder:
        """Return the occluder with the cheapest approximation that is similar enough in the trials `(N, 1 + caps, P)`;
        the exact occluder if there are no trials, or no approximation is similar enough."""
        if not len(trials):
            return self
        backends = self.fast_backends
        all_positions = torch.arange(len(self.grid))
        costs = {cap: backend.relative_cost(self.grid, all_positions) for cap, backend in backends.items()}
        exact, *capped = torch.from_numpy(trials).transpose(0, 1)
        best = cheapest_approximation(exact, dict(zip(backends, capped, strict=True)), costs, self.grid)
        if best is None or (best[0] == EXACT and backends[1.0] is self.exact_backend):
            return self
        approximation, similarity = best
        exact_cost = self.exact_backend.relative_cost(self.grid, all_positions)
        speedup = costs[approximation.window_cap] / exact_cost * approximation.computed_share(self.grid)
        return replace(
            self,
            approximation=approximation,
            fast_backend=backends[approximation.window_cap],
            similarity=similarity,
            seconds_per_image=self.seconds_per_image * speedup,
        )


def make_occluder(
    classifier: Classifier, side: int, stride: int, fill: tuple[float, float, float], trunk: nn.Module | None = None
) -> Occluder:
    """Return an exact occluder, which is incremental if this saves time and agrees with the definition.

    side, stride: of the square, in pixels of the network's input; fill: its colour, RGB in [0, 1]; grey for a network
        of grey images; trunk: the classifier's trunk in the runtime of the run, if that is another one.
    Errors: ValueError if the square does not fit into the input.
    """
    p = classifier.preprocessing
    colour = tuple((v - m) / s for v, m, s in zip(fill[: p.channels], p.mean, p.std, strict=True))
    grid = square_grid(p.height, p.width, side, stride, colour)
    direct = DirectOcclusion(trunk or classifier.trunk, ONNX_COST if isinstance(trunk, OnnxFeatureMaps) else 1.0)
    backend, fallback_reason = _choose_backend(classifier, direct, grid)
    cost = backend.relative_cost(grid, torch.arange(len(grid)))
    seconds = cost * seconds_per_image(classifier) + SECONDS_PER_POSITION
    return Occluder(classifier, grid, backend, fallback_reason, seconds * len(grid))


def _choose_backend(classifier: Classifier, direct: DirectOcclusion, grid: SquareGrid) -> tuple[OcclusionBackend, str]:
    """Return the backend of exact results, and why it is not incremental, or ""."""
    if not isinstance(classifier.trunk, fx.GraphModule):
        return direct, "this network is not a traced graph"
    incremental = IncrementalOcclusion(classifier.trunk)
    cost = incremental.relative_cost(grid, torch.arange(len(grid)))
    if direct.cost < 1 and cost > MAX_RELATIVE_COST * direct.cost:
        return direct, "ONNX Runtime runs whole images in less time"
    if cost > MAX_RELATIVE_COST:
        return direct, f"{_first_global_operation(classifier.trunk)} mixes all positions"
    if not _matches_definition(classifier, incremental, grid):
        return direct, "incremental occlusion differs from the definition on this network"
    return incremental, ""


def _matches_definition(classifier: Classifier, incremental: IncrementalOcclusion, grid: SquareGrid) -> bool:
    """Whether both backends agree on noise, for the first positions of the square."""
    device = next(classifier.trunk.parameters()).device
    image = torch.randn(classifier.preprocessing.input_shape, generator=torch.Generator().manual_seed(0)).to(device)
    few = SquareGrid(grid.side, grid.rows[:2], grid.columns[:2], grid.fill)
    try:
        logits = occlude(incremental, classifier.head, image, few, 0).logits
    except RuntimeError:  # an operation whose arguments are the sizes of whole maps
        return False
    expected = occlude(DirectOcclusion(classifier.trunk), classifier.head, image, few, 0).logits
    return bool((logits - expected).abs().max() <= LOGIT_TOLERANCE * max(1.0, float(expected.abs().max())))


def _first_global_operation(trunk: fx.GraphModule) -> str:
    for node in trunk.graph.nodes:
        if node.op.startswith("call") and isinstance(locality(trunk, node), AdaptivePooling | Global):
            return f"`{node.target if isinstance(node.target, str) else node.name}`"
    return "the first layer"
