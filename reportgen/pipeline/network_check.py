"""Check of a network before its run: it computes what the untouched module computes, and its outputs are logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.data.samples import Dataset
from reportgen.errors import ModelError, first_line
from reportgen.models.class_logits import class_logits, log_probabilities
from reportgen.models.classifier import Classifier
from reportgen.models.divergence import first_difference, relative_difference
from reportgen.models.heads import POOLINGS
from reportgen.models.inference import eval_mode
from reportgen.models.outputs import check_outputs, check_probabilities, check_weights, logits_in
from reportgen.pipeline.extraction import forward_pass, store_settings
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.trial_images import trial_batches
from reportgen.store.table import fingerprint

IMAGES = 4
"""Images of the data set on which a network is checked: the first that can be read."""
TOLERANCES = {"fp32": 0.01, "tf32": 0.1, "bf16": 0.5, "fp16": 0.5}
"""Largest difference of a logit, in standard deviations of the logits, by precision of the trunk. Those of the
demo network differ by rounding in float32, and by 0.17 in bfloat16."""


def check_network(dataset: Dataset, classifier: Classifier, settings: AuditConfig, device: torch.device) -> None:
    """Check a network on a few images of the data set, unless the cache has results of it: they were checked before.

    settings: as the network will be run, without `auto`. Errors: ModelError.
    """
    forward = forward_pass(classifier, settings)
    store = settings.out / "cache" / fingerprint(store_settings(forward, settings, device))[:16]
    if any(store.glob("[0-9]*.npz")):
        return
    keeps_head = settings.head not in POOLINGS
    check_weights(classifier, keeps_head)
    pixels = next(trial_batches(dataset, classifier, settings, IMAGES, device), None)
    if pixels is None:
        return
    with eval_mode(classifier), torch.no_grad():
        logits = None
        if classifier.original is not None:
            logits = compare_with_original(forward, classifier.original, pixels)
        if keeps_head:
            check_outputs(classifier, _logits_of(forward, pixels) if logits is None else logits)


def compare_with_original(forward: ForwardPass, original: nn.Module, pixels: Tensor) -> Tensor:
    """Compare the forward pass with the untouched module, in float32 and, if it is another one, in its own precision.

    Return its logits `(N, K)`. pixels: `(N, C, H, W)` uint8, on the classifier's device. Errors: ModelError for logits
    beyond the tolerance.
    """
    classifier = forward.classifier
    images = classifier.preprocessing.normalize(pixels)
    expected = _logits(classifier, original, images)
    passes = [forward] if forward.precision == "fp32" else [ForwardPass(classifier), forward]
    for run in passes:
        logits = _logits_of(run, pixels)
        difference = relative_difference(_comparable(classifier, logits), _comparable(classifier, expected))
        tolerance = TOLERANCES[effective_precision(run.precision, pixels.device)]
        if difference > tolerance:
            raise _wrong_logits(run, original, images, difference, tolerance)
    return logits


def _comparable(classifier: Classifier, logits: Tensor) -> Tensor:
    """What to compare: the logarithms of a softmax, or the sigmoids, where these are the outputs; else the logits."""
    if classifier.outputs == "sigmoids":
        return logits.sigmoid()
    return log_probabilities(logits.float().softmax(1)) if classifier.outputs == "probabilities" else logits


def _logits_of(forward: ForwardPass, pixels: Tensor) -> Tensor:
    return forward(pixels, [None] * len(pixels))["logits"]


def effective_precision(precision: str, device: torch.device) -> str:
    """`tf32` for float32 on CUDA, where cuDNN's convolutions round their inputs to TensorFloat-32; else `precision`."""
    return "tf32" if precision == "fp32" and device.type == "cuda" else precision


def _logits(classifier: Classifier, original: nn.Module, images: Tensor) -> Tensor:
    try:
        logits = logits_in(original(images.clone()), Tensor)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise ModelError(
            f"`{classifier.name}` does not run on a batch of {len(images)} images ({first_line(error)})",
            "its `forward` must accept any number of images",
        ) from error
    assert logits is not None  # the graph has them
    if classifier.outputs == "probabilities":
        check_probabilities(classifier.name, logits.reshape(len(images), -1))
    return class_logits(logits, len(images), classifier.outputs)


def _wrong_logits(
    run: ForwardPass, original: nn.Module, images: Tensor, difference: float, tolerance: float
) -> ModelError:
    classifier = run.classifier
    much = f"{difference:.2g} times the standard deviation of the logits (tolerance {tolerance:g})"
    if run.precision != "fp32":
        return ModelError(
            f"in {run.precision}, the logits of `{classifier.name}` differ from those in float32 by {much}",
            "use --precision fp32",
        )
    layer = first_difference(classifier, original, images, tolerance)
    where = f"the first layer that differs is `{layer}`" if layer else "before folding, no layer differs"
    return ModelError(
        f"cut into trunk and head, `{classifier.name}` gives other logits than the module itself, by {much}; {where}",
        "cut it elsewhere with --layer or --head, or return a `Classifier` from a `python:` factory; please report it",
    )
