"""The quality of embedding maps: how well they keep what is near in the space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.embedding.label_sets import LabelSets, mean_overlap
from reportgen.embedding.neighbours import Neighbours
from reportgen.embedding.rows import PixelRows, Rows, chosen_rows, row_blocks
from reportgen.embedding.space import N_SHOWN, Space, count_shared, knn_accuracy
from reportgen.metrics.intervals import Rate

MAX_QUALITY_IMAGES = 1_000
"""Most images on which trustworthiness is measured; their distances to all others are needed."""
QUALITY_DISTANCES, MIN_QUALITY_BLOCK = 4_000_000, 128
"""Distances that are in memory at a time for it, of 8 bytes each, and least images whose distances are computed at a
time: for each of these times, all rows are read."""
QUALITY_NEIGHBOURS = 15
"""The k of trustworthiness and neighbour preservation."""


@dataclass(frozen=True, eq=False)
class MapQuality:
    """How well an embedding map preserves neighbourhoods.

    trustworthiness: Venna and Kaski 2001, k = 15, over `n_images` images; below 1 if images are near each other on the
        map that are not near in the space.
    preservation: mean share of the 15 nearest neighbours in the space that are among the 15 nearest on the map.
    accuracy: kNN accuracy on the map, k = 10; None without labels.
    triplets: random triplet accuracy; None where no triplet has an order.
    preserved: `(N,)` int16, how many of each image's `k` nearest neighbours are preserved; −1 without a
        position.
    overlap: of several labels an image, the mean Jaccard index of its labels and those of its ten nearest on the map,
        over the annotated images; None without any.
    """

    trustworthiness: float
    preservation: float
    accuracy: Rate | None
    n_images: int
    triplets: Rate | None
    preserved: np.ndarray
    k: int
    overlap: float | None = None


def measure_qualities(
    space: Space, maps: Sequence[np.ndarray], labels: np.ndarray, seed: int = 0, sets: LabelSets | None = None
) -> list[MapQuality | None]:
    """Return the quality of each map `(N, 2)` of the space; None for fewer than four finite rows.

    labels: `(N,)`, −1 for none; sets: the labels of images that may have several.
    """
    from sklearn.neighbors import NearestNeighbors

    use = space.placed
    n = len(use)
    k = min(QUALITY_NEIGHBOURS, (n - 1) // 2)
    if k < 1:
        return [None] * len(maps)
    count = min(max(k, N_SHOWN), n - 1)
    indices = [NearestNeighbors(n_neighbors=count, algorithm="kd_tree").fit(positions[use]) for positions in maps]
    nearest = [index.kneighbors(return_distance=False) for index in indices]
    sample = np.sort(np.random.default_rng(seed).permutation(n)[:MAX_QUALITY_IMAGES])
    values = trustworthiness(chosen_rows(space.rows, use), [near[:, :k] for near in nearest], sample)
    qualities: list[MapQuality | None] = []
    for positions, near, value in zip(maps, nearest, values, strict=True):
        shared = count_shared(space.neighbours.index[use, :k], use[near][:, :k])
        preserved = np.full(len(positions), -1, np.int16)
        preserved[use] = shared
        on_map = Neighbours(near, np.zeros(near.shape), space.neighbours.left_out)
        quality = MapQuality(
            trustworthiness=value,
            preservation=float(shared.mean()) / k,
            accuracy=knn_accuracy(on_map, labels[use], min(N_SHOWN, count)),
            n_images=len(sample),
            triplets=space.triplets.accuracy(positions[use]),
            preserved=preserved,
            k=k,
            overlap=sets and mean_overlap(near[:, :N_SHOWN], sets.of(use)),
        )
        qualities.append(quality)
    return qualities


def trustworthiness(rows: Rows, nearest: Sequence[np.ndarray], sample: np.ndarray) -> list[float]:
    """Return, for each map, 1 − 2 / (M k (2N − 3k − 1)) · Σ max(0, r(i, j) − k) over the M sampled rows i and their
    neighbours j on the map. The distances in the space, which take most of the time, are computed once for all maps.

    rows: `(N, D)` of the space; nearest: `(N, k)` neighbours on each map; sample: `(M,)` rows i.
    r(i, j): rank of j among the neighbours of i in the space; of equal distances all get the best rank.
    """
    n, k = nearest[0].shape
    size = max(MIN_QUALITY_BLOCK, QUALITY_DISTANCES // n)
    blocks = (sample[start : start + size] for start in range(0, len(sample), size))
    excess = np.sum([_excess_ranks(rows, nearest, block) for block in blocks], 0)
    return [float(1 - 2 * total / (len(sample) * k * (2 * n - 3 * k - 1))) for total in excess.tolist()]


def _excess_ranks(rows: Rows, nearest: Sequence[np.ndarray], chosen: np.ndarray) -> list[int]:
    """Return, for each map, Σ max(0, r(i, j) − k) over the chosen rows i; see `trustworthiness`."""
    distance = rows.squared_distances(chosen) if isinstance(rows, PixelRows) else _distances(rows, chosen)
    on_map = np.stack([np.take_along_axis(distance, near[chosen], 1) for near in nearest])
    distance[np.arange(len(chosen)), chosen] = np.inf if distance.dtype.kind == "f" else np.iinfo(distance.dtype).max
    distance.sort(1)
    ranks = np.stack([1 + np.searchsorted(row, on_map[:, i]) for i, row in enumerate(distance)], 1)
    excess: list[int] = np.maximum(0, ranks - on_map.shape[2]).sum((1, 2)).tolist()
    return excess


def _distances(rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the Euclidean distances `(M, N)` float64 of the chosen rows, `(M,)` indices, to all rows."""
    from sklearn.metrics import euclidean_distances

    points, distance = rows[chosen].astype(np.float64), np.empty((len(chosen), len(rows)))
    start = 0
    for block in row_blocks(rows):
        distance[:, start : start + len(block)] = euclidean_distances(points, block.astype(np.float64))
        start += len(block)
    return distance
