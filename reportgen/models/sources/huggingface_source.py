"""`hf:NAME`: image classifiers of Hugging Face's transformers, from a folder or from the hub."""

from __future__ import annotations

from typing import Any

import torch

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.errors import ConfigError, ModelError, first_line
from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.models.preprocessing_sources import preprocessing_for
from reportgen.models.sources.common import RANDOM_WEIGHTS_SEED, chosen_checkpoint, chosen_class_names
from reportgen.models.weights import load_weights


def load_huggingface(name: str, config: AuditConfig) -> Classifier:
    """Load an image classifier with its image processor and the class names of its config (`id2label`).

    name: a folder written by `save_pretrained`, or a name on the hub such as `microsoft/resnet-50`.
    Errors: ConfigError if transformers is not installed, or for the weights; ModelError.
    """
    try:
        import transformers  # optional, and takes seconds
    except ImportError:
        raise ConfigError(f"`hf:{name}` needs transformers", "pip install 'reportgen[transformers]'") from None
    hint = "use `DEFAULT`, `random` or a file; a revision is not one"
    checkpoint = chosen_checkpoint(config, f"hf:{name}", ("DEFAULT", "random"), hint)
    module = _load(transformers, name, with_weights=config.weights == "DEFAULT")
    loaded = load_weights(module, checkpoint) if checkpoint else config.weights
    names = chosen_class_names(config, _class_names(module.config))
    preprocessing = preprocessing_for(module, config)
    short = name.rstrip("/").rpartition("/")[2]
    source = f"hf:{name}, {loaded}"
    return classifier_from_module(
        module, short, names, preprocessing, config.layer, config.head, source, config.outputs
    )


def _load(transformers: Any, name: str, with_weights: bool) -> Any:
    """The network, with its own weights or random ones."""
    auto = transformers.AutoModelForImageClassification
    try:
        if with_weights:
            module: Any = auto.from_pretrained(name)
        else:
            torch.manual_seed(RANDOM_WEIGHTS_SEED)
            config = transformers.AutoConfig.from_pretrained(name)
            module = auto.from_config(config)
            module.name_or_path = name  # where its image processor is
    except Exception as error:  # no connection, no such folder, a config of another task, …
        raise ModelError(
            f"`hf:{name}` could not be loaded ({first_line(error)})",
            "name a folder that `save_pretrained` wrote, with its `config.json` and `preprocessor_config.json`",
        ) from error
    return module


def _class_names(config: Any) -> ClassNames | None:
    """The names of `id2label`; None if they are the placeholders `LABEL_0`, `LABEL_1`, …"""
    names = [str(config.id2label[k]) for k in sorted(config.id2label)]
    return None if names == [f"LABEL_{k}" for k in range(len(names))] else ClassNames(tuple(names))
