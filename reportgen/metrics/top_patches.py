"""Statistics of units over a data set, and their top patches: where in which images they are most active.

Source: Girshick et al., Rich Feature Hierarchies, CVPR 2014, Figure 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.unit_classes import ClassPreference, Selectivity, class_preferences, selectivities

BASELINE_IMAGES = 256
"""Number of images in the sample that shows which values of a unit are usual."""
TOLERANCE = 1e-3
"""Largest relative difference between a stored maximum and one that was computed again."""
DEAD_RANGE = 1e-5
"""A unit is dead if its maxima differ by at most this share of their magnitude: float32 rounds by 6e-8 a step."""
N_BINS = 20
"""Number of bins of a unit's histogram."""


class TopPatches:
    """The images with the highest maxima of each unit, collected batch by batch with `update`.

    value: `(U, k)` float32, decreasing; −inf if there are fewer images.
    image, where: `(U, k)` int32, the image and the flat position `y·w + x` in its map; −1 for none.
    Of equal values the earlier image comes first.
    """

    def __init__(self, units: int, k: int) -> None:
        self.value = np.full((units, k), -np.inf, np.float32)
        self.image = np.full((units, k), -1, np.int32)
        self.where = np.full((units, k), -1, np.int32)

    def update(self, first: int, maxima: np.ndarray, where: np.ndarray) -> None:
        """Add the images `first`, `first + 1`, … with the maxima and positions `(B, U)` of their units.

        Batches must come in the order of the images. Values that are not finite are ignored.
        """
        k = self.value.shape[1]
        maxima = np.where(np.isfinite(maxima), maxima, -np.inf)
        # Once the lists are full, few images enter them: only units with a new image are sorted again.
        units = np.flatnonzero((maxima > self.value[:, -1]).any(0))
        images = np.broadcast_to(np.arange(first, first + len(maxima), dtype=np.int32), (len(units), len(maxima)))
        value = np.concatenate((self.value[units], maxima[:, units].T), 1)
        order = np.argsort(-value, 1, kind="stable")[:, :k]
        self.value[units] = np.take_along_axis(value, order, 1)
        for array, new in ((self.image, images), (self.where, where[:, units].T)):
            array[units] = np.take_along_axis(np.concatenate((array[units], new), 1), order, 1)
        none = self.value[units] == -np.inf
        for array in (self.image, self.where):
            array[units] = np.where(none, -1, array[units])


@dataclass(frozen=True)
class Unit:
    """Statistics of one unit over the data set.

    images, values, where: row of the image, maximum and flat position of its top patches, the strongest first.
    histogram, bin_edges: of its maxima over all images.
    active_share: share of images with a positive maximum.
    preference: the class that its top images prefer; selectivity: see `unit_classes`; both None without labels.
    n_at_maximum: number of images whose maximum is the largest value.
    """

    images: np.ndarray
    values: np.ndarray
    where: np.ndarray
    histogram: np.ndarray
    bin_edges: np.ndarray
    active_share: float
    preference: ClassPreference | None
    selectivity: Selectivity | None
    n_at_maximum: int = 1

    @property
    def is_dead(self) -> bool:
        """Whether its maximum is the same in all images but for rounding; there must be at least two images."""
        return bool(self.histogram.sum() > 1 and is_constant(self.bin_edges[0], self.bin_edges[-1]))


def is_constant(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether values between `low` and `high` are equal but for rounding; both of the same shape."""
    constant: np.ndarray = high - low <= DEAD_RANGE * np.maximum(np.abs(low), np.abs(high))
    return constant


def summarize_units(
    maxima: np.ndarray, where: np.ndarray, labels: np.ndarray, k: int, groups: np.ndarray | None = None
) -> list[Unit]:
    """Return the statistics of every unit of a layer, with k top patches.

    maxima, where: `(N, U)` float32 and int32, maximum and flat position of each unit in each image; labels: `(N,)`, −1
    for none; groups: `(N,)` of images that are not independent.
    """
    top = TopPatches(maxima.shape[1], k)
    top.update(0, maxima, where)
    preferences = class_preferences(maxima, labels, k, groups)
    selectivity = selectivities(maxima, labels, groups)
    units = []
    for u in range(maxima.shape[1]):
        exists = top.image[u] >= 0
        images = top.image[u][exists]
        finite = maxima[np.isfinite(maxima[:, u]), u]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
        edges = np.linspace(low, high, N_BINS + 1)
        counts = np.histogram(finite, edges)[0] if low < high else np.array([len(finite)] + [0] * (N_BINS - 1))
        units.append(
            Unit(
                images=images,
                values=top.value[u][exists],
                where=top.where[u][exists],
                histogram=counts,
                bin_edges=edges,
                active_share=float((maxima[:, u] > 0).mean()),
                preference=preferences[u],
                selectivity=selectivity[u],
                n_at_maximum=int((finite == high).sum()),
            )
        )
    return units


def differs_when_recomputed(stored: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """Whether the maxima of a unit differ from those computed for a single image by more than `TOLERANCE`.

    The difference is relative to the value, but at least to a hundredth of the unit's largest value: a value near 0 is
    a difference of large terms, and has their rounding errors.
    """
    least = max(1e-6, 0.01 * float(np.max(np.abs(stored), initial=0)))
    scale = np.maximum(np.maximum(np.abs(stored), np.abs(alone)), least)
    differs: np.ndarray = ~(np.abs(stored - alone) <= TOLERANCE * scale)
    return differs


def baseline_rows(digests: np.ndarray, at_most: int = BASELINE_IMAGES) -> np.ndarray:
    """Return the rows of the images with the smallest digests, a sample that changes little when images are added."""
    return np.sort(np.argsort(digests, kind="stable")[:at_most])
