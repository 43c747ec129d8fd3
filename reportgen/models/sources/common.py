"""What the sources of classifiers share."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames, imagenet_names, imagenet_wnids, read_class_file
from reportgen.errors import ConfigError
from reportgen.models.checkpoints import Checkpoint, read_checkpoint, weights_path

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


def chosen_checkpoint(config: AuditConfig, model: str, names: Sequence[str], hint: str) -> Checkpoint | None:
    """Return the checkpoint that the setting `weights` is the path of; None if it is one of the names.

    Errors: ConfigError with this hint for any other name; ModelError for a file that cannot be read.
    """
    path = weights_path(config.weights)
    if not path and config.weights not in names:
        raise ConfigError(f"`{model}` has no weights `{config.weights}`", hint)
    return read_checkpoint(path) if path else None
