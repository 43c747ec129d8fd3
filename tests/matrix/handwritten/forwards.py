"""What people do in Python around a network: statements in `forward`, wrappers, precisions, sizes."""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.matrix.handwritten.written import (
    CHANNELS,
    Build,
    Written,
    conv,
    fc,
    from_image,
    head,
    stem,
    with_block,
)


def _relu_as_statement(net: Any, x: Tensor) -> Tensor:
    x = net.conv(x)
    net.relu(x)
    return x * 0.5


def _grey_to_colour(net: Any, x: Tensor) -> Tensor:
    if x.shape[1] == 1:
        x = x.repeat(1, 3, 1, 1)
    if x.dim() == 3:
        x = x.unsqueeze(0)
    assert x.shape[-1] % 4 == 0, "the size must be a multiple of 4"
    return head(net, net.stem(x))


def _normalize_inside(net: Any, x: Tensor) -> Tensor:
    x = x - net.mean
    x /= net.deviation
    return head(net, net.stem(x))


def _checkpointed(net: Any, x: Tensor) -> Tensor:
    return head(net, checkpoint(net.block, net.stem(x), use_reentrant=False))


def _siamese(net: Any, x: Tensor) -> Tensor:
    left, right = net.stem(x[..., :32]), net.stem(x[..., 32:])
    return net.fc(torch.cat([left.mean((2, 3)), right.mean((2, 3))], 1))


def _flipped(net: Any, x: Tensor) -> Tensor:
    return (head(net, net.stem(x)) + head(net, net.stem(x.flip(-1)))) / 2


def _frozen(net: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        x = net.stem(x)
    return head(net, x)


def _image_by_image(net: Any, x: Tensor) -> Tensor:
    return torch.stack([head(net, net.stem(image[None]))[0] for image in x])


def _by_value(net: Any, x: Tensor) -> Tensor:
    return head(net, net.stem(x if x.mean() > 0 else -x))


def _where(net: Any, x: Tensor) -> Tensor:
    maps = net.stem(x)
    return head(net, torch.where(maps > 0.1, maps, torch.zeros_like(maps)))


def _item(net: Any, x: Tensor) -> Tensor:
    return head(net, net.stem(x) * x.abs().max().item())


def _numpy(net: Any, x: Tensor) -> Tensor:
    return head(net, net.stem(torch.from_numpy(x.detach().numpy())))


def _autocast(net: Any, x: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return head(net, net.stem(x))


def _masked(net: Any, x: Tensor) -> Tensor:
    maps = net.conv(x)
    maps[:, :, :2, :] = 0
    return maps


class WithOptions(nn.Module):
    """`forward` with arguments that have defaults, and a method for features, as in timm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fc = stem(), fc()

    def forward_features(self, x: Tensor) -> Tensor:
        return self.stem(x)

    def forward(self, x: Tensor, targets: Tensor | None = None, return_features: bool = False) -> Any:
        features = self.forward_features(x)
        logits = self.fc(features.mean((2, 3)))
        if targets is not None:
            return F.cross_entropy(logits, targets)
        return (logits, features) if return_features else logits


def plain(image: int = 3) -> nn.Sequential:
    """A stem with a head, as one `nn.Sequential`."""
    return nn.Sequential(stem(image=image), nn.AdaptiveAvgPool2d(1), nn.Flatten(), fc())


def _hooked() -> nn.Module:
    module = plain()
    module[0].register_forward_hook(lambda module, inputs, output: output * 2)
    return module


def _in_training() -> nn.Module:
    return plain().train()


def _scripted_part() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, but people have it
        return Written(
            lambda net, x: head(net, net.block(net.stem(x))),
            {"stem": stem(), "fc": fc(), "block": torch.jit.script(conv()())},
        )


def _compiled() -> nn.Module:
    compiled: Any = torch.compile(plain(), backend="eager")
    return compiled


def _dynamically_quantized() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but people have it
        return torch.ao.quantization.quantize_dynamic(plain(), {nn.Linear}, torch.qint8)


def _statically_quantized() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = [torch.ao.quantization.QuantStub(), *plain(), torch.ao.quantization.DeQuantStub()]
        module = nn.Sequential(*parts).eval()
        module.qconfig = torch.ao.quantization.default_qconfig
        torch.ao.quantization.prepare(module, inplace=True)
        module(torch.randn(2, 3, 64, 64))
        return torch.ao.quantization.convert(module)


def _with_nan() -> nn.Module:
    module = plain()
    with torch.no_grad():
        module[-1].weight[0, 0] = torch.nan
    return module


def _lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


def _cifar() -> nn.Module:
    def block(net: Any, x: Tensor) -> Tensor:
        return F.relu(net.norm2(net.conv2(F.relu(net.norm1(net.conv1(x))))) + net.shortcut(x))

    def made(inside: int, out: int, stride: int) -> nn.Module:
        parts = {
            "conv1": nn.Conv2d(inside, out, 3, stride, 1, bias=False), "norm1": nn.BatchNorm2d(out),
            "conv2": nn.Conv2d(out, out, 3, 1, 1, bias=False), "norm2": nn.BatchNorm2d(out),
            "shortcut": nn.Conv2d(inside, out, 1, stride),
        }  # fmt: skip
        return Written(block, parts)

    layers = [nn.Conv2d(3, 8, 3, 1, 1), made(8, 8, 1), made(8, 16, 2), made(16, 32, 2)]
    return nn.Sequential(*layers, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(32, 10))


TAKEN: dict[str, Build] = {
    "activation as a statement": with_block(_relu_as_statement, conv=conv(), relu=lambda: nn.ReLU(inplace=True)),
    "questions about shapes": from_image(_grey_to_colour),
    "normalization inside": from_image(
        _normalize_inside, mean=lambda: torch.rand(1, 3, 1, 1), deviation=lambda: torch.rand(3, 1, 1) + 0.5
    ),
    "checkpointing": from_image(_checkpointed, block=conv()),
    "frozen trunk under no_grad": from_image(_frozen),
    "torch.where": from_image(_where),
    "assignment to a part": with_block(_masked, conv=conv()),
    "arguments with defaults": WithOptions,
    "wrapped twice": lambda: nn.Sequential(nn.Sequential(plain())),
    "left in training mode": _in_training,
    "channels-last weights": lambda: plain().to(memory_format=torch.channels_last),
    "hook that changes the output": _hooked,
    "compiled": _compiled,
    "half precision": lambda: plain().half(),
    "double precision": lambda: plain().double(),
    "bfloat16": lambda: plain().bfloat16(),
    "LeNet for MNIST": _lenet,
    "ResNet for CIFAR": _cifar,
    "grey images": lambda: plain(image=1),
    "images that are not square": plain,
}
SIZES = {
    "LeNet for MNIST": (28, 28),
    "ResNet for CIFAR": (32, 32),
    "grey images": (48, 48),
    "images that are not square": (48, 96),
}
"""Height and width of the images where they are not 64 × 64."""

REFUSED: dict[str, tuple[Build, str]] = {
    "image by image": (from_image(_image_by_image), "another number of images runs other operations"),
    "condition on values": (from_image(_by_value), "another image could run other operations"),
    "numpy": (from_image(_numpy), "the image leaves torch"),
    "autocast": (from_image(_autocast), "a graph does not hold it"),
    "scripted part": (_scripted_part, "TorchScript cannot be cut"),
    "quantized dynamically": (_dynamically_quantized, "gradients need floating-point numbers"),
    "quantized statically": (_statically_quantized, "gradients need floating-point numbers"),
    "NaN weights": (_with_nan, "no logits"),
    "halves of an image": (
        from_image(_siamese, fc=lambda: fc(2 * CHANNELS)),
        "no feature maps that all logits depend on",
    ),
    "average over a flipped image": (from_image(_flipped), "no feature maps that all logits depend on"),
}

EITHER: dict[str, Build] = {"item": from_image(_item)}
