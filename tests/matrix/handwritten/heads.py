"""The ways in which people write what follows the feature maps."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.matrix.handwritten.written import CHANNELS, CLASSES, Build, conv, fc, parameter, with_stem


class Output(NamedTuple):
    features: Tensor
    logits: Tensor


def _pyramid(net: Any, x: Tensor) -> Tensor:
    pooled = [F.adaptive_max_pool2d(x, side).flatten(1) for side in (1, 2, 4)]
    return net.fc(torch.cat(pooled, 1))


def _auxiliary(net: Any, x: Tensor) -> Any:
    logits = net.fc(x.mean((2, 3)))
    return (logits, net.aux(x.mean((2, 3)))) if net.training else logits


def _sum_over_area(net: Any, x: Tensor) -> Tensor:
    _, _, h, w = x.shape
    return net.fc(x.sum(dim=(-2, -1)) / (h * w))


def _gem(net: Any, x: Tensor) -> Tensor:
    return net.fc(F.avg_pool2d(x.clamp(min=1e-6).pow(net.p), (x.size(-2), x.size(-1))).pow(1.0 / net.p).flatten(1))


def _attention_pooling(net: Any, x: Tensor) -> Tensor:
    weights = net.score(x).flatten(2).softmax(-1)
    return net.fc((x.flatten(2) * weights).sum(-1))


def _cosine(net: Any, x: Tensor) -> Tensor:
    return F.linear(F.normalize(x.mean((2, 3))), F.normalize(net.weight)) * 10


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(CHANNELS * 256, 16), nn.ReLU(True), nn.Dropout(0.5), nn.Linear(16, CLASSES))


TAKEN: dict[str, Build] = {
    "mean over dimensions": with_stem(lambda net, x: net.fc(x.mean([2, 3]))),
    "mean twice": with_stem(lambda net, x: net.fc(x.mean(3).mean(2))),
    "mean over flattened positions": with_stem(lambda net, x: net.fc(x.view(x.size(0), x.size(1), -1).mean(-1))),
    "mean over flatten(2)": with_stem(lambda net, x: net.fc(x.flatten(2).mean(2))),
    "sum over area": with_stem(_sum_over_area),
    "AdaptiveAvgPool2d and view": with_stem(
        lambda net, x: net.fc(net.pool(x).view(x.size(0), -1)), pool=lambda: nn.AdaptiveAvgPool2d((1, 1))
    ),
    "AdaptiveAvgPool2d and reshape of shape[0]": with_stem(
        lambda net, x: net.fc(net.pool(x).reshape(x.shape[0], -1)), pool=lambda: nn.AdaptiveAvgPool2d(1)
    ),
    "adaptive_avg_pool2d and squeeze": with_stem(
        lambda net, x: net.fc(F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1))
    ),
    "avg_pool2d of shape[-1]": with_stem(lambda net, x: net.fc(F.avg_pool2d(x, x.shape[-1]).flatten(1))),
    "avg_pool2d of size()[2:]": with_stem(lambda net, x: net.fc(F.avg_pool2d(x, x.size()[2:]).view(len(x), -1))),
    "AvgPool2d of the map's side": with_stem(
        lambda net, x: net.fc(torch.flatten(net.pool(x), 1)), pool=lambda: nn.AvgPool2d(16)
    ),
    "maximum by amax": with_stem(lambda net, x: net.fc(x.amax((2, 3)))),
    "maximum twice": with_stem(lambda net, x: net.fc(x.max(3)[0].max(2)[0])),
    "maximum by AdaptiveMaxPool2d": with_stem(
        lambda net, x: net.fc(net.pool(x).flatten(1)), pool=lambda: nn.AdaptiveMaxPool2d(1)
    ),
    "maximum by max_pool2d": with_stem(lambda net, x: net.fc(F.max_pool2d(x, x.size()[2:]).flatten(1))),
    "average and maximum, concatenated": with_stem(
        lambda net, x: net.fc(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)), fc=lambda: fc(2 * CHANNELS)
    ),
    "average and maximum, added": with_stem(lambda net, x: net.fc(x.mean((2, 3)) + x.amax((2, 3)))),
    "generalized mean": with_stem(_gem, p=lambda: nn.Parameter(torch.tensor(3.0))),
    "log-sum-exp": with_stem(lambda net, x: net.fc(x.flatten(2).logsumexp(2))),
    "flatten and linear layer": with_stem(lambda net, x: net.fc(x.flatten(1)), fc=lambda: fc(CHANNELS * 256)),
    "flatten and two layers with dropout": with_stem(lambda net, x: net.fc(x.view(x.size(0), -1)), fc=_mlp),
    "1 × 1 convolution, then average": with_stem(lambda net, x: net.fc(x).mean((2, 3)), fc=conv(out=CLASSES, kernel=1)),
    "average, then 1 × 1 convolution": with_stem(
        lambda net, x: net.fc(F.adaptive_avg_pool2d(x, 1)).flatten(1), fc=conv(out=CLASSES, kernel=1)
    ),
    "spatial pyramid": with_stem(_pyramid, fc=lambda: fc(21 * CHANNELS)),
    "batch normalization after pooling": with_stem(
        lambda net, x: net.fc(net.norm(x.mean((2, 3)))), norm=lambda: nn.BatchNorm1d(CHANNELS)
    ),
    "layer normalization after pooling": with_stem(
        lambda net, x: net.fc(net.norm(x.mean((2, 3)))), norm=lambda: nn.LayerNorm(CHANNELS)
    ),
    "product with own weights": with_stem(
        lambda net, x: x.mean((2, 3)) @ net.weight.t() + net.bias,
        weight=parameter(CLASSES, CHANNELS),
        bias=parameter(CLASSES),
    ),
    "einsum": with_stem(
        lambda net, x: torch.einsum("nchw,kc->nk", x, net.weight) / (x.shape[2] * x.shape[3]),
        weight=parameter(CLASSES, CHANNELS),
    ),
    "cosine classifier": with_stem(_cosine, weight=parameter(CLASSES, CHANNELS)),
    "temperature": with_stem(lambda net, x: net.fc(x.mean((2, 3))) / net.t, t=lambda: nn.Parameter(torch.tensor(0.5))),
    "log-softmax": with_stem(lambda net, x: F.log_softmax(net.fc(x.mean((2, 3))), dim=1)),
    "auxiliary head in training": with_stem(_auxiliary, aux=fc),
    "two heads, tuple": with_stem(lambda net, x: (net.fc(x.mean((2, 3))), net.other(x.amax((2, 3)))), other=fc),
    "dictionary with features": with_stem(lambda net, x: {"features": x, "logits": net.fc(x.mean((2, 3)))}),
    "named tuple": with_stem(lambda net, x: Output(x, net.fc(x.mean((2, 3))))),
}

REFUSED: dict[str, tuple[Build, str]] = {
    "softmax": (with_stem(lambda net, x: net.fc(x.mean((2, 3))).softmax(1)), "probabilities"),
    "sigmoid": (with_stem(lambda net, x: net.fc(x.mean((2, 3))).sigmoid()), "probabilities of independent labels"),
    "map of logits": (
        with_stem(lambda net, x: net.fc(x), fc=conv(out=CLASSES, kernel=1)),
        "a segmentation has no row of logits",
    ),
    "no tensor": (with_stem(lambda net, x: {"text": "cat"}), "no logits"),
}

EITHER: dict[str, Build] = {
    "attention pooling": with_stem(_attention_pooling, score=conv(out=1, kernel=1)),
    "one output": with_stem(lambda net, x: net.fc(x.mean((2, 3))), fc=lambda: nn.Linear(CHANNELS, 1)),
    "one output without its dimension": with_stem(
        lambda net, x: net.fc(x.mean((2, 3))).squeeze(1), fc=lambda: nn.Linear(CHANNELS, 1)
    ),
    "one output with a sigmoid": with_stem(
        lambda net, x: torch.sigmoid(net.fc(x.mean((2, 3)))), fc=lambda: nn.Linear(CHANNELS, 1)
    ),
}
