"""`cam:NAME`: the networks of the CAM paper."""

from __future__ import annotations

from dataclasses import replace

import torch

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.errors import ConfigError
from reportgen.json_text import load_json
from reportgen.models.cam_networks import CAM_NETWORKS, cam_network
from reportgen.models.checkpoints import read_checkpoint, weights_path
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.models.preprocessing_sources import DEFAULTS, with_settings
from reportgen.models.sources.common import RANDOM_WEIGHTS_SEED, chosen_class_names, imagenet_class_names
from reportgen.models.weights import classes_of, load_weights


def load_cam(name: str, config: AuditConfig) -> Classifier:
    """Load one of the CAM paper's networks, with weights from `reportgen fit` or random ones."""
    check_cam_network(name)
    path, loaded, curve = weights_path(config.weights), config.weights, []
    class_names: ClassNames | None
    if config.weights == "random":
        class_names = chosen_class_names(config, None) or imagenet_class_names()
        module = cam_network(name, len(class_names.names), pretrained=False, seed=RANDOM_WEIGHTS_SEED)
    elif path:
        checkpoint = read_checkpoint(path)
        with torch.device("meta"):
            empty = cam_network(name, 1, pretrained=False, seed=RANDOM_WEIGHTS_SEED)
        metadata = load_json(checkpoint.metadata.get("reportgen", "{}"))
        names, curve = metadata.get("classes"), metadata.get("curve", [])
        class_names = chosen_class_names(config, ClassNames(tuple(names)) if names else None)
        module = cam_network(name, classes_of(checkpoint, empty), pretrained=False, seed=RANDOM_WEIGHTS_SEED)
        loaded = load_weights(module, checkpoint)
    else:
        raise ConfigError(
            f"`cam:{name}` has no published weights", "make them with `reportgen fit`, or give --weights FILE or random"
        )
    source = f"cam:{name}, {loaded}"
    preprocessing = with_settings(Preprocessing(source=DEFAULTS), config)
    classifier = classifier_from_module(
        module, name, class_names, preprocessing, config.layer, config.head, source, config.outputs
    )
    return replace(classifier, training_curve=tuple(curve))


def check_cam_network(name: str) -> None:
    """Errors: ConfigError unless `cam:name` is a network."""
    if name not in CAM_NETWORKS:
        known = ", ".join(f"`cam:{n}`" for n in CAM_NETWORKS)
        raise ConfigError(f"unknown network `cam:{name}`", f"use one of {known}")
