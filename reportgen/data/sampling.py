"""Evenly spaced subsets of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def evenly_spaced(rows: Sequence[int], at_most: int) -> list[int]:
    """Return `at_most` of the rows, evenly spaced; all of them if there are no more."""
    if len(rows) <= at_most:
        return list(rows)
    return [rows[(2 * j + 1) * len(rows) // (2 * at_most)] for j in range(at_most)]


def evenly_spaced_per_class(labels: np.ndarray, k: int) -> list[int]:
    """Return the rows of `k` images of each label `(N,)`, evenly spaced; without labels, of `k` images in all."""
    classes = np.unique(labels[labels >= 0])
    groups = [np.flatnonzero(labels == c) for c in classes] or [np.arange(len(labels))]
    return sorted(row for group in groups for row in evenly_spaced(group.tolist(), k))
