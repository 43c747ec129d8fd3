"""Statistics of units over a data set, and their top patches: where in which images they are most active.

Source: Girshick et al., Rich Feature Hierarchies, CVPR 2014, Figure 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    top_label: the most frequent label among its top images, and its share of those with a label; None without labels.
    selectivity: (a − b) / (a + b), where a is the largest class mean of the maxima, and b the mean of the other class
        means: 1 if the unit is active for a single class, 0 if equally for all (Morcos et al., ICLR 2018, section A.3);
        None without labels.
    n_at_maximum: number of images whose maximum is the largest value.
    """

    images: np.ndarray
    values: np.ndarray
    where: np.ndarray
    histogram: np.ndarray
    bin_edges: np.ndarray
    active_share: float
    top_label: tuple[int, float] | None
    selectivity: float | None
    n_at_maximum: int = 1

    @property
    def is_dead(self) -> bool:
        """Whether its maximum is the same in all images but for rounding; there must be at least two images."""
        return bool(self.histogram.sum() > 1 and is_constant(self.bin_edges[0], self.bin_edges[-1]))


def is_constant(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether values between `low` and `high` are equal but for rounding; both of the same shape."""
    constant: np.ndarray = high - low <= DEAD_RANGE * np.maximum(np.abs(low), np.abs(high))
    return constant


def summarize_units(maxima: np.ndarray, where: np.ndarray, labels: np.ndarray, k: int) -> list[Unit]:
    """Return the statistics of every unit of a layer, with k top patches.

    maxima, where: `(N, U)` float32 and int32, maximum and flat position of each unit in each image; labels: `(N,)`, −1
    for none.
    """
    top = TopPatches(maxima.shape[1], k)
    top.update(0, maxima, where)
    selectivity = class_selectivity(maxima, labels)
    units = []
    for u in range(maxima.shape[1]):
        exists = top.image[u] >= 0
        images = top.image[u][exists]
        finite = maxima[np.isfinite(maxima[:, u]), u]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
        edges = np.linspace(low, high, N_BINS + 1)
        counts = np.histogram(finite, edges)[0] if low < high else np.array([len(finite)] + [0] * (N_BINS - 1))
        top_labels = labels[images]
        classes, votes = np.unique(top_labels[top_labels >= 0], return_counts=True)
        units.append(
            Unit(
                images=images,
                values=top.value[u][exists],
                where=top.where[u][exists],
                histogram=counts,
                bin_edges=edges,
                active_share=float((maxima[:, u] > 0).mean()),
                top_label=(int(classes[votes.argmax()]), float(votes.max() / votes.sum())) if len(classes) else None,
                selectivity=None if selectivity is None else float(selectivity[u]),
                n_at_maximum=int((finite == high).sum()),
            )
        )
    return units


def class_selectivity(maxima: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Return the selectivity `(U,)` of each unit, from its maxima clipped at 0; None for fewer than two classes."""
    classes = np.unique(labels[labels >= 0])
    if len(classes) < 2:
        return None
    positive = np.maximum(np.nan_to_num(maxima.astype(np.float64)), 0)
    means = np.stack([positive[labels == c].mean(0) for c in classes])
    largest: np.ndarray = means.max(0)
    others = (means.sum(0) - largest) / (len(classes) - 1)
    total = largest + others
    selectivity: np.ndarray = np.divide(largest - others, total, out=np.zeros_like(largest), where=total > 0)
    return selectivity


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
