"""A network that runs in the report itself, in plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reportgen.store.per_image import PerImageResults


@dataclass(frozen=True)
class LivePreprocessing:
    """How the page makes the network's input of an upright image, as `models.classifier.Preprocessing` does.

    channels, height, width: of the input; resized: height and width that the image is scaled to before its centre is
    cut (`resize = "crop"`); height_first: whether Pillow scales the height first where it shrinks by more than twice as
    many pixels as the width, as it does from version 13 on; max_side: of a longer scaled image only the part that is
    cut is computed.
    """

    channels: int
    height: int
    width: int
    mean: Sequence[float]
    std: Sequence[float]
    resize: str
    resized: tuple[int, int]
    squash: bool
    crop_offset: Literal["round", "floor"]
    interpolation: str
    height_first: bool
    max_side: int


@dataclass(frozen=True)
class LiveOcclusion:
    """The occluding square: side and stride in pixels of the input; fill: its colour, a value of [0, 1] a channel."""

    side: int
    stride: int
    fill: Sequence[float]


@dataclass(frozen=True)
class HalfWeights:
    """Weights that are stored in 16 bits. difference: the largest of a logit, in float32, over so many images."""

    difference: float
    images: int


@dataclass(frozen=True)
class LiveNetwork:
    """The first network of an audit as a graph for ONNX Runtime.

    packed:   `data` of `models.live_graph.LiveGraph`, compressed with gzip; graph_size, weights: see there.
    half:     how the stored weights were rounded; None where they are those of the network.
    layers:   the names of the layers whose values are outputs, in order.
    has_gradient: whether the graph takes one image and a class, and computes the weights of Grad-CAM.
    occlusion: the square of occlusion sensitivity, as in the job.
    inputs:   `input/pixels` `(C, H, W)` uint8: what the network sees of some images.
    """

    packed: bytes
    graph_size: int
    weights: int | None
    half: HalfWeights | None
    layers: Sequence[str]
    has_gradient: bool
    preprocessing: LivePreprocessing
    occlusion: LiveOcclusion
    inputs: PerImageResults

    def output_of(self, layer: str) -> str:
        """The graph's output with the values of a recorded layer. That of the feature layer is `maps`."""
        return f"layer/{self.layers.index(layer)}" if layer in self.layers else "maps"
