"""The page Models: what each network of the audit is, and what it reached beside the controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.gallery.components.page_data import Fact
from reportgen.gallery.core import labels as words
from reportgen.gallery.core.urls import layer_page
from reportgen.results.tables import Table


@dataclass(frozen=True)
class Network:
    """One network. layers: those whose units were looked at."""

    name: str
    facts: Sequence[Fact]
    layers: Sequence[Fact]


@dataclass(frozen=True)
class ModelsPage:
    """All networks, and the tables that hold them against each other, against controls and published rows."""

    tables: Sequence[Table]
    networks: Sequence[Network]


def models_page(audit: Audit, tables: Sequence[Table]) -> ModelsPage:
    """tables: those of the overview."""
    return ModelsPage(tables, [_network(model, first=model is audit) for model in audit.models])


def _network(model: Audit, first: bool) -> Network:
    """first: the one whose layers have pages."""
    card = model.card
    facts = [
        Fact("Source", card.source),
        Fact("Parameters", f"{card.parameters:,}"),
        Fact("Input", f"{card.input_size} × {card.input_size} pixels"),
        Fact("Preprocessing", card.preprocessing),
        Fact("Head", card.fit or words.HEAD_WORDS[card.head]),
        Fact("Maps", words.METHOD_WORDS.get(card.method, card.method)),
        Fact("Last maps", f"{card.maps_layer}, {' × '.join(map(str, card.maps_shape))}"),
        Fact("Precision", card.precision + (f"; {card.agreement}" if card.agreement else "")),
        Fact("Weights, SHA-256", card.weights_digest[:16]),
    ]
    layers = [
        Fact(layer.name, " × ".join(map(str, layer.shape)), layer_page(layer) if first else "") for layer in card.layers
    ]
    return Network(card.name, facts, layers)
