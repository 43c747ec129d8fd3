"""What a network costs to run."""

from __future__ import annotations

from torch import fx

from reportgen.models.classifier import Classifier
from reportgen.models.locality import SlidingWindow, locality

MULTIPLICATIONS_PER_SECOND = {"cpu": 2e10, "cuda": 2e12, "mps": 2e11}
"""Speed that estimates assume, by device. It is not measured, because a rerun must decide the same."""


def multiplications(classifier: Classifier) -> float:
    """Return the multiplications of the trunk's convolutions for one image. Without a graph they are estimated: all
    parameters at every position of the feature maps."""
    trunk = classifier.trunk
    if not isinstance(trunk, fx.GraphModule):
        return float(classifier.parameters) * classifier.feature_shape[1] * classifier.feature_shape[2]
    total = 0.0
    for node in trunk.graph.nodes:
        operation, shape = locality(trunk, node), node.meta.get("shape")
        weight = getattr(getattr(operation, "run", None), "keywords", {}).get("weight")
        if isinstance(operation, SlidingWindow) and weight is not None and shape:
            total += weight.numel() * shape[-2] * shape[-1]
    return total


def seconds_per_image(classifier: Classifier) -> float:
    """Return an estimate of the time that the trunk takes for one image on its device."""
    device = next((parameter.device.type for parameter in classifier.trunk.parameters()), "cpu")
    speed = MULTIPLICATIONS_PER_SECOND.get(device, MULTIPLICATIONS_PER_SECOND["cpu"])
    return multiplications(classifier) / speed
