"""Sources of classifiers: `demo`, `torchvision:NAME`, `timm:NAME`, `hf:NAME`, `cam:NAME`, `python:module:factory`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.data.readers.dataset import data_class_names
from reportgen.errors import ConfigError
from reportgen.models.classifier import Classifier
from reportgen.models.sources.cam_source import load_cam
from reportgen.models.sources.demo import load_demo
from reportgen.models.sources.huggingface_source import load_huggingface
from reportgen.models.sources.python_source import load_python
from reportgen.models.sources.timm_source import load_timm
from reportgen.models.sources.torchvision_source import load_torchvision

SOURCES: dict[str, Callable[[str, AuditConfig], Classifier]] = {
    "demo": load_demo,
    "torchvision": load_torchvision,
    "timm": load_timm,
    "hf": load_huggingface,
    "cam": load_cam,
    "python": load_python,
}
"""The part of `--model` before the colon, and what loads such a network."""


def load_classifier(config: AuditConfig) -> Classifier:
    """Load the classifier that `config.model` names. Errors: ConfigError for the name, ModelError for the network."""
    kind, _, rest = config.model.partition(":")
    if kind not in SOURCES or bool(rest) is not (kind != "demo"):
        raise ConfigError(
            f"unknown model `{config.model}`",
            "use `demo`, `torchvision:NAME`, `timm:NAME`, `hf:NAME`, `cam:NAME` or `python:package.module:factory`",
        )
    return _with_folder_names(SOURCES[kind](rest, config), config.data)


def _with_folder_names(classifier: Classifier, data: Path | None) -> Classifier:
    """Give a network without class names those of the data set, if there are as many: see `data_class_names`.

    Class folders are sorted, as in torchvision's ImageFolder, with which such a network was most likely trained.
    """
    count = len(classifier.class_names.names)
    numbered = ClassNames.numbered(count).names
    names = data_class_names(data) if data and classifier.class_names.names == numbered else None
    if names is None or len(names) != count:
        return classifier
    return replace(classifier, class_names=replace(classifier.class_names, names=names))
