"""Top patches (Girshick et al., Rich Feature Hierarchies, CVPR 2014, Figure 4): what makes a unit fire most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

USUAL = 256
"""Images that say what values of a unit are usual."""
TOLERANCE = 1e-3
"""Relative difference from which a maximum that was computed again counts as a defect."""


class TopPatches:
    """The images with each unit's highest maxima, kept as batches come: `update` in the order of the images.

    value: `(U, k)` float32, falling, −inf where there are fewer images; image, where: `(U, k)` int32, which image and
    which flat position `y·w + x` of its map, −1 for none. Among equal values the earlier image is kept and first.
    """

    def __init__(self, units: int, k: int) -> None:
        self.value = np.full((units, k), -np.inf, np.float32)
        self.image = np.full((units, k), -1, np.int32)
        self.where = np.full((units, k), -1, np.int32)

    def update(self, first: int, maxima: np.ndarray, where: np.ndarray) -> None:
        """Takes in the images `first`, `first + 1`, …: their units' maxima and positions `(B, U)`. What is not
        finite never wins."""
        k = self.value.shape[1]
        maxima = np.where(np.isfinite(maxima), maxima, -np.inf)
        # Once the lists are full few images enter them: only units with a newcomer are sorted again.
        units = np.flatnonzero((maxima > self.value[:, -1]).any(0))
        images = np.broadcast_to(np.arange(first, first + len(maxima), dtype=np.int32), (len(units), len(maxima)))
        value = np.concatenate((self.value[units], maxima[:, units].T), 1)
        order = np.argsort(-value, 1, kind="stable")[:, :k]
        self.value[units] = np.take_along_axis(value, order, 1)
        for kept, new in ((self.image, images), (self.where, where[:, units].T)):
            kept[units] = np.take_along_axis(np.concatenate((kept[units], new), 1), order, 1)
        none = self.value[units] == -np.inf
        for kept in (self.image, self.where):
            kept[units] = np.where(none, -1, kept[units])


@dataclass(frozen=True)
class Unit:
    """What is known of one unit over the data set.

    images, values, where: of its top patches, the strongest first.
    counts, edges: histogram of its maxima over all images.
    active: share of images with a positive maximum.
    preferred: the class borne by most of the top patches, and its share of those with a label; None without labels.
    selectivity: (a − b) / (a + b), a the largest class mean of the maxima and b the mean of the other classes' means
        (Morcos et al., ICLR 2018, section A.3); 1: fires for one class alone, 0: for all alike; None without labels.
    """

    images: np.ndarray
    values: np.ndarray
    where: np.ndarray
    counts: np.ndarray
    edges: np.ndarray
    active: float
    preferred: tuple[int, float] | None
    selectivity: float | None

    @property
    def dead(self) -> bool:
        """Its maximum is the same for every image, of at least two: it tells nothing apart."""
        return bool(self.counts.sum() > 1 and self.edges[0] == self.edges[-1])


BINS = 20


def study_units(maxima: np.ndarray, where: np.ndarray, labels: np.ndarray, k: int) -> list[Unit]:
    """Every unit of a layer.

    maxima: `(N, U)` float32, each unit's maximum in each image; where: `(N, U)` int32; labels: `(N,)`, −1 for none.
    """
    top = TopPatches(maxima.shape[1], k)
    top.update(0, maxima, where)
    selectivity = class_selectivity(maxima, labels)
    units = []
    for u in range(maxima.shape[1]):
        kept = top.image[u] >= 0
        images = top.image[u][kept]
        finite = maxima[np.isfinite(maxima[:, u]), u]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
        edges = np.linspace(low, high, BINS + 1)
        counts = np.histogram(finite, edges)[0] if low < high else np.array([len(finite)] + [0] * (BINS - 1))
        of_top = labels[images]
        names, votes = np.unique(of_top[of_top >= 0], return_counts=True)
        preferred = (int(names[votes.argmax()]), float(votes.max() / votes.sum())) if len(names) else None
        units.append(
            Unit(
                images,
                top.value[u][kept],
                top.where[u][kept],
                counts,
                edges,
                float((maxima[:, u] > 0).mean()),
                preferred,
                None if selectivity is None else float(selectivity[u]),
            )
        )
    return units


def class_selectivity(maxima: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """`(U,)` selectivity of each unit, of its maxima cut at 0; None with fewer than two classes."""
    classes = np.unique(labels[labels >= 0])
    if len(classes) < 2:
        return None
    positive = np.maximum(np.nan_to_num(maxima.astype(np.float64)), 0)
    means = np.stack([positive[labels == c].mean(0) for c in classes])
    most = means.max(0)
    rest = (means.sum(0) - most) / (len(classes) - 1)
    return np.divide(most - rest, most + rest, out=np.zeros_like(most), where=most + rest > 0)


def recomputed_wrong(stored: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """Which maxima of a unit differ from those of their image alone by more than the tolerance, relatively.

    A value near 0 is what is left of large terms, and its rounding is theirs: it is held to no finer a measure than a
    hundredth of the unit's largest value.
    """
    least = max(1e-6, 0.01 * float(np.max(np.abs(stored), initial=0)))
    scale = np.maximum(np.maximum(np.abs(stored), np.abs(alone)), least)
    return ~(np.abs(stored - alone) <= TOLERANCE * scale)


def steady(digests: np.ndarray, at_most: int = USUAL) -> np.ndarray:
    """Rows of the images with the smallest digests, in order: a sample that one image more or less seldom changes."""
    return np.sort(np.argsort(digests, kind="stable")[:at_most])
