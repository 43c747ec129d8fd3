"""The networks of the CAM paper (Zhou et al. 2016, section 3.1): a published trunk without its last layers, a
convolution with 1,024 feature maps, global pooling, and one linear layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reportgen.models.classifier import Pooling
from reportgen.models.heads import POOLINGS

N_FEATURE_MAPS = 1024


class TransformInput(nn.Module):
    """Convert ImageNet's normalization to that of GoogLeNet's published weights: mean and standard deviation 0.5."""

    def forward(self, x: Tensor) -> Tensor:
        mean, std = x.new_tensor((0.485, 0.456, 0.406)), x.new_tensor((0.229, 0.224, 0.225))
        return (x * std[:, None, None] + (mean - 0.5)[:, None, None]) / 0.5


def _googlenet(network: nn.Module) -> nn.Module:
    names = ["conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3"]
    names += [f"inception4{letter}" for letter in "abcde"]
    layers = [network.get_submodule(name) for name in names]
    return nn.Sequential(*([TransformInput()] if network.transform_input else []), *layers)


TRUNKS: dict[str, tuple[Callable[[nn.Module], nn.Module], int]] = {
    "alexnet": (lambda network: network.get_submodule("features")[:12], 256),  # type: ignore[index]
    "vgg16": (lambda network: network.get_submodule("features")[:30], 512),  # type: ignore[index]
    "googlenet": (_googlenet, 832),
}
"""How a trunk is cut (after conv5, conv5-3 and inception4e with their ReLU, before the pooling), and its channels."""
CAM_NETWORKS: dict[str, tuple[str, Pooling]] = {
    "alexnet-gap": ("alexnet", "gap"),
    "vgg16-gap": ("vgg16", "gap"),
    "googlenet-gap": ("googlenet", "gap"),
    "googlenet-gmp": ("googlenet", "gmp"),
}
"""Name of a network → its trunk and its pooling."""


class CamNet(nn.Module):
    """`(N, 3, 224, 224)` → logits `(N, K)`. The feature maps are `relu(conv(trunk(x)))`."""

    def __init__(
        self, trunk: nn.Module, channels: int, pooling: Pooling, classes: int, maps: int = N_FEATURE_MAPS
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.conv = nn.Conv2d(channels, maps, 3, 1, 1)
        self.fc = nn.Linear(maps, classes)
        self.pooling: Pooling = pooling
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(POOLINGS[self.pooling](F.relu(self.conv(self.trunk(x)))))
        return logits


def cam_network(name: str, classes: int, pretrained: bool, seed: int) -> CamNet:
    """Return one of `CAM_NETWORKS`.

    pretrained: the trunk gets torchvision's ImageNet weights; all other weights are random, drawn with `seed`.
    Errors: those of torchvision if its weights cannot be loaded.
    """
    import torchvision  # takes seconds, and other networks do not need it

    trunk, pooling = CAM_NETWORKS[name]
    cut, channels = TRUNKS[trunk]
    weights = torchvision.models.get_model_weights(trunk).DEFAULT if pretrained else None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        options = {"init_weights": True} if trunk == "googlenet" and not pretrained else {}
        if trunk == "googlenet":
            options["transform_input"] = True
        network = torchvision.models.get_model(trunk, weights=weights, **options)
        return CamNet(cut(network), channels, pooling, classes)
