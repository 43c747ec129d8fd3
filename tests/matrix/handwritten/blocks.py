"""Blocks and layers, written by hand, before a head of average pooling and one linear layer."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from tests.matrix.handwritten.written import (
    CHANNELS,
    Build,
    conv,
    from_image,
    head,
    parameter,
    with_block,
)


def _squeeze_excite(net: Any, x: Tensor) -> Tensor:
    b, c, _, _ = x.size()
    gate = net.up(F.relu(net.down(x.mean((2, 3))))).sigmoid().view(b, c, 1, 1)
    return x * gate.expand_as(x)


def _cbam(net: Any, x: Tensor) -> Tensor:
    x = x * torch.sigmoid(net.mlp(F.adaptive_avg_pool2d(x, 1)) + net.mlp(F.adaptive_max_pool2d(x, 1)))
    both = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
    return x * torch.sigmoid(net.spatial(both))


def _efficient_channel_attention(net: Any, x: Tensor) -> Tensor:
    y = net.conv(x.mean((2, 3), keepdim=True).squeeze(-1).transpose(-1, -2))
    return x * y.transpose(-1, -2).unsqueeze(-1).sigmoid()


def _u_net(net: Any, x: Tensor) -> Tensor:
    below = F.relu(net.down(x))
    up = net.up(below)
    return net.merge(torch.cat([x, up], dim=1))


def _feature_pyramid(net: Any, x: Tensor) -> Tensor:
    below = F.relu(net.down(x))
    return net.lateral(x) + F.interpolate(below, size=x.shape[-2:], mode="nearest")


def _atrous_pyramid(net: Any, x: Tensor) -> Tensor:
    whole = F.interpolate(net.whole(F.adaptive_avg_pool2d(x, 1)), size=x.size()[2:], mode="bilinear")
    return torch.cat([F.relu(branch(x)) for branch in net.branches] + [whole], 1)


def _dense(net: Any, x: Tensor) -> Tensor:
    features = [x]
    for layer in net.layers:
        features.append(F.relu(layer(torch.cat(features, 1))))
    return torch.cat(features, 1)


def _channel_shuffle(net: Any, x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    x = x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, -1, h, w)
    return net.conv(x)


def _space_to_depth(net: Any, x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    x = x.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return net.conv(x.reshape(b, c * 4, h // 2, w // 2))


def _layer_norm_channels_last(net: Any, x: Tensor) -> Tensor:
    return net.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _layer_norm_by_hand(net: Any, x: Tensor) -> Tensor:
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).pow(2).mean(1, keepdim=True)
    return net.weight[:, None, None] * ((x - mean) / torch.sqrt(variance + 1e-6))


def _conv_next_block(net: Any, x: Tensor) -> Tensor:
    y = net.depthwise(x).permute(0, 2, 3, 1)
    y = net.gamma * net.second(F.gelu(net.first(net.norm(y))))
    return x + y.permute(0, 3, 1, 2)


def _standardized_weights(net: Any, x: Tensor) -> Tensor:
    weight = net.conv.weight
    weight = (weight - weight.mean((1, 2, 3), keepdim=True)) / (weight.std((1, 2, 3), keepdim=True) + 1e-5)
    return F.conv2d(x, weight, net.conv.bias, padding=1)


def _coordinates(net: Any, x: Tensor) -> Tensor:
    b, _, h, w = x.shape
    ys = torch.linspace(-1, 1, h).view(1, 1, h, 1).expand(b, 1, h, w)
    xs = torch.linspace(-1, 1, w).view(1, 1, 1, w).expand(b, 1, h, w)
    return net.conv(torch.cat([x, ys, xs], 1))


def _non_local(net: Any, x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    q, k, v = (layer(x).view(b, -1, h * w) for layer in (net.q, net.k, net.v))
    return x + (v @ torch.softmax(q.transpose(1, 2) @ k, -1).transpose(1, 2)).view(b, c, h, w)


def _soft_residual(net: Any, x: Tensor) -> Tensor:
    gate = torch.sigmoid(net.gate(x))
    return gate * net.conv(x) + (1 - gate) * x


def _in_place_sum(net: Any, x: Tensor) -> Tensor:
    out = net.conv(x)
    out += x
    return F.relu(out, inplace=True)


def _by_index(net: Any, x: Tensor) -> Tensor:
    for i in range(len(net.layers)):
        x = x + net.scales[i] * net.layers[i](x)
    return x


def _by_name(net: Any, x: Tensor) -> Tensor:
    for name in ("a", "b"):
        x = net.layers[name](x)
    return x


def _mixed_operations(net: Any, x: Tensor) -> Tensor:
    weights = net.alpha.softmax(0)
    return sum(w * operation(x) for w, operation in zip(weights, net.operations, strict=True))


def _fourier(net: Any, x: Tensor) -> Tensor:
    spectrum = torch.fft.rfft2(x, norm="ortho") * torch.view_as_complex(net.filter)
    return torch.fft.irfft2(spectrum, s=x.shape[-2:], norm="ortho")


def _unpool(net: Any, x: Tensor) -> Tensor:
    pooled, where = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(net.conv(pooled), where, 2)


def _two_scales(net: Any, x: Tensor) -> Tensor:
    small = net.stem(F.avg_pool2d(x, 2))
    return head(net, net.stem(x) + F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False))


def _blur(net: Any, x: Tensor) -> Tensor:
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), net.kernel, stride=2, groups=x.shape[1])


def _blur_kernel() -> Tensor:
    row = torch.tensor([1.0, 2.0, 1.0]) / 4
    return (row[:, None] * row).expand(CHANNELS, 1, 3, 3).clone()


def _convs(*inputs: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(n, CHANNELS, 3, padding=1) for n in inputs)


def _applied(make: Any) -> Build:
    """One layer after the stem."""
    return with_block(lambda net, x: net.layer(x), layer=make)


TAKEN: dict[str, Build] = {
    "squeeze and excitation": with_block(
        _squeeze_excite, down=lambda: nn.Linear(CHANNELS, 4), up=lambda: nn.Linear(4, CHANNELS)
    ),
    "CBAM": with_block(_cbam, mlp=conv(kernel=1), spatial=conv(2, 1, 7)),
    "efficient channel attention": with_block(
        _efficient_channel_attention, conv=lambda: nn.Conv1d(1, 1, 3, padding=1, bias=False)
    ),
    "residual, in place": with_block(_in_place_sum, conv=conv()),
    "highway gate": with_block(_soft_residual, conv=conv(), gate=conv()),
    "dilated convolution": _applied(conv(dilation=2, padding=2)),
    "grouped convolution": _applied(conv(groups=3)),
    "depthwise separable convolution": _applied(lambda: nn.Sequential(conv(groups=CHANNELS)(), conv(kernel=1)())),
    "transposed convolution": _applied(lambda: nn.ConvTranspose2d(CHANNELS, CHANNELS, 2, 2)),
    "rectangular kernels": _applied(
        lambda: nn.Sequential(
            nn.Conv2d(CHANNELS, CHANNELS, (1, 7), padding=(0, 3)), nn.Conv2d(CHANNELS, CHANNELS, (7, 1), padding=(3, 0))
        )
    ),
    "padding same": _applied(conv(kernel=4, padding="same")),
    "padding reflect": _applied(conv(padding_mode="reflect")),
    "padding circular": _applied(conv(padding_mode="circular")),
    "padding replicate": _applied(conv(padding_mode="replicate")),
    "uneven padding": with_block(lambda net, x: net.conv(F.pad(x, (0, 1, 0, 1))), conv=conv(padding=0, stride=2)),
    "pooling with ceil_mode": _applied(lambda: nn.MaxPool2d(3, 2, ceil_mode=True)),
    "pooling with indices, unpooled": with_block(_unpool, conv=conv()),
    "blur pooling": with_block(_blur, kernel=_blur_kernel),
    "U-Net": with_block(
        _u_net, 12, down=conv(stride=2), up=lambda: nn.ConvTranspose2d(CHANNELS, CHANNELS, 2, 2), merge=conv(24)
    ),
    "feature pyramid": with_block(_feature_pyramid, down=conv(stride=2), lateral=conv(kernel=1)),
    "atrous spatial pyramid": with_block(
        _atrous_pyramid,
        36,
        branches=lambda: nn.ModuleList([conv(dilation=r, padding=r)() for r in (1, 3)]),
        whole=conv(kernel=1),
    ),
    "dense connections": with_block(_dense, 36, layers=lambda: _convs(12, 24)),
    "channel shuffle": with_block(_channel_shuffle, conv=conv(groups=2)),
    "space to depth by hand": with_block(_space_to_depth, conv=conv(4 * CHANNELS)),
    "PixelUnshuffle": with_block(
        lambda net, x: net.conv(net.shuffle(x)), conv=conv(4 * CHANNELS), shuffle=lambda: nn.PixelUnshuffle(2)
    ),
    "PixelShuffle": with_block(lambda net, x: net.shuffle(x), 3, shuffle=lambda: nn.PixelShuffle(2)),
    "weight normalization": _applied(lambda: parametrizations.weight_norm(conv()())),
    "spectral normalization": _applied(lambda: parametrizations.spectral_norm(conv()())),
    "weight normalization, old": _applied(lambda: nn.utils.weight_norm(conv()())),
    "standardized weights": with_block(_standardized_weights, conv=conv()),
    "convolution of own parameters": with_block(
        lambda net, x: F.conv2d(x, net.weight, net.bias, 1, 1), weight=parameter(12, 12, 3, 3), bias=parameter(12)
    ),
    "ParameterList and ModuleList": with_block(
        _by_index,
        layers=lambda: _convs(12, 12),
        scales=lambda: nn.ParameterList([nn.Parameter(torch.rand(CHANNELS, 1, 1)) for _ in range(2)]),
    ),
    "ModuleDict": with_block(_by_name, layers=lambda: nn.ModuleDict({"a": conv()(), "b": conv()()})),
    "mixed operations of a search": with_block(
        _mixed_operations,
        alpha=parameter(3),
        operations=lambda: nn.ModuleList([conv()(), nn.MaxPool2d(3, 1, 1), nn.Identity()]),
    ),
    "group normalization": _applied(lambda: nn.GroupNorm(3, CHANNELS)),
    "instance normalization": _applied(lambda: nn.InstanceNorm2d(CHANNELS, affine=True)),
    "layer normalization, channels last": with_block(_layer_norm_channels_last, norm=lambda: nn.LayerNorm(CHANNELS)),
    "layer normalization by hand": with_block(_layer_norm_by_hand, weight=parameter(CHANNELS)),
    "ConvNeXt block": with_block(
        _conv_next_block,
        depthwise=conv(kernel=7, groups=CHANNELS),
        norm=lambda: nn.LayerNorm(CHANNELS),
        first=lambda: nn.Linear(CHANNELS, 24),
        second=lambda: nn.Linear(24, CHANNELS),
        gamma=parameter(CHANNELS),
    ),
    "activations": _applied(
        lambda: nn.Sequential(nn.PReLU(CHANNELS), nn.GELU(), nn.Hardswish(), nn.Mish(), nn.ELU(), nn.Softplus())
    ),
    "maxout": with_block(lambda net, x: torch.maximum(*net.conv(x).chunk(2, 1)), conv=conv(out=24)),
    "coordinates": with_block(_coordinates, conv=conv(CHANNELS + 2)),
    "non-local block": with_block(_non_local, q=conv(out=4, kernel=1), k=conv(out=4, kernel=1), v=conv(kernel=1)),
    "Fourier filter": with_block(_fourier, filter=parameter(CHANNELS, 16, 9, 2)),
    "trunk used for two scales": from_image(_two_scales),
}
