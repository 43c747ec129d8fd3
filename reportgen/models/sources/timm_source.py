"""`timm:NAME`: the networks of timm (PyTorch image models)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.errors import ConfigError, ModelError, did_you_mean, first_line
from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.models.preprocessing_sources import preprocessing_for
from reportgen.models.sources.common import (
    RANDOM_WEIGHTS_SEED,
    chosen_checkpoint,
    chosen_class_names,
    imagenet_class_names,
)
from reportgen.models.weights import classes_of, load_weights

IMAGENET_CLASSES = 1000


def load_timm(name: str, config: AuditConfig) -> Classifier:
    """Load one of timm's networks, with the preprocessing and class names that its `pretrained_cfg` states.

    name: `resnet50`, `resnet50.a1_in1k`, `local-dir:FOLDER` or `hf-hub:NAME`, as `timm.create_model` takes it.
    Errors: ConfigError if timm is not installed, for the name or the weights; ModelError.
    """
    try:
        import timm  # optional, and takes seconds
    except ImportError:
        raise ConfigError(f"`timm:{name}` needs timm", "pip install 'reportgen[timm]'") from None
    if ":" not in name and not timm.is_model(name):
        hint = did_you_mean(name, timm.list_models()) or "`timm.list_models()` lists them"
        raise ConfigError(f"timm has no network `{name}`", hint)
    hint = "name them as timm does (`resnet50.a1_in1k`), or give a file, `DEFAULT` or `random`"
    checkpoint = chosen_checkpoint(config, f"timm:{name}", ("DEFAULT", "random"), hint)
    options: dict[str, Any] = {"pretrained": config.weights == "DEFAULT"}
    if checkpoint:
        with torch.device("meta"):
            options["num_classes"] = classes_of(checkpoint, _create(timm, name, {}))
    torch.manual_seed(RANDOM_WEIGHTS_SEED)
    module = _create(timm, name, options)
    loaded = load_weights(module, checkpoint) if checkpoint else config.weights
    names = chosen_class_names(config, _class_names(module, is_published=checkpoint is None))
    preprocessing = preprocessing_for(module, config)
    source = f"timm:{name}, {loaded}"
    return classifier_from_module(module, name, names, preprocessing, config.layer, config.head, source, config.outputs)


def _create(timm: Any, name: str, options: dict[str, Any]) -> nn.Module:
    try:
        module: nn.Module = timm.create_model(name, **options)
    except Exception as error:  # no connection, an interrupted download, a folder without a config, …
        raise ModelError(
            f"`timm:{name}` could not be loaded ({first_line(error)})",
            "give a file with --weights FILE, or --weights random",
        ) from error
    return module


def _class_names(module: nn.Module, is_published: bool) -> ClassNames | None:
    """The names of a published network: those that it states, or those of ImageNet or the part of it that it knows.

    is_published: whether the weights are timm's; a file with as many classes may have others.
    """
    stated = getattr(module, "pretrained_cfg", {}).get("label_names") or ()
    classes: Any = getattr(module, "num_classes", None)
    if len(stated) == classes:
        return ClassNames(tuple(stated))
    if classes == IMAGENET_CLASSES:
        return imagenet_class_names()
    if not is_published:
        return None
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset(module)
    if subset is None:
        return None
    info = ImageNetInfo(subset)
    wnids = tuple(info.label_names())  # type: ignore[no-untyped-call]
    return ClassNames(tuple(map(info.label_name_to_description, wnids)), wnids)
