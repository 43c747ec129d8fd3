"""Factories of networks that are refused, and what else leads to a refusal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn

from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module
from tests.support.square_images import COLOURS
from tests.support.tiny_networks import network

Build = Callable[[], object]


class MyNet(nn.Module):
    """Feature maps of 16 channels, other parts, and a `forward` that is written as a function."""

    def __init__(self, written: Callable[[Any, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.features, self.fc, self.written = network()[:6], nn.Linear(16, len(COLOURS)), written
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.written(self, x)


def my_net(written: Callable[[Any, Tensor], Any], **parts: nn.Module) -> Build:
    return lambda: MyNet(written, **parts)


def ending_with(*layers: nn.Module, classes: int = len(COLOURS)) -> Build:
    return lambda: nn.Sequential(*network(classes=classes), *layers)


def pooled(net: Any, x: Tensor) -> Tensor:
    """Global average pooling and a linear layer."""
    logits: Tensor = net.fc(net.features(x).mean((2, 3)))
    return logits


def dependent_on_values(net: Any, x: Tensor) -> Tensor:
    logits = pooled(net, x)
    return logits if logits.sum().item() > 0 else -logits


def with_autocast(net: Any, x: Tensor) -> Tensor:
    with torch.autocast("cpu"):
        return pooled(net, x)


def changed_under_two_names(net: Any, x: Tensor) -> Tensor:
    maps = net.features[0](x)
    same = maps
    same += 1
    for layer in list(net.features)[1:]:
        maps = layer(maps)
    logits: Tensor = net.fc(maps.mean((2, 3)))
    return logits


def one_image_at_a_time(net: Any, x: Tensor) -> Tensor:
    logits: Tensor = net.fc(net.features(x).mean((2, 3)).view(1, 16))
    return logits


def _tokens(net: Any, x: Tensor) -> Tensor:
    tokens: Tensor = net.features(x).flatten(2).transpose(1, 2)
    return tokens


def class_token(net: Any, x: Tensor) -> Tensor:
    tokens = _tokens(net, x)
    logits: Tensor = net.fc(net.attention(tokens, tokens, tokens)[0][:, 0])
    return logits


def with_class_token(net: Any, x: Tensor) -> Tensor:
    """The logits read the first of the tokens that leave the module `last`."""
    tokens = _tokens(net, x)
    tokens = torch.cat((tokens.mean(1, keepdim=True), tokens), 1)
    logits: Tensor = net.fc(net.last(tokens + net.attention(tokens, tokens, tokens)[0])[:, 0])
    return logits


def changed_in_part(net: Any, x: Tensor) -> Tensor:
    maps = torch.sigmoid(net.features(x))
    maps[:, :4].mul_(2)
    logits: Tensor = net.fc(maps.mean((2, 3)))
    return logits


def reordered_tokens(net: Any, x: Tensor) -> Tensor:
    logits: Tensor = net.fc(net.norm(_tokens(net, x).flip(1)).mean(1))
    return logits


def with_colour(net: Any, x: Tensor) -> Tensor:
    logits: Tensor = net.fc(net.features(x).mean((2, 3)) * x.mean((1, 2, 3))[:, None])
    return logits


def with_nan() -> nn.Module:
    module = network()
    nn.init.constant_(module[8].weight, torch.nan)  # type: ignore[arg-type]
    return module


def overflowing() -> nn.Module:
    """Its weights are finite, its logits are not."""
    module = network()
    nn.init.constant_(module[4].weight, 3e38)  # type: ignore[arg-type]
    return module


def traced() -> object:
    return torch.jit.trace(network().eval(), torch.zeros(1, 3, 64, 64))  # type: ignore[no-untyped-call]


def quantized() -> nn.Module:
    return nn.Sequential(*network(), torch.ao.nn.quantized.Linear(3, 3))


def of_transformers(problem: str) -> Build:
    """A network of Hugging Face whose configuration states this `problem_type`."""

    def build() -> nn.Module:
        import transformers

        sizes: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1]}
        labels = {"num_labels": 3, "problem_type": problem, "layer_type": "basic"}
        return transformers.ResNetForImageClassification(transformers.ResNetConfig(**sizes, **labels))

    return build


def carrying(**attributes: Any) -> Build:
    """A network with attributes, such as `pretrained_cfg`."""

    def build() -> nn.Module:
        module = nn.Sequential(*network())  # it states no preprocessing
        for name, value in attributes.items():
            setattr(module, name, value)
        return module

    return build


class MyImageProcessor:
    """An image processor as those of Hugging Face, with these settings."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def to_dict(self) -> dict[str, Any]:
        return self.settings


def classifier(**changes: Any) -> Build:
    """A user's own `Classifier`, changed."""

    def build() -> Classifier:
        made = classifier_from_module(network().eval(), "mynet", None, Preprocessing(size=64, resize_size=72))
        return replace(made, original=None, **changes)

    return build


class Detached(nn.Module):
    """A trunk through which no gradient passes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = network()[:6]

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.layers(x)
        return maps.detach()


class History(list[float]):
    """A list of a class of its own, whose items the reader of weights cannot set."""


def without_package(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setitem(sys.modules, name, None)


def offline(patch: pytest.MonkeyPatch) -> None:
    """Let the download of torchvision's weights fail."""

    def download(*arguments: object, **options: object) -> None:
        raise URLError("Temporary failure in name resolution")

    patch.setattr("torch.hub.download_url_to_file", download)
    patch.setenv("TORCH_HOME", "empty")


def unknown_opset(patch: pytest.MonkeyPatch) -> None:
    """Let the export fail: the opset is older than any that the exporter knows."""
    patch.setattr("reportgen.models.onnx_export.OPSET", 3)


def damaged_graph(patch: pytest.MonkeyPatch) -> None:
    """Let ONNX Runtime get something else than a graph."""
    patch.setattr("reportgen.pipeline.forward.export_trunk", lambda *_: b"no graph")


def wrong_folding(patch: pytest.MonkeyPatch) -> None:
    """Let the forward pass be another one than the network's in the precision of the run."""
    from reportgen.pipeline.forward import ForwardPass

    original = ForwardPass.__call__

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        outputs = original(self, *arguments, **options)
        return {**outputs, "logits": outputs["logits"] * (1 if self.precision == "fp32" else 3)}

    patch.setattr(ForwardPass, "__call__", call)


def failing(classifier: Any, images: Tensor, classes: Tensor) -> Any:
    """A map function with an error."""
    return classifier.activation


def one_map(classifier: Any, images: Tensor, classes: Tensor) -> Any:
    """A map function that returns one map an image, not one a class."""
    return classifier.trunk(images).mean(1)
