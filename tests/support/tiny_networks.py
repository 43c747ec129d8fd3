"""Networks of a few layers with random weights."""

from __future__ import annotations

import torch
from torch import nn

from tests.support.square_images import COLOURS

TINY_NETWORK = "python:tests.support.tiny_networks:network"
"""The setting `model` of `network`."""


def network(seed: int = 0, classes: int = len(COLOURS)) -> nn.Module:
    """Three convolutions, global average pooling, one linear layer; random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
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


def other_network() -> nn.Module:
    """The same layers with other weights."""
    return network(seed=1)


def four_classes() -> nn.Module:
    """A network of one class more."""
    return network(classes=4)


def thousand_classes() -> nn.Module:
    """A network of a thousand classes."""
    return network(classes=1000)
