"""The networks of an audit, and the classes that they and the data set have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from reportgen.config import AuditConfig
from reportgen.data.class_names import Listing, Vocabulary, read_class_file
from reportgen.data.files import one_line
from reportgen.data.samples import Dataset
from reportgen.errors import ConfigError
from reportgen.models.classifier import Classifier
from reportgen.models.heads import POOLINGS
from reportgen.models.map_function import load_drawer
from reportgen.models.sources import load_classifier


def load_classifiers(networks: Sequence[AuditConfig], device: torch.device) -> list[Classifier]:
    """The networks of an audit, on the device; for a fitted head, the network whose trunk it is fitted on.

    Errors: ConfigError unless those with their own head share their classes, and none its name with another.
    """
    loaded: dict[AuditConfig, Classifier] = {}
    found: list[Classifier] = []
    own: Classifier | None = None
    for network in networks:
        fitted = network.head in POOLINGS
        plain = replace(network, model_name=None)
        if fitted:
            plain = replace(plain, head=None, classes=None)
        if plain not in loaded:
            drawer = load_drawer(plain.maps) if plain.maps else None
            loaded[plain] = replace(load_classifier(plain), drawer=drawer).to(device)
        name = loaded[plain].name + (f" + {network.head.upper()}" if fitted and network.head else "")
        classifier = replace(loaded[plain], name=one_line(network.model_name or name))
        if any(classifier.name == other.name for other in found):
            raise ConfigError(
                f"two networks are called `{classifier.name}`", "give each of them a `name` in its [[models]] table"
            )
        found.append(classifier)
        if fitted:
            continue
        own = own or classifier
        if classifier.class_names != own.class_names:
            raise ConfigError(
                f"`{own.name}` and `{classifier.name}` have different classes",
                "audit them in two reports, or name the same classes with `classes`",
            )
    return found


def vocabulary_of(
    config: AuditConfig, classifiers: Sequence[Classifier], read: Callable[[Vocabulary], Dataset]
) -> Vocabulary:
    """The classes of the audit: those of the networks with their own head; where all heads are fitted, those of the
    file `classes`, or else every label of the data set, sorted."""
    own = [c for c, network in zip(classifiers, config.networks(), strict=True) if network.head not in POOLINGS]
    if own:
        return own[0].vocabulary
    if config.classes:
        return Vocabulary(read_class_file(config.classes))
    listing = Listing(())
    read(listing)
    return Vocabulary(tuple(sorted(listing.texts)))
