"""A network and its layers in plain values: pages are drawn without the network itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.metrics.filters import KernelGrid


@dataclass(frozen=True)
class LayerInfo:
    """A layer whose units are recorded. shape: channels, height, width of its output.

    rows, columns: `(height, 2)` and `(width, 2)` int64, the receptive field of each position: a half-open interval of
        input pixels.
    receptive_field: height and width in input pixels, ignoring borders; None where it is the whole image.
    stride: input pixels between neighbouring positions, down and across.
    effective_field: rows and columns, relative to a position's origin, that hold most of the gradient; None where that
        was not measured.
    parameters: of the network, number that the layer's values depend on; new_parameters: those of them that no layer
        listed before it depends on.
    """

    name: str
    shape: tuple[int, int, int]
    rows: np.ndarray
    columns: np.ndarray
    receptive_field: tuple[int, int] | None
    stride: tuple[float, float]
    parameters: int = 0
    new_parameters: int = 0
    effective_field: tuple[tuple[int, int], tuple[int, int]] | None = None

    def box(self, where: int) -> np.ndarray:
        """Receptive field of the flat position `y·w + x`: `(4,)` float64 x0 y0 x1 y1 in input pixels.

        The effective receptive field where it was measured.
        """
        y, x = divmod(where, self.shape[2])
        (y0, y1), (x0, x1) = self.rows[y], self.columns[x]
        if self.effective_field:
            (top, bottom), (left, right) = self.effective_field
            v, u = self.origin(where)
            y0, y1 = np.clip([v + top, v + bottom], y0, y1)
            x0, x1 = np.clip([u + left, u + right], x0, x1)
        return np.array([x0, y0, x1, y1], np.float64)

    @property
    def sees_whole_image(self) -> bool:
        """Whether the middle position depends on every input pixel."""
        middles = (axis[len(axis) // 2] for axis in (self.rows, self.columns))
        return all(
            low <= 0 and high >= axis[:, 1].max()
            for (low, high), axis in zip(middles, (self.rows, self.columns), strict=True)
        )

    def origin(self, where: int) -> tuple[int, int]:
        """Row and column of the input that the effective field of the flat position `y·w + x` is relative to."""
        y, x = divmod(where, self.shape[2])
        height, width = (int(axis[:, 1].max()) for axis in (self.rows, self.columns))
        down, across = self.stride
        return min(round(y * down), height), min(round(x * across), width)


@dataclass(frozen=True)
class TrainingEpoch:
    """One epoch of a training: learning rate, mean training loss, and mean loss and error on held-out images."""

    epoch: int
    rate: float
    loss: float
    held_loss: float
    held_error: float


@dataclass(frozen=True)
class HeadFit:
    """How the heads of a network were fitted. folds: 1 for a separate training set; penalties, images: one a fold.

    gradient: the largest at the end of a fit, as the norm ÷ (penalty · norm of the weights).
    """

    folds: int
    penalties: Sequence[float]
    images: Sequence[int]
    gradient: float


@dataclass(frozen=True)
class PrecisionAgreement:
    """How a low precision compares with float32. top1: share of images with the same top class; cosine: the smallest
    over the images, between the pooled features of both."""

    precision: str
    images: int
    top1: float
    cosine: float


@dataclass(frozen=True)
class RuntimeTrial:
    """How ONNX Runtime compares with PyTorch on some images.

    difference: largest difference of a stored number, in standard deviations of its kind; same_positions: share of the
    units' maxima at the same position; speedup: median of the batches; failure: why it cannot run the network, or "".
    """

    images: int = 0
    difference: float = float("nan")
    same_positions: float = float("nan")
    speedup: float = float("nan")
    failure: str = ""


@dataclass(frozen=True)
class ModelInfo:
    """A network in plain values.

    head:     `own`, `own-gmp`, `class-token`, `other`, or `gap` or `gmp` for heads that were fitted; see `head_fit`.
    method:   `cam`, `grad-cam`, or the name of the user's function that computes the activation maps.
    feature_layer, feature_shape: the layer whose output is the feature maps; channels, height, width.
    input_size: height and width of the input.
    resize, resize_size, interpolation, mean, std, decode: the preprocessing; std: standard deviations of the channels.
    squash, preprocessing_source: as in `Preprocessing`.
    pooling:  `gap` or `gmp` where the maps are weighted with the head's weights, else "".
    training_curve: how a network of `reportgen fit` was trained.
    precision_agreement: of a low precision with float32; None where it was not tried.
    runtime: what runs the trunk, `torch` or `onnxruntime` and its version; runtime_trial: None where there was none.
    filters:  `(out, in, kh, kw)` float32 of the first convolution, or None.
    kernels:  of the deeper convolutions larger than 1 × 1.
    filter_units: the layer among `layers` whose unit k is the response of filter k, or None.
    """

    name: str
    source: str
    head: str
    method: str
    feature_layer: str
    feature_shape: tuple[int, int, int]
    parameters: int
    weights_digest: str
    precision: str
    device: str
    input_size: tuple[int, int]
    resize: str
    resize_size: tuple[int, int] = (0, 0)
    interpolation: str = "bilinear"
    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    squash: bool = False
    preprocessing_source: str = ""
    decode: str = "exact"
    head_fit: HeadFit | None = None
    precision_agreement: PrecisionAgreement | None = None
    runtime: str = "torch"
    runtime_trial: RuntimeTrial | None = None
    pooling: str = ""
    training_curve: Sequence[TrainingEpoch] = ()
    filters_layer: str | None = None
    filters: np.ndarray | None = None
    filter_units: str | None = None
    kernels: Sequence[KernelGrid] = ()
    layers: Sequence[LayerInfo] = ()
