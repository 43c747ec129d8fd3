"""A network whose `forward` is written as a function, and parts that most of the networks have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Build = Callable[[], nn.Module]
Parts = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
CLASSES, CHANNELS = 5, 12


class Written(nn.Module):
    """Modules, parameters and buffers by name, and `forward(network, x)`."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], parts: Mapping[str, Any]) -> None:
        super().__init__()
        self.written = forward
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.written(self, x)


def stem(channels: int = CHANNELS, image: int = 3) -> nn.Sequential:
    """`(N, image, H, W)` → `(N, channels, H / 4, W / 4)`, with batch normalization."""
    return nn.Sequential(
        nn.Conv2d(image, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, channels, 3, 2, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def fc(channels: int = CHANNELS) -> nn.Linear:
    """The last layer."""
    return nn.Linear(channels, CLASSES)


def with_stem(forward: Callable[[Any, Tensor], Any], **parts: Callable[[], Any]) -> Build:
    """A network with the parts `stem`, `fc` and others, each made when the network is. forward: `(network, maps)`."""
    made = {"fc": fc, **parts}
    return lambda: Written(lambda net, x: forward(net, net.stem(x)), {"stem": stem(), **_made(made)})


def with_block(forward: Callable[[Any, Tensor], Any], channels: int = CHANNELS, **parts: Callable[[], Any]) -> Build:
    """A network with a block between its stem and a head of average pooling and one linear layer.

    forward: `(network, maps)` → maps of that many channels.
    """
    return lambda: Written(
        lambda net, x: net.fc(forward(net, net.stem(x)).mean((2, 3))),
        {"stem": stem(), "fc": fc(channels), **_made(parts)},
    )


def from_image(forward: Callable[[Any, Tensor], Any], **parts: Callable[[], Any]) -> Build:
    """A network with the parts `stem`, `fc` and others. forward: `(network, image)`."""
    made = {"stem": stem, "fc": fc, **parts}
    return lambda: Written(forward, _made(made))


def head(net: Any, maps: Tensor) -> Tensor:
    """Average pooling and the linear layer."""
    logits: Tensor = net.fc(maps.mean((2, 3)))
    return logits


def conv(channels: int = CHANNELS, out: int = CHANNELS, kernel: int = 3, **options: Any) -> Callable[[], nn.Conv2d]:
    """A convolution that keeps the size, unless the options change it."""
    return lambda: nn.Conv2d(channels, out, kernel, **{"padding": kernel // 2, **options})


def parameter(*shape: int) -> Callable[[], nn.Parameter]:
    """A parameter of normal values with deviation 0.3."""
    return lambda: nn.Parameter(torch.randn(*shape) * 0.3)


def _made(parts: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    return {name: make() for name, make in parts.items()}
