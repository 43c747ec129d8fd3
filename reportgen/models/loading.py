"""Loading of an audit's networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from reportgen.config import AuditConfig
from reportgen.data.files import one_line
from reportgen.errors import ConfigError
from reportgen.models.classifier import Classifier
from reportgen.models.heads import POOLINGS
from reportgen.models.map_function import load_map_function
from reportgen.models.sources import load_classifier


def load_classifiers(networks: Sequence[AuditConfig], device: torch.device) -> list[Classifier]:
    """Load the networks of an audit onto the device. A network with a fitted head keeps its own head for now.

    Errors: ConfigError if two networks have the same name, or those with their own head have different classes.
    """
    loaded: dict[AuditConfig, Classifier] = {}
    classifiers: list[Classifier] = []
    with_own_head: Classifier | None = None
    for network in networks:
        is_fitted = network.head in POOLINGS
        plain = replace(network, model_name=None)
        if is_fitted:
            plain = replace(plain, head=None, classes=None, outputs="classes")
        if plain not in loaded:
            map_function = load_map_function(plain.map_function) if plain.map_function else None
            loaded[plain] = replace(load_classifier(plain), map_function=map_function).to(device)
        name = loaded[plain].name + (f" + {network.head.upper()}" if is_fitted and network.head else "")
        classifier = replace(loaded[plain], name=one_line(network.model_name or name))
        if any(classifier.name == other.name for other in classifiers):
            raise ConfigError(
                f"two networks are called `{classifier.name}`", "give each of them a `name` in its [[models]] table"
            )
        classifiers.append(classifier)
        if is_fitted:
            continue
        with_own_head = with_own_head or classifier
        if classifier.class_names.names != with_own_head.class_names.names:
            raise ConfigError(
                f"`{with_own_head.name}` and `{classifier.name}` have different classes",
                "audit them in two reports, or give them the same class names with `classes`",
            )
    return classifiers
