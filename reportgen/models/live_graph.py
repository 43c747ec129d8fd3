"""The graph that the report's live page runs: a network with everything that the page shows of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reportgen.errors import ModelError
from reportgen.models.classifier import Classifier
from reportgen.models.heads import POOLINGS
from reportgen.models.layers import feature_node, select_layers, with_intermediates
from reportgen.models.onnx_export import export

OUTPUTS = ("logits", "features", "maps")
"""The first outputs: `(N, K)`, `(N, D)` and the feature maps `(N, C, h, w)`; then `layer/<i>` of each other layer."""


@dataclass(frozen=True)
class LiveGraph:
    """A network for ONNX Runtime.

    data:    the ONNX graph of `graph_size` bytes. Bytes after it are the head's weights.
    weights: where the head's weights `(K, C)` begin in `data`, in the graph or after it; None without such a head.
    is_half: whether they, and the network's, are stored as float16 instead of float32.
    """

    data: bytes
    graph_size: int
    weights: int | None
    is_half: bool = False


def live_graph(classifier: Classifier, layers: Sequence[str]) -> LiveGraph:
    """Export a classifier as one graph of normalized images `(N, C, H, W)` float32, in float32.

    layers: names of layers of the trunk, whose values `(N, C, h, w)` become outputs after `OUTPUTS`.
    Errors: ModelError if PyTorch cannot export the network.
    """
    module = _LiveModule(classifier, layers).eval()
    names = [*OUTPUTS, *(f"layer/{i}" for i in range(len(layers)))]
    device = next((p.device for p in classifier.trunk.parameters()), torch.device("cpu"))
    try:
        graph = export(module, torch.zeros(2, *classifier.preprocessing.input_shape[1:], device=device), names)
    except ModelError as error:
        raise ModelError(str(error)) from error  # the live page has no other runtime to use
    return with_head_weights(graph, classifier, "<f4")


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

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        output, values = self._trunk(images)
        logits, features = self._head(output)
        maps = output[:, : self._channels]
        return (logits, features[0].flatten(1) if features else self._pool(maps), maps, *values)
