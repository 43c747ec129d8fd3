"""Exact nearest neighbours after a few rows were added, removed or changed, in time proportional to N · D."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from reportgen.embedding.neighbours import Neighbours, nearest_neighbours, squared_distances
from reportgen.embedding.row_matching import in_same_order
from reportgen.embedding.rows import Rows, chosen_rows, finite_rows

MAX_RECOMPUTED_SHARE = 0.25
"""If more than this share of the lists has to be searched for, a full computation takes no longer."""
BLOCK = 1024
"""Lists that are merged at a time."""
MAX_COMPARED = 3
"""Most new rows that are compared with all others in float64 at once: a search for candidates takes longer."""


def updated_neighbours(rows: Rows, k: int, earlier: Neighbours, source: np.ndarray) -> Neighbours:
    """Return `nearest_neighbours(rows, k)`, bit by bit, from the neighbours of earlier rows.

    rows: `(N, D)`; source: `(N,)`, the earlier row with the same values or −1, each at most once.

    Three kinds of rows: new ones, and those that have lost a neighbour, are searched for among all rows. All others
    keep their list, into which new rows are merged where they are near enough. Equal distances go to the lower index,
    so rows that are no longer in the same order count as new.
    """
    finite = np.zeros(len(rows), bool)
    finite[finite_rows(rows)] = True
    k = max(0, min(k, int(finite.sum()) - 1))
    source = in_same_order(source)
    known, new = np.flatnonzero(finite & (source >= 0)), np.flatnonzero(finite & (source < 0))
    if not k or earlier.index.shape[1] != k:
        return nearest_neighbours(rows, k)
    position = np.full(len(earlier.index), -1)
    position[source[source >= 0]] = np.flatnonzero(source >= 0)
    lists = position[earlier.index[source[known]]]
    is_complete = (lists >= 0).all(1)
    searched = np.sort(np.concatenate((new, known[~is_complete])))
    if len(searched) > MAX_RECOMPUTED_SHARE * len(rows):
        return nearest_neighbours(rows, k)
    index, distance = np.full((len(rows), k), -1), np.full((len(rows), k), np.nan)
    known, lists = known[is_complete], lists[is_complete]
    index[known], distance[known] = lists, earlier.distance[source[known]]
    index[searched], distance[searched] = _search_others(rows, searched, k)
    if len(known) and len(new):
        _merge(rows, known, new, index, distance)
    return Neighbours(index, distance, np.flatnonzero(~finite))


def _search_others(rows: Rows, searched: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return index and distance `(n, k)` of the nearest rows to each of these, apart from itself."""
    found = nearest_neighbours(rows[searched], k + 1, rows)
    is_left_out = found.index == searched[:, None]
    is_left_out[:, -1] |= ~is_left_out.any(1)  # more than k equal rows come before it
    shape = (len(searched), k)
    return found.index[~is_left_out].reshape(shape), found.distance[~is_left_out].reshape(shape)


def _merge(rows: Rows, known: np.ndarray, new: np.ndarray, index: np.ndarray, distance: np.ndarray) -> None:
    """Merge the new rows into the lists of the known ones, in place, where they are near enough.

    The order is that of squared distances, of which two may have one root: lists with equal roots are merged too.
    """
    k = index.shape[1]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        if len(new) <= MAX_COMPARED:
            pairs = np.repeat(known, len(new)), np.tile(new, len(known))
            nearest = np.sqrt(squared_distances(pool, rows, rows, *pairs).reshape(len(known), -1).min(1))
            added = np.broadcast_to(new, (len(known), len(new)))
        else:
            found = nearest_neighbours(chosen_rows(rows, known), k, rows[new])
            nearest, added = found.distance[:, 0], new[found.index]
        is_touched = nearest <= distance[known, -1]
        touched, added = known[is_touched], added[is_touched]
        for start in range(0, len(touched), BLOCK):
            block = touched[start : start + BLOCK]
            others = np.hstack((index[block], added[start : start + BLOCK]))
            pairs = np.repeat(block, others.shape[1]), others.ravel()
            square = squared_distances(pool, rows, rows, *pairs).reshape(others.shape)
            order = np.lexsort((others, square), axis=1)[:, :k]
            index[block] = np.take_along_axis(others, order, 1)
            distance[block] = np.sqrt(np.take_along_axis(square, order, 1))
