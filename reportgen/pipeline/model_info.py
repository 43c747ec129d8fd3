"""Networks and their layers in plain values, for pages and for `reportgen layers`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.fx import GraphModule

from reportgen.audit.model_info import HeadFit, LayerInfo, ModelInfo, PrecisionAgreement, RuntimeTrial, TrainingEpoch
from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.metrics.filters import KernelGrid, strongest_kernels
from reportgen.models.classifier import Classifier
from reportgen.models.field_check import checked_receptive_fields
from reportgen.models.first_convolution import deeper_convolutions
from reportgen.models.layers import find_layers, parameters_before
from reportgen.models.receptive_fields import receptive_fields
from reportgen.models.sources import load_classifier
from reportgen.pipeline.extraction import ModelRun


def layer_infos(classifier: Classifier, wanted: Sequence[str]) -> list[LayerInfo]:
    """The layers whose units are recorded, with their receptive fields; empty if the trunk is not a traced graph."""
    if not isinstance(classifier.trunk, GraphModule):
        return []
    layers = [layer for layer in find_layers(classifier.trunk, classifier.head) if layer.name in wanted]
    fields = checked_receptive_fields(classifier.trunk, [layer.node for layer in layers])
    infos = []
    earlier: set[int] = set()
    for layer in layers:
        field = fields[layer.node.name]
        seen = (field.rows.intervals, field.columns.intervals)
        parameters = parameters_before(classifier.trunk, layer.node)
        own = sum(count for which, count in parameters.items() if which not in earlier)
        total = sum(parameters.values())
        infos.append(LayerInfo(layer.name, layer.shape, *seen, field.size, field.stride, total, own))
        earlier |= parameters.keys()
    return infos


def deeper_kernels(classifier: Classifier) -> list[KernelGrid]:
    """The strongest kernels of every convolution except the first, where they are larger than 1 × 1."""
    if not isinstance(classifier.trunk, GraphModule):
        return []
    deeper = deeper_convolutions(classifier.trunk)
    return [strongest_kernels(k.layer, k.weight.numpy()) for k in deeper if k.weight[0, 0].numel() > 1]


def model_info(
    run: ModelRun, agreement: PrecisionAgreement | None, runtime_trial: RuntimeTrial | None, device: torch.device
) -> ModelInfo:
    """The network of a run in plain values."""
    classifier, settings = run.classifier, run.settings
    pooling = classifier.linear_head.pooling if classifier.linear_head else ""
    p = classifier.preprocessing
    layers = run.store.settings["layers"]
    first = (layer.name for layer in find_layers(classifier.trunk, classifier.head) if layer.is_first_conv)
    fit = None
    if heads := run.heads:
        penalties, images = [head.penalty for head in heads], [head.n_images for head in heads]
        fit = HeadFit(len(heads), penalties, images, max(head.gradient for head in heads))
    return ModelInfo(
        name=classifier.name,
        source=classifier.source,
        head=str(settings.head) if run.heads else _own_head(classifier),
        method=classifier.method,
        feature_layer=classifier.feature_layer,
        feature_shape=classifier.feature_shape,
        parameters=classifier.parameters,
        weights_digest=classifier.weights_digest,
        precision=settings.precision,
        device=str(device),
        input_size=(p.height, p.width),
        resize=settings.resize,
        resize_size=p.resized,
        interpolation=p.interpolation,
        mean=p.mean,
        std=p.std,
        squash=p.squash,
        preprocessing_source=p.source,
        decode=settings.decode,
        head_fit=fit,
        precision_agreement=agreement,
        runtime=run.store.settings["runtime"],
        runtime_trial=runtime_trial,
        pooling=pooling if classifier.method == "cam" else "",
        training_curve=[TrainingEpoch(**row) for row in classifier.training_curve],  # type: ignore[arg-type]
        filters_layer=classifier.first_conv.layer if classifier.first_conv else None,
        filters=classifier.first_conv.weight.numpy() if classifier.first_conv else None,
        filter_units=next((name for name in first if name in layers), None),
        kernels=deeper_kernels(classifier),
        layers=layer_infos(classifier, layers),
    )


def _own_head(classifier: Classifier) -> str:
    """`own`, `own-gmp`, `class-token` or `other`, see `ModelInfo`."""
    if classifier.linear_head:
        return "own" if classifier.linear_head.pooling == "gap" else "own-gmp"
    return "class-token" if classifier.reads_tokens else "other"


def list_layers(config: AuditConfig) -> list[str]:
    """A line for each layer of the network that the settings name: the names that `layers` accepts."""
    classifier = load_classifier(config)
    layers = find_layers(classifier.trunk, classifier.head)
    if not isinstance(classifier.trunk, GraphModule):
        raise ConfigError(f"`{config.model}` cannot be traced, so its layers cannot be listed")
    fields = receptive_fields(classifier.trunk)
    width = max(len(layer.name) for layer in layers)
    lines = []
    for layer in layers:
        field = fields[layer.node.name]
        seen = f"stride {field.stride[0]:<3g} field {field.size[0] if field.size else 'whole image'}"
        maps = "×".join(map(str, layer.shape))
        lines.append(
            f"{'*' if layer.is_stage_end or layer.is_first_conv else ' '} {layer.name:<{width}}  {maps:<13}  {seen}"
        )
    return lines
