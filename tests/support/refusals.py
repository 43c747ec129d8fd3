"""Networks, weights and settings that are refused: each leads to a message of the page “My model is refused”."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from tests.support import checkpoint_builders
from tests.support.checkpoint_forms import FORMS
from tests.support.refused_networks import (
    Build,
    Detached,
    History,
    MyImageProcessor,
    carrying,
    changed_in_part,
    changed_under_two_names,
    class_token,
    classifier,
    damaged_graph,
    dependent_on_values,
    ending_with,
    my_net,
    of_transformers,
    offline,
    one_image_at_a_time,
    overflowing,
    pooled,
    quantized,
    reordered_tokens,
    traced,
    unknown_opset,
    with_autocast,
    with_class_token,
    with_colour,
    with_nan,
    without_package,
    wrong_folding,
)
from tests.support.tiny_networks import network

NAMES = "classes.txt"
FORMS_BY_NAME = {form.name: form.build for form in FORMS}


@dataclass(frozen=True)
class Refusal:
    """What leads to a message: settings, the factory of `python:mynet:build`, weights in `form`, and preparation.

    form: of `checkpoint_forms` or another one, written to the folder `runs`. names: the lines of the file `classes`.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    build: Build = network
    form: str | checkpoint_builders.Build = ""
    names: str = ""
    prepare: Callable[[pytest.MonkeyPatch], object] = lambda patch: None

    def arguments(self) -> dict[str, Any]:
        """Write the files into the working folder, and return the settings of the run."""
        found: dict[str, Any] = {"model": "python:mynet:build", **self.settings}
        if self.form:
            Path("runs").mkdir()
            build = FORMS_BY_NAME[self.form] if isinstance(self.form, str) else self.form
            found["weights"] = str(build(Path("runs"), checkpoint_builders.network()))
        if self.names:
            Path(NAMES).write_text(self.names)
            found["classes"] = Path(NAMES)
        return found


def _form(form: str | checkpoint_builders.Build) -> Refusal:
    return Refusal(form=form, build=checkpoint_builders.network)


SOURCES = [
    Refusal({"model": "resnet50"}),
    Refusal({"model": "torchvision:resnet51"}),
    Refusal({"model": "timm:resnet_50"}),
    Refusal({"model": "cam:resnet-gap"}),
    Refusal({"model": "demo"}, prepare=without_package("efficientnet_lite_pytorch")),
    Refusal({"model": "timm:resnet18"}, prepare=without_package("timm")),
    Refusal({"model": "hf:microsoft/resnet-50"}, prepare=without_package("transformers")),
    Refusal({"model": "torchvision:resnet18"}, prepare=offline),
    Refusal({"model": "timm:local-dir:mynet"}),
    Refusal({"model": "hf:./mynet"}),
    Refusal({"model": "python:mynet"}),
    Refusal({"model": "python:mynets:build"}),
    Refusal(build=lambda: network().state_dict()),
    Refusal({"device": "mps"}),
    Refusal({"models": ({"model": "torchvision:resnet18", "weights": "random"},) * 2}),
    Refusal({"models": ({"model": "python:mynet:build"}, {"model": "torchvision:resnet18", "weights": "random"})}),
]
WEIGHTS = [
    Refusal({"model": "torchvision:resnet18", "weights": "IMAGENET1K_V2"}),
    Refusal({"weights": "random"}),
    Refusal({"model": "demo", "weights": "random"}),
    Refusal({"model": "cam:vgg16-gap"}),
    Refusal({"weights": "best.pth"}),
    *map(_form, ("one layer less", "other number of classes", "quantized weights", "pickled module")),
    *map(_form, ("pickle protocol 5", "TorchScript", "exported program", "ONNX", "HDF5", "TensorFlow Lite", "Keras")),
    *map(_form, ("pickle of scikit-learn", "pickle of arrays", "text", "list", "optimizer")),
    *map(_form, ("Git LFS pointer", "HTML page", "empty file", "truncated torch file", "truncated safetensors")),
    *map(_form, ("gzip", "zip", "folder without weights", "folder with two files", "distributed checkpoint")),
    _form("index without one of its files"),
    _form(checkpoint_builders.beside(History([0.5]))),
]
FEATURE_MAPS = [
    Refusal(build=my_net(class_token, attention=nn.MultiheadAttention(16, 2, batch_first=True))),
    Refusal(
        {"layer": "last"},
        my_net(with_class_token, attention=nn.MultiheadAttention(16, 2, batch_first=True), last=nn.Linear(16, 16)),
    ),
    Refusal(build=lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 224 * 224, 3))),
    Refusal({"layer": "features.7"}, my_net(pooled)),
    Refusal({"layer": "norm"}, my_net(reordered_tokens, norm=nn.LayerNorm(16))),
    Refusal({"layer": "features"}, my_net(with_colour)),
    Refusal({"head": "hidden"}, my_net(pooled, hidden=nn.Linear(16, 16))),
    Refusal({"layers": ("features.9",)}, my_net(pooled)),
    Refusal(build=my_net(dependent_on_values)),
    Refusal(build=my_net(with_autocast)),
    Refusal(build=my_net(changed_in_part)),
    Refusal(build=lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3))),
    Refusal(build=my_net(one_image_at_a_time)),
    Refusal(build=traced),
    Refusal(build=quantized),
    Refusal(build=my_net(changed_under_two_names)),
    Refusal({"precision": "bf16"}, prepare=wrong_folding),
    Refusal({"runtime": "onnxruntime"}, prepare=unknown_opset),
    Refusal({"runtime": "onnxruntime"}, prepare=damaged_graph),
]
OUTPUTS = [
    Refusal(build=ending_with(classes=1)),
    Refusal(build=ending_with(nn.Softmax(1))),
    Refusal(build=ending_with(nn.Sigmoid())),
    Refusal({"outputs": "binary"}, ending_with(classes=2)),
    Refusal({"outputs": "binary"}, ending_with(nn.Sigmoid(), classes=1)),
    Refusal({"outputs": "probabilities"}, ending_with(nn.Sigmoid(), classes=1)),
    Refusal({"outputs": "probabilities"}),
    Refusal(build=lambda: network()[:6]),
    Refusal(names="blue\ngreen\n"),
    Refusal(build=with_nan),
    Refusal(build=overflowing),
    Refusal({"outputs": "multilabel"}, ending_with(nn.Softmax(1))),
    Refusal(
        {"outputs": "multilabel"},
        classifier(
            linear_head=None,
            head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3), nn.Sigmoid()),
        ),
    ),
    Refusal({"outputs": "probabilities"}, of_transformers("multi_label_classification")),
    Refusal({"outputs": "multilabel", "head": "gap"}),
    Refusal({"outputs": "multilabel", "live": True}),
    Refusal({"models": ({"model_name": "a", "outputs": "multilabel"}, {"model_name": "b"})}),
    Refusal(build=of_transformers("regression")),
]
PREPROCESSING = [
    Refusal(build=carrying(pretrained_cfg={"crop_mode": "border", "crop_pct": 0.9})),
    Refusal(build=carrying(pretrained_cfg={"input_size": "large"})),
    Refusal(build=carrying(pretrained_cfg={"interpolation": "random"})),
    Refusal(build=carrying(image_processor=MyImageProcessor(do_pad=True))),
    Refusal(build=carrying(image_processor=MyImageProcessor(do_resize=True, size={"longest_edge": 512}))),
    Refusal({"channels": 1, "mean": (0.5, 0.5, 0.5)}),
]
OWN_CLASSIFIER = [
    Refusal(build=classifier(), form="safetensors"),
    Refusal({"layer": "features"}, classifier()),
    Refusal({"outputs": "binary"}, classifier()),
    Refusal({"input_size": (32, 32)}, classifier()),
    Refusal(build=classifier(head=nn.Linear(7, 3))),
    Refusal(build=classifier(feature_shape=(16, 9, 9))),
    Refusal(build=classifier(trunk=Detached())),
    Refusal({"map_function": "mymaps:maps"}),
    Refusal({"map_function": "python:nowhere:maps"}),
    Refusal({"map_function": "python:mymaps:failing"}),
    Refusal({"map_function": "python:mymaps:one_map"}),
]
REFUSALS = [*SOURCES, *WEIGHTS, *FEATURE_MAPS, *OUTPUTS, *PREPROCESSING, *OWN_CLASSIFIER]
