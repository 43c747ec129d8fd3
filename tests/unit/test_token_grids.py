"""Tokens and channels-last values become feature maps where they keep their positions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reportgen.errors import ModelError
from reportgen.methods.activation_maps import activation_maps
from reportgen.models.classifier import Preprocessing
from reportgen.models.from_module import classifier_from_module

CHANNELS, PATCH, ROWS, COLUMNS = 16, 4, 6, 9
SIZE = (PATCH * ROWS, PATCH * COLUMNS)


class Block(nn.Module):
    """Attention and a layer for each token, with residuals."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(CHANNELS), nn.LayerNorm(CHANNELS)
        self.qkv, self.mlp = nn.Linear(CHANNELS, 3 * CHANNELS), nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).chunk(3, -1)
        x = x + torch.softmax(q @ k.transpose(-2, -1) / CHANNELS**0.5, -1) @ v
        return x + self.mlp(self.norm2(x)).relu()


class Transformer(nn.Module):
    """A vision transformer written by hand. pooling: of its tokens at the end."""

    def __init__(self, pooling: str = "mean", shuffled: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.pooling = pooling
        self.patches = nn.Conv2d(3, CHANNELS, PATCH, PATCH)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm, self.fc = nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, 5)
        self.token = nn.Parameter(torch.randn(1, 1, CHANNELS))
        order = torch.randperm(ROWS * COLUMNS) if shuffled else torch.arange(ROWS * COLUMNS)
        self.register_buffer("order", order)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)[:, self.order]
        if self.pooling == "token":
            tokens = torch.cat((self.token.expand(len(x), -1, -1), tokens), 1)
        tokens = self.norm(self.blocks(tokens))
        return self.fc(tokens[:, 0] if self.pooling == "token" else tokens.mean(1))


class ChannelsLast(nn.Module):
    """As the last stage of Swin or FocalNet: positions stay in two axes, channels last."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.norm = nn.Conv2d(3, CHANNELS, PATCH, PATCH), nn.LayerNorm(CHANNELS)
        self.mix, self.fc = nn.Linear(COLUMNS, COLUMNS), nn.Linear(CHANNELS, 5)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.patches(x).permute(0, 2, 3, 1)
        maps = maps + self.mix(maps.transpose(2, 3)).transpose(2, 3)
        return self.fc(self.norm(maps).mean((1, 2)))


@pytest.mark.parametrize("make", [Transformer, ChannelsLast])
def test_positions_of_tokens_become_those_of_feature_maps(make: type[nn.Module]) -> None:
    network = make().eval()
    classifier = classifier_from_module(network, "network", None, Preprocessing(size=SIZE))
    assert (classifier.method, classifier.feature_shape) == ("cam", (CHANNELS, ROWS, COLUMNS))
    images = torch.randn(3, 3, *SIZE)
    recorded = []
    network.norm.register_forward_hook(lambda module, inputs, output: recorded.append(output))
    with torch.inference_mode():
        maps = classifier.trunk(images)
        logits = network(images)
        torch.testing.assert_close(classifier.head(maps), logits)
        cams = activation_maps(classifier, images, maps, torch.arange(5).expand(3, 5))
        expected = recorded[0].reshape(3, ROWS, COLUMNS, CHANNELS) @ network.fc.weight.T
    torch.testing.assert_close(cams, expected.permute(0, 3, 1, 2))
    torch.testing.assert_close(cams.mean((2, 3)) + network.fc.bias, logits)
    assert classifier.feature_layer == "norm"


@pytest.mark.parametrize("pooling", ["mean", "token"])
def test_tokens_in_another_order_are_refused(pooling: str) -> None:
    network = Transformer(pooling, shuffled=True)
    with pytest.raises(ModelError, match="after `patches`, `getitem` mixes positions") as caught:
        classifier_from_module(network, "network", None, Preprocessing(size=SIZE))
    assert (
        caught.value.hint
        == "give maps of your own, with `--map-function` and `--layer patches`, or audit another network"
    )


def test_tokens_in_another_order_are_refused_by_name_too() -> None:
    with pytest.raises(ModelError, match=r"tokens of layer `blocks\.0` are not in the order of the image"):
        classifier_from_module(Transformer(shuffled=True), "network", None, Preprocessing(size=SIZE), "blocks.0")
    taken = classifier_from_module(Transformer(), "network", None, Preprocessing(size=SIZE), "blocks.0")
    assert (taken.method, taken.feature_shape) == ("grad-cam", (CHANNELS, ROWS, COLUMNS))
