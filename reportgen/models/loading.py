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

NEEDS_ONE_LABEL = {
    "masks": "are those of the one label of an image",
    "ood": "compares scores of classes that exclude each other",
    "live": "makes a page for classes that exclude each other",
}
"""Settings that a multi-label network cannot be run with, and why."""


def load_classifiers(networks: Sequence[AuditConfig], device: torch.device) -> list[Classifier]:
    """Load the networks of an audit onto the device. A network with a fitted head keeps its own head for now.

    Errors: ConfigError if two networks have the same name, or those with their own head have different classes, and for
    settings that a multi-label network has no use for.
    """
    loaded: dict[AuditConfig, Classifier] = {}
    classifiers: list[Classifier] = []
    with_own_head: Classifier | None = None
    for network in networks:
        is_fitted = network.head in POOLINGS
        if is_fitted and network.outputs == "multilabel":
            raise ConfigError(
                f"`head = {network.head}` fits a head for one label an image, and `outputs` is `multilabel`",
                "leave out one of the two",
            )
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
    _check_multilabel(networks, classifiers)
    return classifiers


def _check_multilabel(networks: Sequence[AuditConfig], classifiers: Sequence[Classifier]) -> None:
    """Check that all networks are multi-label ones or none is, and that no setting needs one label an image."""
    kinds = {
        classifier.class_names.is_multilabel and network.head not in POOLINGS: classifier.name
        for network, classifier in zip(networks, classifiers, strict=True)
    }
    if True not in kinds:
        return
    if len(kinds) > 1:
        raise ConfigError(
            f"`{kinds[True]}` is a multi-label network, and `{kinds[False]}` is not",
            "audit them in two reports",
        )
    for name, why in NEEDS_ONE_LABEL.items():
        if any(getattr(network, name) for network in networks):
            raise ConfigError(f"`{name}` {why}, and `{kinds[True]}` is a multi-label network", f"leave out `{name}`")
