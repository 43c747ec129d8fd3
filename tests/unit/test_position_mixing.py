"""Heads that mix positions before they pool them have no activation map; others do, whatever their layers are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from reportgen.errors import ModelError
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module

CHANNELS, SIDE = 8, 6


class Network(nn.Module):
    """Feature maps of 8 × 6 × 6, and a head that is given as a function."""

    def __init__(self, head: Callable[[Tensor], Tensor], *layers: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Conv2d(3, CHANNELS, 4, 4), nn.ReLU())
        self.head, self.layers = head, nn.ModuleList(layers)
        self.fc = nn.Linear(CHANNELS, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.head(self.trunk(x)))


def cut(network: nn.Module) -> Classifier:
    return classifier_from_module(network, "network", None, Preprocessing(size=4 * SIDE))


def tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def attention(maps: Tensor) -> Tensor:
    values = tokens(maps)
    weights = torch.softmax(values @ values.transpose(1, 2), -1)
    return (weights @ values).mean(1)


def transformer() -> nn.Module:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(CHANNELS, 2, 16, batch_first=True), 1)
    return Network(lambda maps: encoder(tokens(maps)).mean(1), encoder)


def mixer() -> nn.Module:
    mixing = nn.Linear(SIDE * SIDE, SIDE * SIDE)
    return Network(lambda maps: mixing(maps.flatten(2)).mean(2), mixing)


def recurrent() -> nn.Module:
    lstm = nn.LSTM(CHANNELS, CHANNELS, batch_first=True)
    return Network(lambda maps: lstm(tokens(maps))[0][:, -1], lstm)


def class_token() -> nn.Module:
    layer = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def head(maps: Tensor) -> Tensor:
        values = tokens(maps)
        values = torch.cat((values.mean(1, keepdim=True), values), 1)
        return layer(values, values, values)[0][:, 0]

    return Network(head, layer)


@pytest.mark.parametrize("make", [mixer, recurrent])
def test_network_whose_head_mixes_positions_is_refused(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ModelError, match="mixes positions") as caught:
        cut(make())
    assert "`trunk" in str(caught.value)
    assert caught.value.hint is not None
    assert "--map-function" in caught.value.hint


def test_network_that_reads_its_maps_with_a_class_token_is_cut_before_it() -> None:
    network = class_token()
    classifier = cut(network)
    assert (classifier.method, classifier.feature_layer) == ("grad-cam", "trunk")
    assert classifier.trunk(torch.randn(2, 3, 4 * SIDE, 4 * SIDE)).shape == (2, CHANNELS, SIDE, SIDE)


@pytest.mark.parametrize("make", [lambda: Network(attention), transformer])
def test_network_that_pools_its_tokens_is_cut_after_what_mixes_them(make: Callable[[], nn.Module]) -> None:
    classifier = cut(make())
    assert classifier.method == "cam"
    assert classifier.feature_layer != "trunk"


def pooled_convolution() -> nn.Module:
    layer = nn.Conv2d(CHANNELS, CHANNELS, 1)
    return Network(lambda maps: layer(maps.mean((2, 3), keepdim=True)).flatten(1), layer)


def each_token() -> nn.Module:
    layers = nn.Sequential(nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, SIDE * SIDE), nn.GELU())
    last = nn.Linear(SIDE * SIDE, CHANNELS)
    return Network(lambda maps: last(layers(tokens(maps))).amax(1), layers, last)


def flattened() -> nn.Module:
    layers = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(CHANNELS * 9, CHANNELS), nn.ReLU())
    return Network(lambda maps: layers(maps), layers)


def squared_pooling() -> nn.Module:
    """Pooling weighted by the maps themselves, which carries nothing from one position to another before it."""
    return Network(lambda maps: (maps * maps).sum((2, 3)) / maps.sum((2, 3)).clamp(1e-3))


@pytest.mark.parametrize("make", [pooled_convolution, each_token, flattened, squared_pooling])
def test_network_whose_head_pools_each_position_by_itself_is_taken(make: Callable[[], nn.Module]) -> None:
    network = make().eval()
    classifier = cut(network)
    assert classifier.feature_shape == (CHANNELS, SIDE, SIDE)
    images = torch.randn(3, 3, 4 * SIDE, 4 * SIDE)
    with torch.inference_mode():
        torch.testing.assert_close(classifier.head(classifier.trunk(images)), network(images))


def test_pooled_channels_are_no_positions_where_there_are_as_many() -> None:
    """Of ResNet-20 for CIFAR-10, 64 channels of 8 × 8 positions."""
    network = nn.Sequential(nn.Conv2d(3, SIDE**2, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(SIDE**2, 5))
    assert cut(network).feature_shape == (SIDE**2, SIDE, SIDE)


def test_positions_are_not_confused_with_as_many_channels() -> None:
    """36 channels and 36 positions: only one of the readings of a shape has to be free of mixing."""
    layer = nn.Conv1d(SIDE * SIDE, CHANNELS, 1)
    widen = nn.Conv1d(CHANNELS, SIDE * SIDE, 1)
    network = Network(lambda maps: layer(torch.relu(widen(maps.flatten(2)))).mean(2), layer, widen)
    assert cut(network).method == "grad-cam"
