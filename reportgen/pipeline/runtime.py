"""ONNX Runtime instead of PyTorch on the CPU: only where a trial agrees with PyTorch and takes less time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from torch import Tensor

from reportgen.audit.model_info import RuntimeTrial
from reportgen.config import AuditConfig
from reportgen.data.samples import Dataset
from reportgen.errors import ConfigError, ModelError
from reportgen.models.classifier import Classifier
from reportgen.models.cost import multiplications
from reportgen.models.divergence import relative_difference
from reportgen.models.inference import eval_mode
from reportgen.pipeline.extraction import forward_pass, store_settings
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.trial_images import trial_batches
from reportgen.store.results_cache import ResultsCache
from reportgen.store.table import fingerprint

MIN_MULTIPLICATIONS = 2e11
"""Multiplications of a whole forward pass, about ten seconds of two cores, from which on the export pays."""
MIN_SPEEDUP = 1.1
MAX_DIFFERENCE = 0.01
"""Largest difference of a logit or a unit's maximum, in standard deviations of all logits or of the layer's maxima."""
MIN_SAME_POSITIONS = 0.99
"""Share of units and images whose maximum has the same position: of equal values, rounding may choose another."""
TRIAL_BATCHES = 3
"""Batches that both run, in turns."""
TRIAL_BATCH_SIZE = 16
"""Images in each of them at most."""


def resolve_runtime(
    dataset: Dataset, classifier: Classifier, settings: AuditConfig, device: torch.device
) -> tuple[AuditConfig, RuntimeTrial | None]:
    """The settings with `runtime = "auto"` resolved, and the trial that decided it, if there was one.

    The trial's result is cached, so that a started store goes on with the runtime that it began with.
    settings: with `precision` resolved. Errors: ConfigError for ONNX Runtime on a GPU or in low precision.
    """
    with_onnx, with_torch = replace(settings, runtime="onnxruntime"), replace(settings, runtime="torch")
    can_use = device.type == "cpu" and settings.precision == "fp32"
    if settings.runtime == "onnxruntime" and not can_use:
        raise ConfigError(
            f"`runtime = onnxruntime` cannot be used on {device.type} in {settings.precision}",
            "use `--device cpu --precision fp32`, or `--runtime torch`",
        )
    if settings.runtime != "auto" or not can_use:
        return (with_onnx if settings.runtime == "onnxruntime" else with_torch), None
    cache = ResultsCache(settings.out / "cache")
    key = [fingerprint(store_settings(forward_pass(classifier, with_onnx), with_onnx, device))]
    if not is_enough(classifier, len(dataset.samples)) and not cache.has("runtime", key):
        return with_torch, None
    stored = cache.get("runtime", key, lambda: _as_arrays(_trial(dataset, classifier, with_torch, with_onnx)))
    trial = RuntimeTrial(**{name: value.item() for name, value in stored.items()})
    return (with_onnx if is_better(trial) else with_torch), trial


def is_enough(classifier: Classifier, images: int) -> bool:
    """Whether a pass over so many images takes long enough for the export of the network to pay."""
    return multiplications(classifier) * images >= MIN_MULTIPLICATIONS


def is_better(trial: RuntimeTrial) -> bool:
    """Whether ONNX Runtime agrees with PyTorch and is faster."""
    return not trial.failure and agrees(trial) and trial.speedup >= MIN_SPEEDUP


def agrees(trial: RuntimeTrial) -> bool:
    """Whether what is stored is the same but for rounding. NaN does not agree."""
    return trial.difference <= MAX_DIFFERENCE and trial.same_positions >= MIN_SAME_POSITIONS


def _as_arrays(trial: RuntimeTrial) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in asdict(trial).items()}


def _trial(dataset: Dataset, classifier: Classifier, with_torch: AuditConfig, with_onnx: AuditConfig) -> RuntimeTrial:
    small = replace(with_torch, batch_size=min(TRIAL_BATCH_SIZE, with_torch.batch_size))
    batches = list(trial_batches(dataset, classifier, small, TRIAL_BATCHES * small.batch_size, torch.device("cpu")))
    with eval_mode(classifier):
        try:
            return compare_runtimes(forward_pass(classifier, with_onnx), forward_pass(classifier, with_torch), batches)
        except ModelError as error:  # it cannot be exported, or not be run
            return RuntimeTrial(images=sum(map(len, batches)), failure=str(error))


def compare_runtimes(onnx: ForwardPass, torch_: ForwardPass, batches: Sequence[Tensor]) -> RuntimeTrial:
    """Run both passes over the same batches `(N, C, H, W)` uint8, in turns. Errors: ModelError.

    The first image of the first batch goes through both beforehand: as a batch of another size, and to warm up.
    """
    if not batches:
        return RuntimeTrial(failure="no image can be read")
    seconds = np.zeros((len(batches), 2))
    outputs = [_run(forward, batches[0][:1]) for forward in (onnx, torch_)]
    for i, pixels in enumerate(batches):
        times = [time.perf_counter()]
        for forward in (onnx, torch_):
            outputs.append(_run(forward, pixels))
            times.append(time.perf_counter())
        seconds[i] = np.diff(times)
    found, expected = _joined(outputs[::2]), _joined(outputs[1::2])
    names = [name for name in expected if expected[name].is_floating_point()]
    places = [name for name in expected if name.endswith("/where")]
    same = [(found[name] == expected[name]).float().flatten() for name in places]
    return RuntimeTrial(
        images=sum(map(len, batches)),
        difference=max(relative_difference(found[name], expected[name]) for name in names),
        same_positions=float(torch.cat(same).mean()),
        speedup=float(np.median(seconds[:, 1] / seconds[:, 0])),
    )


def _run(forward: ForwardPass, pixels: Tensor) -> dict[str, Tensor]:
    return forward(pixels, [None] * len(pixels))


def _joined(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
