"""What a report says of a network and of its layers, in plain values: a report is drawn again without the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.metrics.filters import Kernels


@dataclass(frozen=True)
class LayerCard:
    """A layer whose units are looked at. shape: channels, height, width of its maps.

    rows, columns: `(height, 2)` and `(width, 2)` int64, for each position the half-open interval of input pixels that
    it sees; field: height and width in input pixels without borders, or None where it sees the whole image; stride:
    input pixels between neighbouring positions, down and across.
    effective: rows and columns from a position's origin on that hold most of the gradient, where that was asked for.
    parameters: of the network, how many its values depend on; own: those that the layers listed before it do not.
    """

    name: str
    shape: tuple[int, int, int]
    rows: np.ndarray
    columns: np.ndarray
    field: tuple[int, int] | None
    stride: tuple[float, float]
    parameters: int = 0
    own: int = 0
    effective: tuple[tuple[int, int], tuple[int, int]] | None = None

    def box(self, where: int) -> np.ndarray:
        """`(4,)` float64 x0 y0 x1 y1 in input pixels of what the flat position `y·w + x` sees: the effective field
        where it is known."""
        y, x = divmod(where, self.shape[2])
        (y0, y1), (x0, x1) = self.rows[y], self.columns[x]
        if self.effective:
            (top, bottom), (left, right) = self.effective
            v, u = self.origin(where)
            y0, y1 = np.clip([v + top, v + bottom], y0, y1)
            x0, x1 = np.clip([u + left, u + right], x0, x1)
        return np.array([x0, y0, x1, y1], np.float64)

    def origin(self, where: int) -> tuple[int, int]:
        """Row and column of the input that distances of the flat position `y·w + x` are counted from."""
        y, x = divmod(where, self.shape[2])
        height, width = (int(axis[:, 1].max()) for axis in (self.rows, self.columns))
        down, across = self.stride
        return min(round(y * down), height), min(round(x * across), width)


@dataclass(frozen=True)
class Epoch:
    """Of a training: its number, the learning rate, the mean loss in training, and on images kept back the mean loss
    and the share that was named wrongly."""

    epoch: int
    rate: float
    loss: float
    held_loss: float
    held_error: float


@dataclass(frozen=True)
class ModelCard:
    """The network.

    curve: how a network of `reportgen fit` was trained.
    pooling: `gap` or `gmp` where the maps are weighted with the head's weights, else "".
    fit: how a fitted head came about, in words; "" for the network's own.
    agreement: of a low precision with float32, in words; "" where it was not tried.
    filters: `(out, in, kh, kw)` float32 of the first convolution, or None.
    kernels: of the deeper convolutions, but for those of single weights, which are no pictures.
    filters_units: the layer among `layers` whose unit k is filter k's answer, or None.
    """

    name: str
    source: str
    head: str
    method: str
    maps_layer: str
    maps_shape: tuple[int, int, int]
    parameters: int
    weights_digest: str
    resize: str
    precision: str
    device: str
    input_size: int
    preprocessing: str
    fit: str = ""
    agreement: str = ""
    pooling: str = ""
    curve: Sequence[Epoch] = ()
    filters_layer: str | None = None
    filters: np.ndarray | None = None
    filters_units: str | None = None
    kernels: Sequence[Kernels] = ()
    layers: Sequence[LayerCard] = ()

    @property
    def map_name(self) -> str:
        """What the maps are called."""
        return {"cam": "Class activation map", "grad-cam": "Grad-CAM map"}.get(self.method, f"Map of {self.method}")

    @property
    def unit(self) -> str:
        """What the maps are measured in: logits, but for the user's own."""
        return " logit" if self.method in ("cam", "grad-cam") else ""
