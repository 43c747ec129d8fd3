"""Network in Network (Lin, Chen, Yan, ICLR 2014) for ImageNet, as a classifier that reportgen can audit.

    reportgen run --data photos --model python:examples.nin:build

The last convolution has one feature map for each class, and global average pooling makes the logits. The feature map of
a class is therefore its class activation map, and the weights of the head are the identity. Put your weights into
`nin.safetensors` in the working folder; without this file the weights are random.
"""

from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from reportgen.models.classifier import Classifier, LinearHead, Preprocessing
from reportgen.models.first_convolution import first_convolution
from reportgen.models.graph import trace
from reportgen.models.sources.common import imagenet_class_names
from reportgen.models.weights import weights_digest

WEIGHTS = Path("nin.safetensors")


def mlpconv(
    channels: int, width: int, kernel: int, stride: int = 1, padding: int = 0, last: int | None = None
) -> nn.Sequential:
    """A convolution followed by two 1 × 1 convolutions, each with ReLU: a small network that slides over the input."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, stride, padding), nn.ReLU(),
        nn.Conv2d(width, width, 1), nn.ReLU(),
        nn.Conv2d(width, last or width, 1), nn.ReLU(),
    )  # fmt: skip


def make_trunk(classes: int = 1000) -> nn.Sequential:
    """`(N, 3, 224, 224)` → one feature map for each class, `(N, K, 6, 6)`."""
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(
        mlpconv(3, 96, 11, 4), pool,
        mlpconv(96, 256, 5, 1, 2), pool,
        mlpconv(256, 384, 3, 1, 1), pool, nn.Dropout(0.5),
        mlpconv(384, 1024, 3, 1, 1, last=classes),
    )  # fmt: skip


def build() -> Classifier:
    """The factory that `--model python:examples.nin:build` calls."""
    torch.manual_seed(0)
    class_names = imagenet_class_names()
    classes = len(class_names.names)
    network = make_trunk(classes).eval()
    if WEIGHTS.exists():
        network.load_state_dict(safetensors.torch.load_file(WEIGHTS))
    trunk = trace(network, torch.zeros(1, 3, 224, 224))
    return Classifier(
        name="nin",
        trunk=trunk,
        head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        linear_head=LinearHead(torch.eye(classes), torch.zeros(classes)),
        feature_layer="7",
        feature_shape=(classes, 6, 6),
        class_names=class_names,
        preprocessing=Preprocessing(),
        first_conv=first_convolution(trunk),
        parameters=sum(p.numel() for p in network.parameters()),
        weights_digest=weights_digest(network),
        source="examples/nin.py",
    )
