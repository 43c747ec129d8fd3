"""Groups of images that are not independent: those with the same bytes, and those that the annotations group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def connected_groups(*names: Sequence[str]) -> np.ndarray:
    """Return group numbers `(N,)`: images that share a name in any of the lists are in one group; "" is not a name."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(names[0])
    numbers = {
        key: n + j for j, key in enumerate(dict.fromkeys((k, v) for k, row in enumerate(names) for v in row if v))
    }
    edges = [(i, numbers[k, v]) for k, row in enumerate(names) for i, v in enumerate(row) if v]
    rows, columns = np.array(edges, np.int32).reshape(-1, 2).T  # SciPy 1.11 wants this dtype
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(n + len(numbers),) * 2)
    groups: np.ndarray = connected_components(graph, directed=False)[1][:n]
    return groups


def first_of_each(groups: np.ndarray) -> np.ndarray:
    """Return the first row of each group, in ascending order. groups: `(N,)` of `connected_groups`."""
    rows: np.ndarray = np.sort(np.unique(groups, return_index=True)[1])
    return rows


def assign_folds(labels: Sequence[int], groups: Sequence[int], parts: int, seed: int) -> np.ndarray:
    """Assign each image to one of `parts` folds `(N,)` int64. Groups stay together; they are shuffled, sorted by class
    and assigned in turn, so that every fold gets a share of every class."""
    random = np.random.default_rng(seed)
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    order = random.permutation(len(first))
    order = order[np.argsort(np.asarray(labels)[first][order], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % parts
    folds: np.ndarray = fold[member]
    return folds
