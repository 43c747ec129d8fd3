"""Statistics of convolution filters: energy, colour, spatial frequency; dead and duplicate filters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEAD_NORM_SHARE = 0.01
"""A filter is dead if its norm is less than this share of the median norm."""
TWIN_COSINE = 0.98
"""Filters are nearly equal from this cosine on, and nearly opposite from its negative on."""
KERNEL_GRID = 12
"""Number of outputs, and of inputs of each, whose kernels are shown for a deeper convolution."""


@dataclass(frozen=True)
class FilterStats:
    """One filter.

    energy:    L2 norm of its weights.
    colour:    share of its energy that differs between the input channels; 0 for a grey filter.
    frequency: mean spatial frequency of its power in cycles per pixel; 0 for a constant filter, at most √½.
    is_dead:   whether its norm is below 1 % of the median norm.
    twin:      another filter with |cosine| ≥ 0.98, and the cosine, or None.
    """

    index: int
    energy: float
    colour: float
    frequency: float
    is_dead: bool
    twin: tuple[int, float] | None


def summarize_filters(filters: np.ndarray) -> list[FilterStats]:
    """Return the statistics of each filter. filters: `(out, in, kh, kw)`."""
    weights = filters.astype(np.float64)
    flat = weights.reshape(len(weights), -1)
    energy = np.linalg.norm(flat, axis=1)
    grey = np.linalg.norm((weights - weights.mean(1, keepdims=True)).reshape(flat.shape), axis=1)
    colour = np.divide(grey**2, energy**2, out=np.zeros_like(energy), where=energy > 0)
    dead = energy < DEAD_NORM_SHARE * np.median(energy) if energy.any() else np.ones(len(energy), bool)
    unit = np.divide(flat, energy[:, None], out=np.zeros_like(flat), where=energy[:, None] > 0)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 0)
    cosine[dead] = cosine[:, dead] = 0
    nearest = np.abs(cosine).argmax(1)
    return [
        FilterStats(
            i,
            float(energy[i]),
            float(colour[i]),
            frequency(weights[i]),
            bool(dead[i]),
            (int(j), float(cosine[i, j])) if abs(cosine[i, j]) >= TWIN_COSINE else None,
        )
        for i, j in enumerate(nearest)
    ]


@dataclass(frozen=True)
class KernelGrid:
    """The strongest kernels of a convolution.

    shape: of all weights `(out, in, kh, kw)`.
    outputs, inputs: the channels that are shown, the strongest first; a depthwise convolution has a single input.
    tiles: `(n, kh, kw)`, row by row the inputs of an output.
    """

    layer: str
    shape: tuple[int, ...]
    outputs: np.ndarray
    inputs: np.ndarray
    tiles: np.ndarray


def strongest_kernels(layer: str, weights: np.ndarray) -> KernelGrid:
    """Return the outputs with the largest norms, and of these the inputs with the largest norms.

    weights: `(out, in, kh, kw)`. Of equal norms the lower channel comes first.
    """
    squares = (weights.astype(np.float64) ** 2).sum((2, 3))
    is_depthwise = weights.shape[1] == 1
    outputs = np.argsort(-squares.sum(1), kind="stable")[: KERNEL_GRID * KERNEL_GRID if is_depthwise else KERNEL_GRID]
    inputs = np.argsort(-squares[outputs].sum(0), kind="stable")[:KERNEL_GRID]
    tiles = weights[outputs[:, None], inputs[None]].reshape(-1, *weights.shape[2:])
    return KernelGrid(layer, weights.shape, outputs, inputs, tiles)


def frequency(kernel: np.ndarray) -> float:
    """Return the mean of |f| over the power spectrum of a kernel `(in, kh, kw)`, in cycles per pixel."""
    power = (np.abs(np.fft.fft2(kernel)) ** 2).sum(0)
    y, x = (np.fft.fftfreq(n) for n in kernel.shape[1:])
    return float((np.hypot(y[:, None], x) * power).sum() / power.sum()) if power.any() else 0.0
