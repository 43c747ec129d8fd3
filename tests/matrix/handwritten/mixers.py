"""Networks, written by hand, with layers that carry values from one position to another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.matrix.handwritten.written import CHANNELS, Build, fc, from_image, parameter


def _tokens(net: Any, x: Tensor) -> Tensor:
    """`(N, 256, C)`."""
    return net.stem(x).flatten(2).transpose(1, 2)


def _sequence(net: Any, x: Tensor) -> Tensor:
    """`(256, N, C)`."""
    return net.stem(x).flatten(2).permute(2, 0, 1)


def _vision_transformer(net: Any, x: Tensor) -> Tensor:
    tokens = torch.cat([net.token.expand(x.shape[0], -1, -1), _tokens(net, x)], 1) + net.position
    q, k, v = net.qkv(tokens).chunk(3, -1)
    attention = (q @ k.transpose(-2, -1) / CHANNELS**0.5).softmax(-1)
    return net.fc((tokens + attention @ v)[:, 0])


def _mixer(net: Any, x: Tensor) -> Tensor:
    tokens = _tokens(net, x)
    tokens = tokens + net.mix(tokens.transpose(1, 2)).transpose(1, 2)
    return net.fc(tokens.mean(1))


def _encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(CHANNELS, 2, 24, batch_first=True)


TAKEN: dict[str, Build] = {
    "vision transformer": from_image(
        _vision_transformer,
        token=parameter(1, 1, CHANNELS),
        position=parameter(1, 257, CHANNELS),
        qkv=lambda: nn.Linear(CHANNELS, 3 * CHANNELS),
    ),
    "vision transformer, batch second": from_image(
        lambda net, x: net.fc(net.encoder(torch.cat([net.token.expand(-1, len(x), -1), _sequence(net, x)]))[0]),
        token=parameter(1, 1, CHANNELS),
        encoder=lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(CHANNELS, 2, 24), 2, enable_nested_tensor=False
        ),
    ),
}
REFUSED: dict[str, tuple[Build, str]] = {
    "LSTM head": (
        from_image(
            lambda net, x: net.fc(net.lstm(_tokens(net, x))[0][:, -1]),
            lstm=lambda: nn.LSTM(CHANNELS, CHANNELS, batch_first=True),
        ),
        "a recurrent layer across positions",
    ),
    "tokens from the first layer on": (
        lambda: nn.Sequential(nn.Flatten(2), nn.Linear(4096, 16), nn.Flatten(), fc(48)),
        "no feature maps",
    ),
}

EITHER: dict[str, Build] = {
    "MLP mixer, then average": from_image(_mixer, mix=lambda: nn.Linear(256, 256)),
    "GRU over rows": from_image(
        lambda net, x: net.fc(net.gru(net.stem(x).mean(3).permute(0, 2, 1))[1][-1]),
        gru=lambda: nn.GRU(CHANNELS, CHANNELS, batch_first=True),
    ),
    "TransformerEncoder, then average": from_image(
        lambda net, x: net.fc(net.encoder(_tokens(net, x)).mean(1)),
        encoder=lambda: nn.TransformerEncoder(_encoder_layer(), 1),
    ),
    "MultiheadAttention, then average": from_image(
        lambda net, x: net.fc(net.attention(*[_tokens(net, x)] * 3)[0].mean(1)),
        attention=lambda: nn.MultiheadAttention(CHANNELS, 2, batch_first=True),
    ),
}
