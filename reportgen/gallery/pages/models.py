"""The networks of the audit, and their classification errors next to published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import ModelInfo
from reportgen.gallery.components.table import download_links
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
from reportgen.gallery.core.page import Fact, Link
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.urls import layer_page
from reportgen.results.tables import Table, classification_table


@dataclass(frozen=True)
class Network:
    """One network. layers: those whose units were recorded, with their shapes."""

    name: str
    facts: Sequence[Fact]
    layers: Sequence[Fact]


@dataclass(frozen=True)
class ModelsPage:
    """All networks. errors: the table of classification errors and its files, None if no image has a label."""

    errors: Table | None
    downloads: Sequence[Link]
    is_localized: bool
    networks: Sequence[Network]


@page(
    "models/index.html",
    nav=("Method", "Models"),
    order=90,
    about="The networks of the audit, and their classification errors next to published ones.",
)
def models(audit: Audit, media: Media) -> ModelsPage:
    """The page."""
    networks = [_network(model.info, is_main=model is audit.main) for model in audit.models]
    errors = classification_table(audit) if audit.main.classification.top1_error else None
    return ModelsPage(
        errors=errors,
        downloads=download_links(errors) if errors else [],
        is_localized=audit.main.localization_study is not None,
        networks=networks,
    )


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
