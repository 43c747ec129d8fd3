"""One network through reportgen's loading, and its results against the untouched module."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from reportgen.audit.model_info import LayerInfo
from reportgen.config import AuditConfig
from reportgen.errors import ReportgenError, first_line
from reportgen.models.classifier import Classifier
from reportgen.models.divergence import relative_difference
from reportgen.models.from_module import classifier_from_module
from reportgen.models.outputs import check_outputs, check_weights
from reportgen.models.preprocessing_sources import preprocessing_for
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.model_info import deeper_kernels, layer_infos
from reportgen.pipeline.network_check import compare_with_original
from tests.matrix.case import Case, Verdict
from tests.matrix.reference import Reference

IMAGES = 2
TOLERANCE = 0.01
"""Largest difference of logits and of maps, in standard deviations: that of a run in float32."""
SMALL = 0.01
"""Parameters that are all below this at initialization would hide what they multiply, such as a layer scale of 1e-6."""


@dataclass(frozen=True)
class Taken:
    """What reportgen computes for a network, for normalized images: arrays of the forward pass, layers with fields."""

    classifier: Classifier
    images: Tensor
    arrays: dict[str, Tensor]
    layers: list[LayerInfo]

    def __str__(self) -> str:
        shape = " × ".join(map(str, self.classifier.feature_shape))
        return f"{self.classifier.method} at {self.classifier.feature_layer}, {shape}, {len(self.layers)} layers"


def try_network(case: Case) -> Verdict:
    """Load a network as a run does, and compare what it computes with the module itself."""
    module = built(case.build)
    try:
        taken = _load(case, module)
    except ReportgenError as error:
        return refusal(error)
    except Exception as error:
        return internal_error(error)
    reference = Reference(built(case.build), taken.images)
    for difference in (_wrong_logits, _wrong_maps, _wrong_fields):
        if found := difference(taken, reference):
            return Verdict("wrong", f"{taken}: {found}")
    return Verdict("taken", str(taken))


def refusal(error: ReportgenError) -> Verdict:
    """A refusal, which is one line with a way out; anything else is wrong."""
    message, hint = str(error), error.hint
    if not message.isprintable() or not (hint or "").isprintable():
        return Verdict("wrong", f"a message of several lines or with control characters: {message!r} {hint!r}")
    return Verdict("refused" if hint else "wrong", message if hint else f"a refusal without a way out: {message}", hint)


def internal_error(error: Exception) -> Verdict:
    """An error that is not for the user: its type, message and last frame."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{frame.filename}:{frame.lineno} in {frame.name}"
    return Verdict("internal error", f"{type(error).__name__}: {first_line(error)} ({where})")


def built(build: Callable[[], nn.Module]) -> nn.Module:
    """Make a network with random weights; what is constant at initialization is random, too.

    Normalizations that change nothing and branches that are multiplied by 0 would hide errors.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build()
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            is_statistic = name.endswith(("running_mean", "running_var"))
            if isinstance(value, nn.Parameter) or is_statistic:
                _vary(value)
    return module


@torch.no_grad()
def _vary(value: Tensor) -> None:
    if isinstance(value, UninitializedParameter) or not value.is_floating_point() or not value.numel():
        return
    first = value.flatten()[0]
    if not first.isfinite() or not bool((value == first).all()):
        return
    if first.abs() < SMALL:
        value.copy_(torch.randn_like(value) * 0.1)
    else:
        value.mul_(torch.empty_like(value).uniform_(0.5, 1.5))


def _load(case: Case, module: nn.Module) -> Taken:
    """As `load_classifier` and the check before a run do, for random images."""
    config = AuditConfig(model="python:tests.matrix:build", input_size=case.size)
    classifier = classifier_from_module(module, case.name, preprocessing=preprocessing_for(module, config))
    check_weights(classifier, has_own_head=True)
    preprocessing, generator = classifier.preprocessing, torch.Generator().manual_seed(0)
    shape = (IMAGES, *preprocessing.input_shape[1:])
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    forward = ForwardPass(classifier)
    with torch.no_grad():
        check_outputs(classifier, compare_with_original(forward, module, pixels))
        arrays = forward(pixels, [None] * IMAGES)
    deeper_kernels(classifier)
    return Taken(classifier, preprocessing.normalize(pixels), arrays, layer_infos(classifier, forward.layers))


def _wrong_logits(taken: Taken, reference: Reference) -> str | None:
    """The logits of trunk and head, folded, and those that the means of exact maps give."""
    logits, classes = taken.arrays["logits"], taken.arrays["cam/class"][:, :-1].long()
    difference = relative_difference(logits, reference.logits)
    if difference > TOLERANCE:
        return f"logits differ by {difference:.2g}"
    head = taken.classifier.linear_head
    if head is None or head.pooling != "gap":
        return None
    means = taken.arrays["cam/map"][:, :-1].mean((2, 3)) + head.bias[classes]
    difference = relative_difference(reference.logits.scatter(1, classes, means), reference.logits)
    return f"mean(CAM) + bias differs from the logit by {difference:.2g}" if difference > TOLERANCE else None


def _wrong_maps(taken: Taken, reference: Reference) -> str | None:
    """CAM or Grad-CAM of the predicted classes."""
    grid = taken.classifier.feature_shape[1:]
    expected = reference.grad_cam(taken.classifier.feature_layer, taken.arrays["cam/class"][:, 0].long(), grid)
    found = taken.arrays["cam/map"][:, 0]
    if expected is None or expected.shape != found.shape:
        return None  # the feature maps are not the output of a module, or in another layout
    difference = relative_difference(found, expected)
    return f"maps differ from Grad-CAM by {difference:.2g}" if difference > TOLERANCE else None


def _wrong_fields(taken: Taken, reference: Reference) -> str | None:
    """No gradient outside of the receptive fields."""
    layers = {layer.name: layer for layer in taken.layers}
    shapes = {name: layer.shape for name, layer in layers.items()}
    for name, (y, x), rows, columns in reference.pixels_seen(shapes):
        (upper, lower), (left, right) = layers[name].rows[y], layers[name].columns[x]
        if rows[0] < upper or rows[1] > lower or columns[0] < left or columns[1] > right:
            field = f"rows {upper} to {lower}, columns {left} to {right}"
            return f"`{name}` at ({y}, {x}) reads rows {rows}, columns {columns}, but its field is {field}"
    return None
