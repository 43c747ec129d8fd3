"""Maps: the images in the plane by PCA and t-SNE, and how far each map can be trusted (PROTOCOLS: maps)."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import openTSNE
import scipy.linalg
from openTSNE.nearest_neighbors import KNNIndex
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from reportgen.embedding.neighbours import Neighbours, nearest_neighbours
from reportgen.embedding.space import KEPT, SHOWN, Space, knn_accuracy, overlap
from reportgen.metrics.intervals import Rate

AXES = 8
"""Principal axes that are kept."""
LARGEST = 200_000
"""Images that t-SNE arranges itself; the others are placed among a sample of so many."""
EARLY, LATER = 150, 350
"""Iterations with and without exaggeration."""
FEW = 1_000
"""Images below which t-SNE's threads would wait for each other longer than they work."""
JUDGED = 2_000
"""Images that trustworthiness is measured on; it needs their distances to all others."""
NEAR = 15
"""The k of trustworthiness and of neighbour preservation."""


@dataclass(frozen=True)
class Components:
    """Principal components. positions: `(N, A)` along the first A ≤ 8 axes, NaN for rows that are not finite;
    explained: `(A,)` share of the variance of each."""

    positions: np.ndarray
    explained: np.ndarray


@dataclass(frozen=True)
class Quality:
    """How far a map can be trusted.

    trustworthiness: Venna and Kaski 2001, k = 15, over `judged` images: below 1 where strangers look near.
    preservation: mean share of the 15 nearest images that are among the 15 nearest on the map.
    accuracy: kNN accuracy on the map, k = 10, or None without labels.
    """

    trustworthiness: float
    preservation: float
    accuracy: Rate | None
    judged: int


def principal_components(rows: np.ndarray) -> Components:
    """PCA of the finite rows `(N, D)`; each axis points to where its largest loading is positive."""
    use = np.isfinite(rows).all(1)
    n, d = int(use.sum()), rows.shape[1]
    axes = min(AXES, n, d)
    positions = np.full((len(rows), axes), np.nan)
    if not axes:
        return Components(positions, np.zeros(0))
    centred = rows[use] - rows[use].mean(0, dtype=np.float64)
    wide = n <= d
    product = centred @ centred.T if wide else centred.T @ centred
    size = len(product)
    squares, vectors = scipy.linalg.eigh(product, subset_by_index=(size - axes, size - 1))
    squares, vectors = np.maximum(squares[::-1], 0), vectors[:, ::-1]
    loadings = centred.T @ vectors if wide else vectors
    largest = loadings[np.abs(loadings).argmax(0), np.arange(axes)]
    placed = vectors * np.sqrt(squares) if wide else centred @ vectors
    positions[use] = placed * np.where(largest < 0, -1, 1)
    total = np.trace(product)
    return Components(positions, squares / total if total > 0 else np.zeros(axes))


class _Exact(KNNIndex):
    """Our exact neighbours, for openTSNE: those that are known, and those of other rows."""

    VALID_METRICS = ("euclidean",)

    def __init__(self, rows: np.ndarray, neighbours: Neighbours) -> None:
        super().__init__(rows, neighbours.index.shape[1])
        self._neighbours = neighbours

    def build(self) -> tuple[np.ndarray, np.ndarray]:
        return self._neighbours.index, self._neighbours.distance

    def query(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        found = nearest_neighbours(query, k, self.data)
        return found.index, found.distance


def tsne(space: Space, components: Components, seed: int = 0) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton 2008) of a space's rows in the plane, `(N, 2)` float64, NaN where not finite.

    Perplexity min(30, (N − 1)/3) over the exact neighbours, begun at the first two principal components, with the
    learning rate N / exaggeration (Belkina et al. 2019). Fewer than four images, or images all alike, stay where PCA
    put them.
    """
    positions = np.zeros((len(space.rows), 2))
    positions[:, : components.positions.shape[1]] = components.positions[:, :2]
    positions[space.neighbours.left_out] = np.nan
    use = np.setdiff1d(np.arange(len(positions)), space.neighbours.left_out)
    if len(use) < 4 or space.spread == 0:
        return positions
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(use, LARGEST, replace=False)) if len(use) > LARGEST else use
    start = positions[chosen] / positions[chosen, 0].std() * 1e-4
    start += random.normal(
        0, 1e-6, start.shape
    )  # identical images must not lie on one point, where no force parts them
    threads = (os.cpu_count() or 1) if len(chosen) >= FEW else 1
    affinities = openTSNE.affinity.PerplexityBasedNN(
        perplexity=min(KEPT, len(chosen) - 1) / 3,
        knn_index=_Exact(space.rows[chosen], _neighbours_among(space, chosen, len(use))),
        n_jobs=threads,
    )
    method = openTSNE.TSNE(early_exaggeration_iter=EARLY, n_iter=LATER, n_jobs=threads, random_state=seed)
    placed = method.fit(affinities=affinities, initialization=start)
    positions[chosen] = placed
    if len(rest := np.setdiff1d(use, chosen)):
        positions[rest] = placed.transform(space.rows[rest])
    return positions


def _neighbours_among(space: Space, chosen: np.ndarray, all_: int) -> Neighbours:
    if len(chosen) < all_:
        return nearest_neighbours(space.rows[chosen], KEPT)
    known = space.neighbours
    return Neighbours(np.searchsorted(chosen, known.index[chosen]), known.distance[chosen], np.zeros(0, int))


def judge(space: Space, positions: np.ndarray, labels: np.ndarray, seed: int = 0) -> Quality | None:
    """How far a map `(N, 2)` of the space can be trusted; None for fewer than four finite rows."""
    use = np.setdiff1d(np.arange(len(positions)), space.neighbours.left_out)
    n = len(use)
    k = min(NEAR, (n - 1) // 2)
    if k < 1:
        return None
    count = min(max(k, SHOWN), n - 1)
    near = (
        NearestNeighbors(n_neighbors=count, algorithm="kd_tree").fit(positions[use]).kneighbors(return_distance=False)
    )
    judged = np.sort(np.random.default_rng(seed).permutation(n)[:JUDGED])
    on_map = Neighbours(use[near], np.zeros(near.shape), space.neighbours.left_out)
    return Quality(
        trustworthiness=trustworthiness(space.rows[use], near[:, :k], judged),
        preservation=float(overlap(space.neighbours.index[use, :k], on_map.index[:, :k]).mean()) / k,
        accuracy=knn_accuracy(Neighbours(near, on_map.distance, on_map.left_out), labels[use], min(SHOWN, count)),
        judged=len(judged),
    )


def trustworthiness(rows: np.ndarray, near: np.ndarray, judged: np.ndarray) -> float:
    """1 − 2 / (M k (2N − 3k − 1)) · Σ over the M judged rows i and their map neighbours j of max(0, r(i, j) − k).

    near: `(N, k)` neighbours on the map; r(i, j): which nearest neighbour j is of i among the rows `(N, D)`; of equal
    distances all get the best rank.
    """
    n, k = near.shape
    beyond, first = 0, 0
    for distance in pairwise_distances_chunked(rows[judged].astype(np.float64), rows.astype(np.float64)):
        some = judged[first : first + len(distance)]
        distance[np.arange(len(some)), some] = np.inf
        for j in near[some].T:
            rank = 1 + (distance < distance[np.arange(len(some)), j][:, None]).sum(1)
            beyond += int(np.maximum(0, rank - k).sum())
        first += len(some)
    return 1 - 2 * beyond / (len(judged) * k * (2 * n - 3 * k - 1))
