"""`torchvision:NAME`: torchvision's classifiers."""

from __future__ import annotations

from typing import Any

import torch

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ModelError, did_you_mean, first_line
from reportgen.models.checkpoints import read_checkpoint, weights_path
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.models.preprocessing_sources import DEFAULTS, from_torchvision, with_settings
from reportgen.models.sources.common import RANDOM_WEIGHTS_SEED, chosen_class_names, imagenet_class_names
from reportgen.models.weights import classes_of, load_weights


def load_torchvision(name: str, config: AuditConfig) -> Classifier:
    """Load one of torchvision's classifiers. Errors: ConfigError for the name or the weights, ModelError."""
    import torchvision  # takes seconds, and other networks do not need it

    classifiers = torchvision.models.list_models(torchvision.models)
    if name not in classifiers:
        hint = did_you_mean(name, classifiers) or "see torchvision's list of models"
        raise ConfigError(f"torchvision has no classifier `{name}`", hint)
    known_weights = torchvision.models.get_model_weights(name)
    path = weights_path(config.weights)
    checkpoint = read_checkpoint(path) if path else None
    weights = None
    if config.weights == "random":
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
    elif not checkpoint:
        try:
            weights = known_weights[config.weights] if config.weights != "DEFAULT" else known_weights.DEFAULT
        except KeyError:
            known = ", ".join(f"`{w.name}`" for w in known_weights)
            raise ConfigError(
                f"`{name}` has no weights `{config.weights}`", f"known: {known}, a file, or `random`"
            ) from None
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3") and weights is None:
        options = {"aux_logits": False, "init_weights": config.weights == "random"}
    if checkpoint:
        with torch.device("meta"):
            empty = torchvision.models.get_model(name, **options)
        options["num_classes"] = classes_of(checkpoint, empty)
    try:
        module = torchvision.models.get_model(name, weights=weights, **options)
    except Exception as error:  # no connection, an interrupted download, a full disk: torchvision raises many types
        raise ModelError(
            f"the weights of `{name}` could not be loaded ({first_line(error)})",
            "give a file with --weights FILE.pth, or --weights random",
        ) from error
    loaded = load_weights(module, checkpoint) if checkpoint else config.weights
    presets = weights or next(iter(known_weights), None)
    known_names = imagenet_class_names() if options.get("num_classes", 1000) == 1000 else None
    return classifier_from_module(
        module,
        name,
        chosen_class_names(config, known_names),
        with_settings(from_torchvision(presets) if presets else Preprocessing(source=DEFAULTS), config),
        config.layer,
        config.head,
        f"{name}, {loaded}",
        config.outputs,
    )
