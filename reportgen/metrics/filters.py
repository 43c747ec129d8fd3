"""Figures of the first layer's kernels: how strong, how colourful, how fine, and which are of no use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEAD = 0.01
"""A filter with less than this share of the median filter's norm hardly sees anything."""
ALIKE = 0.98
"""Cosine from which on two filters say the same; negative: one says the other's opposite."""

GRID = 12
"""Outputs, and inputs of each, whose kernels are shown of a deeper convolution."""


@dataclass(frozen=True)
class FilterRow:
    """One filter. energy: the norm of its weights (L2).

    colour: share of its energy that is not the same for all input channels, 0 for a grey filter.
    frequency: mean spatial frequency of its power, in cycles a pixel: 0 for a flat filter, at most √½.
    dead: its norm is below 1 % of the median's. twin: (another filter, their cosine) where |cosine| ≥ 0.98, or None.
    """

    number: int
    energy: float
    colour: float
    frequency: float
    dead: bool
    twin: tuple[int, float] | None


def study_filters(filters: np.ndarray) -> list[FilterRow]:
    """filters: `(out, in, kh, kw)`."""
    weights = filters.astype(np.float64)
    flat = weights.reshape(len(weights), -1)
    energy = np.linalg.norm(flat, axis=1)
    grey = np.linalg.norm((weights - weights.mean(1, keepdims=True)).reshape(flat.shape), axis=1)
    colour = np.divide(grey**2, energy**2, out=np.zeros_like(energy), where=energy > 0)
    dead = energy < DEAD * np.median(energy) if energy.any() else np.ones(len(energy), bool)
    unit = np.divide(flat, energy[:, None], out=np.zeros_like(flat), where=energy[:, None] > 0)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 0)
    cosine[dead] = cosine[:, dead] = 0
    nearest = np.abs(cosine).argmax(1)
    return [
        FilterRow(
            i,
            float(energy[i]),
            float(colour[i]),
            frequency(weights[i]),
            bool(dead[i]),
            (int(j), float(cosine[i, j])) if abs(cosine[i, j]) >= ALIKE else None,
        )
        for i, j in enumerate(nearest)
    ]


@dataclass(frozen=True)
class Kernels:
    """The strongest kernels of one of the deeper convolutions.

    shape: of all its weights `(out, in, kh, kw)`; outputs, inputs: which channels are shown, the strongest first; of a
    convolution that sees one channel at a time only outputs. tiles: `(n, kh, kw)`, row by row an output's inputs.
    """

    layer: str
    shape: tuple[int, ...]
    outputs: np.ndarray
    inputs: np.ndarray
    tiles: np.ndarray


def strongest_kernels(layer: str, weights: np.ndarray) -> Kernels:
    """The outputs with the largest norms, and of them the inputs with the largest norms. weights: `(out, in, kh, kw)`.

    Equally strong ones: the lower channel first.
    """
    squares = (weights.astype(np.float64) ** 2).sum((2, 3))
    alone = weights.shape[1] == 1
    outputs = np.argsort(-squares.sum(1), kind="stable")[: GRID * GRID if alone else GRID]
    inputs = np.argsort(-squares[outputs].sum(0), kind="stable")[:GRID]
    tiles = weights[outputs[:, None], inputs[None]].reshape(-1, *weights.shape[2:])
    return Kernels(layer, weights.shape, outputs, inputs, tiles)


def frequency(kernel: np.ndarray) -> float:
    """Mean of |f| over the power spectrum of a kernel `(in, kh, kw)`, in cycles a pixel."""
    power = (np.abs(np.fft.fft2(kernel)) ** 2).sum(0)
    y, x = (np.fft.fftfreq(n) for n in kernel.shape[1:])
    return float((np.hypot(y[:, None], x) * power).sum() / power.sum()) if power.any() else 0.0
