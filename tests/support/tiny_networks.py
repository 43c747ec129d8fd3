"""Networks of a few layers with random weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.support.square_images import COLOURS

TINY_NETWORK = "python:tests.support.tiny_networks:network"
"""The setting `model` of `network`."""
SIDE = 112
"""Width and height of the input that these networks state. Their feature maps are 7 × 7."""


def with_input_size(module: nn.Module) -> nn.Module:
    """Let a module state its preprocessing, as timm's do: that of torchvision, with an input of `SIDE` pixels."""
    module.default_cfg = {"input_size": (3, SIDE, SIDE), "interpolation": "bilinear"}
    return module


def network(seed: int = 0, classes: int = len(COLOURS)) -> nn.Module:
    """Three convolutions, global average pooling, one linear layer; random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(
            nn.Conv2d(3, 8, 5, 4, 2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, classes),
        )
    return with_input_size(module)


def other_network() -> nn.Module:
    """The same layers with other weights."""
    return network(seed=1)


def hidden_layer() -> nn.Module:
    """The same trunk with a hidden layer in its head, so that activation maps need a gradient."""
    *trunk, last = network()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hidden = nn.Linear(last.in_features, 8)
        return with_input_size(nn.Sequential(*trunk, hidden, nn.ReLU(), nn.Linear(8, last.out_features)))


def four_classes() -> nn.Module:
    """A network of one class more."""
    return network(classes=4)


def thousand_classes() -> nn.Module:
    """A network of a thousand classes."""
    return network(classes=1000)


def register_in_torchvision(monkeypatch: pytest.MonkeyPatch) -> str:
    """Add `network` to torchvision's classifiers, in this process, and return the setting `model` that names it.

    Its published weights have the file names of ResNet-18's.
    """
    import torchvision
    from torchvision.models import _api

    def tiny(*, weights: torchvision.models.ResNet18_Weights | None = None, num_classes: int = 1000) -> nn.Module:
        module = network(torch.initial_seed(), num_classes)
        if weights is not None:
            module.load_state_dict(weights.get_state_dict(check_hash=False))
        return module

    tiny.__annotations__["weights"] = torchvision.models.ResNet18_Weights
    tiny.__module__ = "torchvision.models.tiny"
    monkeypatch.setitem(_api.BUILTIN_MODELS, "tiny", tiny)
    return "torchvision:tiny"
