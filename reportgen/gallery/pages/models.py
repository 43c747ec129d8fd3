"""The networks of the audit, and their errors with those of controls and published errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import ModelInfo
from reportgen.gallery.core.labels import (
    TOKENS_NOTE,
    feature_maps_label,
    head_label,
    input_size_label,
    method_label,
    precision_label,
    preprocessing,
    reads_tokens,
    runtime_label,
)
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.urls import layer_page
from reportgen.results.tables import Table, headline_tables


@dataclass(frozen=True)
class Network:
    """One network. layers: those whose units were recorded, with their shapes."""

    name: str
    facts: Sequence[Fact]
    layers: Sequence[Fact]


@dataclass(frozen=True)
class ModelsPage:
    """All networks, and tables of their errors with those of controls and published errors."""

    tables: Sequence[Table]
    networks: Sequence[Network]


@page(
    "models/index.html",
    nav=("Method", "Models"),
    order=90,
    about="The networks of the audit, and their errors with those of controls and published errors.",
)
def models(audit: Audit, media: Media) -> ModelsPage:
    """The page."""
    networks = [_network(model.info, is_main=model is audit.main) for model in audit.models]
    return ModelsPage(headline_tables(audit), networks)


def _network(info: ModelInfo, is_main: bool) -> Network:
    """is_main: whether the layers of this network have pages."""
    facts = [
        Fact("Source", info.source),
        Fact("Parameters", f"{info.parameters:,}"),
        Fact("Input", f"{input_size_label(info)} pixels"),
        Fact("Preprocessing", preprocessing(info)),
        *([Fact("Preprocessing taken from", info.preprocessing_source)] if info.preprocessing_source else []),
        Fact("Head", head_label(info)),
        Fact("Activation maps", method_label(info)),
        *([Fact("How to read the maps", TOKENS_NOTE)] if reads_tokens(info) else []),
        Fact("Feature maps", feature_maps_label(info)),
        Fact("Precision", precision_label(info)),
        Fact("Runtime", runtime_label(info)),
        Fact("Weights, SHA-256", info.weights_digest[:16]),
    ]
    layers = [
        Fact(layer.name, " × ".join(map(str, layer.shape)), layer_page(layer) if is_main else "")
        for layer in info.layers
    ]
    return Network(info.name, facts, layers)
