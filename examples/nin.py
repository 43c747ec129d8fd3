"""Network in Network (Lin, Chen, Yan, ICLR 2014) for ImageNet, as a classifier that reportgen can audit.

    reportgen run --data photos --model python:examples.nin:build

Its last convolution has one map a class, and global average pooling makes the logits: the map of a class is its CAM, so
the head's weights are the identity. Your weights go into `nin.safetensors` in the working folder; without it they are
random.
"""

from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from reportgen.models.classifier import Classifier, OwnHead, Preprocessing
from reportgen.models.graph import kernels, trace
from reportgen.models.sources import imagenet_vocabulary
from reportgen.models.weights import weights_digest

WEIGHTS = Path("nin.safetensors")


def mlpconv(
    channels: int, maps: int, kernel: int, stride: int = 1, padding: int = 0, last: int | None = None
) -> nn.Sequential:
    """A convolution and two of 1 × 1, each with ReLU: a small network that slides over the maps."""
    return nn.Sequential(
        nn.Conv2d(channels, maps, kernel, stride, padding), nn.ReLU(),
        nn.Conv2d(maps, maps, 1), nn.ReLU(),
        nn.Conv2d(maps, last or maps, 1), nn.ReLU(),
    )  # fmt: skip


def trunk(classes: int = 1000) -> nn.Sequential:
    """`(N, 3, 224, 224)` → the maps of the classes, `(N, K, 6, 6)`."""
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(
        mlpconv(3, 96, 11, 4), pool,
        mlpconv(96, 256, 5, 1, 2), pool,
        mlpconv(256, 384, 3, 1, 1), pool, nn.Dropout(0.5),
        mlpconv(384, 1024, 3, 1, 1, last=classes),
    )  # fmt: skip


def build() -> Classifier:
    """What `--model python:examples.nin:build` calls."""
    torch.manual_seed(0)
    maps = trunk().eval()
    if WEIGHTS.exists():
        maps.load_state_dict(safetensors.torch.load_file(WEIGHTS))
    vocabulary = imagenet_vocabulary()
    classes = len(vocabulary.names)
    graph = trace(maps, torch.zeros(1, 3, 224, 224))
    return Classifier(
        name="nin",
        trunk=graph,
        head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        own=OwnHead(torch.eye(classes), torch.zeros(classes)),
        maps_layer="7",
        maps_shape=(classes, 6, 6),
        vocabulary=vocabulary,
        preprocessing=Preprocessing(),
        filters=next(kernels(graph), None),
        parameters=sum(p.numel() for p in maps.parameters()),
        weights_digest=weights_digest(maps),
        source="examples/nin.py",
    )
