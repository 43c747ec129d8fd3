"""Neighbours in a multi-label data set: how much the labels of an image and of its neighbours have in common.

index: `(N, k)` neighbours, −1 for none; table: `(N, K)` bool, the labels of each image; annotated: `(N,)` bool, whether
they are known. Neighbours without known labels do not count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reportgen.embedding.rows import BLOCK


class LabelSets(NamedTuple):
    """The labels of the images. table: `(N, K)` bool; annotated: `(N,)` bool, whether they are known."""

    table: np.ndarray
    annotated: np.ndarray

    def of(self, rows: np.ndarray) -> LabelSets:
        """Those of some images."""
        return LabelSets(self.table[rows], self.annotated[rows])


def label_overlaps(index: np.ndarray, table: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """Return the mean Jaccard index of the labels of each image and of its neighbours, `(N,)` float64.

    Two images without any label agree: 1. NaN for an image that is not annotated, or without annotated neighbours.
    """
    found = np.full(len(index), np.nan)
    for rows in _blocks(index, annotated):
        is_known = (index[rows] >= 0) & annotated[index[rows]]
        both, either = _shared(table[rows, None], table[index[rows]])
        each = np.where(either > 0, both / np.maximum(either, 1), 1.0)
        n = is_known.sum(1)
        found[rows] = np.where(n > 0, (each * is_known).sum(1) / np.maximum(n, 1), np.nan)
    return found


def mean_overlap(index: np.ndarray, sets: LabelSets) -> float | None:
    """Return the mean of `label_overlaps` over the annotated images; None without any."""
    overlaps = label_overlaps(index, *sets)
    return None if np.isnan(overlaps).all() else float(np.nanmean(overlaps))


def count_with_common_label(index: np.ndarray, table: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """Return how many of the neighbours of each image have at least one of its labels, `(N,)` int64; −1 for an image
    without any label."""
    has_labels = annotated & table.any(1)
    counts = np.where(has_labels, 0, -1)
    for rows in _blocks(index, has_labels):
        is_known = (index[rows] >= 0) & annotated[index[rows]]
        counts[rows] = ((table[rows, None] & table[index[rows]]).any(2) & is_known).sum(1)
    return counts


def random_overlap(table: np.ndarray, annotated: np.ndarray) -> float:
    """Return the mean Jaccard index of the labels of two different annotated images; NaN for fewer than two."""
    sets, counts = np.unique(table[annotated], axis=0, return_counts=True)
    n, total, sizes = int(counts.sum()), 0.0, sets.sum(1)
    if n < 2:
        return float("nan")
    for start in range(0, len(sets), BLOCK):
        part = slice(start, start + BLOCK)
        both = sets[part].astype(np.float32) @ sets.T.astype(np.float32)
        either = sizes[part, None] + sizes - both
        each = np.where(either > 0, both / np.maximum(either, 1), 1.0)
        total += float(counts[part] @ (each @ counts.astype(np.float64)))
    return (total - n) / (n * (n - 1))  # without the pairs of an image and itself, of which each has 1


def neighbours_with_label(index: np.ndarray, table: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """Return for each label the share of the neighbours of images with it that have it too, `(K,)` float64; NaN where
    no image with the label has an annotated neighbour."""
    with_label, known = np.zeros(table.shape[1]), np.zeros(table.shape[1])
    for rows in _blocks(index, annotated):
        is_known = (index[rows] >= 0) & annotated[index[rows]]
        having = (table[index[rows]] & is_known[:, :, None]).sum(1)
        with_label += (having * table[rows]).sum(0)
        known += is_known.sum(1) @ table[rows]
    return np.where(known > 0, with_label / np.maximum(known, 1), np.nan)


def without_common_label(index: np.ndarray, table: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """Return the images with labels whose neighbours are all annotated and have none of these; those whose neighbours
    agree most on a label come first."""
    found, agreeing = [], []
    for rows in _blocks(index, annotated):
        is_known = ((index[rows] >= 0) & annotated[index[rows]]).all(1)
        votes = table[index[rows]].sum(1)
        is_apart = is_known & table[rows].any(1) & ~(votes.astype(bool) & table[rows]).any(1)
        found.append(rows[is_apart])
        agreeing.append(votes[is_apart].max(1, initial=0))
    if not found:
        return np.zeros(0, np.int64)
    order = np.argsort(-np.concatenate(agreeing), kind="stable")
    images: np.ndarray = np.concatenate(found)[order]
    return images


def _blocks(index: np.ndarray, annotated: np.ndarray) -> list[np.ndarray]:
    """The annotated rows in blocks; none if there are no neighbours."""
    rows = np.flatnonzero(annotated) if index.shape[1] else np.zeros(0, np.int64)
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]


def _shared(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of the intersection and of the union of sets of labels `(…, K)` bool."""
    return (a & b).sum(-1), (a | b).sum(-1)
