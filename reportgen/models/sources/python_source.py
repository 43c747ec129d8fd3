"""`python:package.module:factory`: a network of your own code."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ModelError, first_line
from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.models.preprocessing_sources import preprocessing_for, with_settings
from reportgen.models.sources.common import chosen_checkpoint, chosen_class_names
from reportgen.models.weights import load_weights, weights_digest


def load_python(spec: str, config: AuditConfig) -> Classifier:
    """Call a user's factory, which returns a module or a Classifier. The working folder is added to `sys.path`."""
    module_name, _, factory_name = spec.partition(":")
    if not factory_name:
        raise ConfigError(f"`python:{spec}` does not name a factory", "use `python:package.module:factory`")
    hint = "give a file, or leave out --weights to take the network as the factory made it"
    checkpoint = chosen_checkpoint(config, f"python:{spec}", ("DEFAULT",), hint)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        factory: Callable[[], object] = getattr(importlib.import_module(module_name), factory_name)
        result = factory()
    except Exception as error:
        raise ModelError(
            f"`python:{spec}` failed ({type(error).__name__}: {first_line(error)})",
            f"see whether `python -c 'import {module_name}; {module_name}.{factory_name}()'` works in this folder",
        ) from error
    if isinstance(result, Classifier):
        if checkpoint:
            raise ConfigError(
                f"`python:{spec}` returns a Classifier, which has its weights",
                "leave out --weights, or return the module",
            )
        return _checked(result, spec, config)
    if not isinstance(result, nn.Module):
        raise ModelError(
            f"`python:{spec}` returned `{type(result).__name__}`, not a module or a Classifier",
            "return the network; give its weights with --weights FILE",
        )
    source = f"python:{spec}" + (f", {load_weights(result, checkpoint)}" if checkpoint else "")
    class_names, preprocessing = chosen_class_names(config, None), preprocessing_for(result, config)
    return classifier_from_module(
        result, factory_name, class_names, preprocessing, config.layer, config.head, source, config.outputs
    )


def _checked(classifier: Classifier, spec: str, config: AuditConfig) -> Classifier:
    """Check that the parts of a user's Classifier fit together: errors in the middle of a run would be less clear."""
    if config.layer or config.head:
        raise ConfigError(f"`python:{spec}` returns a Classifier, which sets layer and head", "leave out the flag")
    if config.outputs not in ("classes", "multilabel"):
        raise ConfigError(
            f"`python:{spec}` returns a Classifier, which must return a logit for each class",
            "leave out `outputs`; let the head return `two_logits(z)` or `log_probabilities(p)` of "
            "`reportgen.models.class_logits`",
        )
    if config.input_size or config.channels:
        raise ConfigError(f"`python:{spec}` returns a Classifier, which sets its input's size", "leave out the flag")
    is_multilabel = config.outputs == "multilabel" or classifier.class_names.is_multilabel
    class_names = chosen_class_names(config, None) or classifier.class_names
    classifier = replace(
        classifier,
        class_names=replace(class_names, is_multilabel=is_multilabel),
        preprocessing=with_settings(classifier.preprocessing, config),
    )
    classes = len(classifier.class_names.names)
    try:
        with torch.enable_grad():
            image = torch.zeros(classifier.preprocessing.input_shape, requires_grad=True)
            maps = classifier.trunk.eval()(image)
            logits = classifier.head.eval()(maps)
            has_gradient = _has_gradient(logits, image)
        shapes = (tuple(maps.shape), tuple(logits.shape))
    except Exception as error:
        raise ModelError(
            f"the Classifier of `python:{spec}` does not run ({first_line(error)})",
            "`head(trunk(images))` must take images of its `preprocessing`, and `trunk(images)` be feature maps",
        ) from error
    if shapes != ((1, *classifier.feature_shape), (1, classes)):
        raise ModelError(
            f"the Classifier of `python:{spec}` returns feature maps {shapes[0]} and logits {shapes[1]} for one image, "
            f"not {(1, *classifier.feature_shape)} and one logit for each of its {classes} class names",
            "correct its `feature_shape` or `class_names`",
        )
    if not has_gradient:
        raise ModelError(
            f"in the Classifier of `python:{spec}`, the logits have no gradient with respect to the image",
            "saliency and Grad-CAM need it: leave out `torch.no_grad` and `detach` in trunk and head",
        )
    # The digest that the user's code states may be older than its weights.
    digest = weights_digest(nn.ModuleList([classifier.trunk, classifier.head]))
    return replace(
        classifier, weights_digest=hashlib.sha256(f"{classifier.weights_digest} {digest}".encode()).hexdigest()
    )


def _has_gradient(logits: Tensor, image: Tensor) -> bool:
    if not logits.requires_grad:
        return False
    (gradient,) = torch.autograd.grad(logits.sum(), image, allow_unused=True)
    return gradient is not None
