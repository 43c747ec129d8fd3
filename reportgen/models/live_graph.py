"""The graph that the report's live page runs: a network with everything that the page shows of an image."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from reportgen.errors import ModelError
from reportgen.models.classifier import Classifier
from reportgen.models.head_gradient import head_with_gradient
from reportgen.models.heads import POOLINGS
from reportgen.models.layers import feature_node, select_layers, with_intermediates
from reportgen.models.onnx_export import INPUT, export

OUTPUTS = ("logits", "features", "maps")
"""The first outputs: `(N, K)`, `(N, D)` and the feature maps `(N, C, h, w)`; then `layer/<i>` of each other layer."""
CLASS, ALPHA = "class", "alpha"
"""A further input `(1, K)` and the last output `(1, C)`, of graphs with a gradient: see `head_with_gradient`."""


@dataclass(frozen=True)
class LiveGraph:
    """A network for ONNX Runtime.

    data:    the ONNX graph of `graph_size` bytes. Bytes after it are the head's weights.
    weights: where the head's weights `(K, C)` begin in `data`, in the graph or after it; None without such a head.
    is_half: whether they, and the network's, are stored as float16 instead of float32.
    gradient_classes: K of a graph that computes Grad-CAM's weights of one image for a class, or 0.
    """

    data: bytes
    graph_size: int
    weights: int | None
    is_half: bool = False
    gradient_classes: int = 0


def live_graph(classifier: Classifier, layers: Sequence[str]) -> LiveGraph:
    """Export a classifier as one graph of normalized images `(N, C, H, W)` float32, in float32.

    layers: names of layers of the trunk, whose values `(N, C, h, w)` become outputs after `OUTPUTS`.
    Without weights that make activation maps, the graph computes the gradient of the head, if that can be exported.
    Errors: ModelError if PyTorch cannot export the network.
    """
    names = [*OUTPUTS, *(f"layer/{i}" for i in range(len(layers)))]
    device = next((p.device for p in classifier.trunk.parameters()), torch.device("cpu"))
    image = torch.zeros(1, *classifier.preprocessing.input_shape[1:], device=device)
    module = _LiveModule(classifier, layers).eval()
    if classifier.linear_head is None:
        with suppress(ModelError):
            return _graph_with_gradient(module, classifier, image, names)
    try:
        graph = export(module, {INPUT: image.repeat(2, 1, 1, 1)}, names)
    except ModelError as error:
        raise ModelError(str(error)) from error  # the live page has no other runtime to use
    return with_head_weights(graph, classifier, "<f4")


def _graph_with_gradient(module: _LiveModule, classifier: Classifier, image: Tensor, names: Sequence[str]) -> LiveGraph:
    """The graph of one image and a class that computes Grad-CAM's weights, too. Errors: ModelError."""
    with torch.no_grad():
        output = classifier.trunk(image)
        classes = classifier.head(output).shape[1]
    head = head_with_gradient(module.head, output, classes, classifier.feature_shape[0])
    examples = {INPUT: image, CLASS: torch.zeros(1, classes, device=image.device)}
    data = export(_GradientModule(module, head), examples, [*names, ALPHA], any_number=False)
    return replace(with_head_weights(data, classifier, "<f4"), gradient_classes=classes)


def with_head_weights(graph: bytes, classifier: Classifier, dtype: str) -> LiveGraph:
    """Return an ONNX graph with the place of its head's weights of this dtype, appended where it does not hold them."""
    if classifier.linear_head is None:
        return LiveGraph(graph, len(graph), None)
    weights = classifier.linear_head.weight.detach().cpu().numpy().astype(dtype).tobytes()
    found = graph.find(weights)
    return LiveGraph(graph, len(graph), found) if found >= 0 else LiveGraph(graph + weights, len(graph), len(graph))


class _LiveModule(nn.Module):
    """Trunk and head with the outputs of the live page as one tuple."""

    def __init__(self, classifier: Classifier, layers: Sequence[str]) -> None:
        super().__init__()
        chosen = select_layers(classifier.trunk, classifier.head, layers) if layers else []
        node = None if classifier.linear_head else feature_node(classifier.head)
        self._trunk = with_intermediates(classifier.trunk, [layer.node for layer in chosen])
        self._head = with_intermediates(classifier.head, [] if node is None else [node])
        self._channels = classifier.feature_shape[0]
        self._pool = POOLINGS[classifier.linear_head.pooling if classifier.linear_head else "gap"]

    def head(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and features of the trunk's output."""
        logits, features = self._head(output)
        return logits, features[0].flatten(1) if features else self._pool(output[:, : self._channels])

    def trunk(self, images: Tensor) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        """The trunk's output, the feature maps in it, and the values of the layers."""
        output, values = self._trunk(images)
        return output, output[:, : self._channels], values

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        output, maps, values = self.trunk(images)
        return (*self.head(output), maps, *values)


class _GradientModule(nn.Module):
    """The same of one image, with a head that computes a gradient."""

    def __init__(self, module: _LiveModule, head: nn.Module) -> None:
        super().__init__()
        self._module, self._head = module, head

    def forward(self, images: Tensor, chosen: Tensor) -> tuple[Tensor, ...]:
        output, maps, values = self._module.trunk(images)
        logits, features, alpha = self._head(output, chosen)
        return (logits, features, maps, *values, alpha)
