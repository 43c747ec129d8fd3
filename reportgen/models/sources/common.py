"""What the sources of classifiers share."""

from __future__ import annotations

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames, imagenet_names, imagenet_wnids, read_class_file

RANDOM_WEIGHTS_SEED = 0
"""Seed of random weights."""


def imagenet_class_names() -> ClassNames:
    """Return torchvision's 1,000 class names of ImageNet, with their WordNet ids."""
    return ClassNames(imagenet_names(), imagenet_wnids())


def chosen_class_names(config: AuditConfig, default: ClassNames | None) -> ClassNames | None:
    """Return the names in the file of the setting `classes`, or else the default.

    The one name that a source has for the output of a binary classifier names no pair of classes.
    """
    if config.classes:
        return ClassNames(read_class_file(config.classes))
    return None if config.outputs == "binary" and default and len(default.names) == 1 else default
