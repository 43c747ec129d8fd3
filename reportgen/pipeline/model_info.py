"""The networks of an audit in plain values: what pages, and people who choose layers, learn of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch.fx import GraphModule

from reportgen.audit.model_info import Epoch, LayerCard, ModelCard
from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.metrics.filters import Kernels, strongest_kernels
from reportgen.models.classifier import Classifier
from reportgen.models.graph import kernels
from reportgen.models.layers import find_layers, parameters_before
from reportgen.models.receptive_fields import receptive_fields
from reportgen.models.sources import load_classifier
from reportgen.pipeline.extraction import Look
from reportgen.pipeline.precision import Agreement


def layer_cards(classifier: Classifier, wanted: Sequence[str]) -> list[LayerCard]:
    """The layers whose units the pass looks at, with what each position of them sees; none for what is no graph."""
    if not isinstance(classifier.trunk, GraphModule):
        return []
    fields = receptive_fields(classifier.trunk)
    cards = []
    earlier: set[int] = set()
    for layer in find_layers(classifier.trunk, classifier.head):
        if layer.name in wanted:
            field = fields[layer.node.name]
            seen = (field.rows.seen, field.columns.seen)
            parameters = parameters_before(classifier.trunk, layer.node)
            own = sum(count for which, count in parameters.items() if which not in earlier)
            total = sum(parameters.values())
            cards.append(LayerCard(layer.name, layer.shape, *seen, field.size, field.stride, total, own))
            earlier |= parameters.keys()
    return cards


def deeper_kernels(classifier: Classifier) -> list[Kernels]:
    """The strongest kernels of every convolution but the first, where they are larger than one weight."""
    if not isinstance(classifier.trunk, GraphModule):
        return []
    deeper = itertools.islice(kernels(classifier.trunk), 1, None)
    return [strongest_kernels(k.layer, k.weight.numpy()) for k in deeper if k.weight[0, 0].numel() > 1]


def model_card(look: Look, agreement: Agreement | None, device: torch.device) -> ModelCard:
    """The classifier in plain values."""
    classifier, config = look.classifier, look.network
    pooling = classifier.own.pooling if classifier.own and not classifier.drawer else ""
    p = classifier.preprocessing
    watched = look.store.settings["layers"]
    first = (layer.name for layer in find_layers(classifier.trunk, classifier.head) if layer.first)
    how = (
        f"squashed to {p.size} × {p.size}"
        if config.resize == "warp"
        else f"shorter side {p.resize_size}, centre {p.size} × {p.size}"
    )
    if config.decode == "fast":
        how += "; large JPEGs decoded at a fraction of their size, so that pixels differ a little"
    mean, std = (", ".join(f"{v:.3g}" for v in values) for values in (p.mean, p.std))
    return ModelCard(
        name=classifier.name,
        source=classifier.source,
        head=str(config.head) if look.heads else {"gap": "own", "gmp": "own-gmp"}.get(pooling, "other"),
        pooling=pooling,
        fit=look.fit_in_words(),
        curve=[Epoch(**row) for row in classifier.curve],  # type: ignore[arg-type]
        method=classifier.method,
        maps_layer=classifier.maps_layer,
        maps_shape=classifier.maps_shape,
        parameters=classifier.parameters,
        weights_digest=classifier.weights_digest,
        resize=config.resize,
        precision=config.precision,
        agreement=agreement.in_words() if agreement else "",
        device=str(device),
        input_size=p.size,
        preprocessing=f"{how}, {p.interpolation}; mean {mean}; deviation {std}",
        filters_layer=classifier.filters.layer if classifier.filters else None,
        filters=classifier.filters.weight.numpy() if classifier.filters else None,
        kernels=deeper_kernels(classifier),
        filters_units=next((name for name in first if name in watched), None),
        layers=layer_cards(classifier, watched),
    )


def list_layers(config: AuditConfig) -> list[str]:
    """A line for each layer of the network that the settings name: what `layers` may say."""
    classifier = load_classifier(config)
    layers = find_layers(classifier.trunk, classifier.head)
    if not isinstance(classifier.trunk, GraphModule):
        raise ConfigError(f"`{config.model}` is no graph whose layers could be listed")
    fields = receptive_fields(classifier.trunk)
    width = max(len(layer.name) for layer in layers)
    lines = []
    for layer in layers:
        field = fields[layer.node.name]
        seen = f"stride {field.stride[0]:<3g} field {field.size[0] if field.size else 'whole image'}"
        maps = "×".join(map(str, layer.shape))
        lines.append(f"{'*' if layer.stage_end or layer.first else ' '} {layer.name:<{width}}  {maps:<13}  {seen}")
    return lines
