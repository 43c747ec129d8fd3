"""Projections of images to the plane by PCA and t-SNE.

PCA is computed here and not with scikit-learn, because that is faster: only the eight largest eigenvectors of the
smaller Gram matrix are needed, while scikit-learn's exact solvers compute all of them. On 5,000 × 512 features
scikit-learn 1.9 takes 1.7 times as long with `covariance_eigh` and 14 times with `full`; on 96 × 1,280 features it
takes 3 times as long with `full`. The results are equal up to rounding. Of a Gram matrix of 3,072 × 3,072, Lanczos
iteration to machine precision takes 0.45 s and LAPACK's dense solver 1.4 s; on a busy machine, 1.6 s and 24 s.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.embedding.neighbours import Neighbours, nearest_neighbours
from reportgen.embedding.rows import PixelRows, Rows, chosen_rows, finite_rows, mean_row, row_blocks
from reportgen.embedding.space import N_NEIGHBOURS, Space

if TYPE_CHECKING:
    import openTSNE

log = logging.getLogger(__name__)

N_COMPONENTS = 8
"""Number of principal components."""
MIN_LANCZOS_RATIO, LANCZOS_VECTORS, LANCZOS_RESTARTS = 96, 5, 12
"""Of Lanczos iteration: from so many rows of a Gram matrix for each wanted eigenvector on, it is faster than a dense
solver; vectors of its basis for each of them; restarts at most."""
MAX_TSNE_IMAGES = 200_000
"""Most images that t-SNE embeds itself; of more images a sample is embedded, and the others are added to it."""
EARLY_ITERATIONS, LATE_ITERATIONS = 150, 350
"""Iterations of t-SNE with and without early exaggeration."""
CONTINUED_ITERATIONS = 50
"""Iterations of t-SNE that continue a map after a few images have changed."""
N_PLACING = 10
"""Nearest neighbours whose median is the first position of an image that is added to a map."""
START_DEVIATION = 0.01
"""Standard deviation by which that position is shifted, on a map that is some tens wide: no force separates two images
at one point."""
MIN_IMAGES_FOR_THREADS = 1_000
"""Number of images from which on several threads make t-SNE faster."""


@dataclass(frozen=True)
class PrincipalComponents:
    """Principal components.

    positions: `(N, A)` along the first A axes, NaN for rows that are not finite; explained: `(A,)` share of the
    variance of each axis; mean: `(D,)` of the rows; loadings: `(D, A)`, the axes.
    """

    positions: np.ndarray
    explained: np.ndarray
    mean: np.ndarray
    loadings: np.ndarray

    def project(self, rows: np.ndarray) -> np.ndarray:
        """Return the positions `(n, A)` of any rows `(n, D)` along these axes."""
        positions: np.ndarray = (rows - self.mean) @ self.loadings
        return positions


def principal_components(rows: Rows, most_axes: int = N_COMPONENTS) -> PrincipalComponents:
    """Return the PCA of the finite rows `(N, D)`. The sign of each axis makes its largest loading positive."""
    use = finite_rows(rows)
    n, d = len(use), rows.shape[1]
    n_axes = min(most_axes, n, d)
    positions = np.full((len(rows), n_axes), np.nan)
    if not n_axes:
        return PrincipalComponents(positions, np.zeros(0), np.zeros(d), np.zeros((d, 0)))
    rows = chosen_rows(rows, use)
    mean = mean_row(rows)
    if n <= d:
        centred = rows[:] - mean
        gram = centred @ centred.T
        eigenvalues, vectors = _largest_eigenpairs(gram, n_axes)
        lengths = np.sqrt(eigenvalues)
        loadings, projected = centred.T @ vectors / np.where(lengths > 0, lengths, 1), vectors * lengths
    else:
        gram = rows.gram() if isinstance(rows, PixelRows) else _gram(rows, mean)
        eigenvalues, loadings = _largest_eigenpairs(gram, n_axes)
        projected = np.concatenate([(block - mean) @ loadings for block in row_blocks(rows)])
    largest = loadings[np.abs(loadings).argmax(0), np.arange(n_axes)]
    signs = np.where(largest < 0, -1, 1)
    positions[use] = projected * signs
    total = np.trace(gram)
    explained = eigenvalues / total if total > 0 else np.zeros(n_axes)
    return PrincipalComponents(positions, explained, mean, loadings * signs)


def _gram(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the products `(D, D)` of the centred columns."""
    gram = np.zeros((rows.shape[1], rows.shape[1]))
    for block in row_blocks(rows):
        centred = block - mean
        gram += centred.T @ centred
    return gram


def _largest_eigenpairs(gram: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest eigenvalues `(count,)` of a Gram matrix, descending and at least 0, and vectors `(n, count)`.

    Lanczos iteration (ARPACK) to machine precision from a fixed start, if that is faster; where it does not converge,
    and for small matrices, a dense solver.
    """
    import scipy.linalg
    from scipy.sparse.linalg import ArpackError, eigsh

    n = len(gram)
    if n >= MIN_LANCZOS_RATIO * count:
        start = np.random.default_rng(0).normal(size=n)
        try:
            values, vectors = eigsh(
                gram, count, which="LA", v0=start, ncv=LANCZOS_VECTORS * count, maxiter=LANCZOS_RESTARTS
            )
            return np.maximum(values[::-1], 0), vectors[:, ::-1]
        except ArpackError:
            log.debug("PCA: Lanczos iteration did not converge")
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=(n - count, n - 1))
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def tsne(space: Space, components: PrincipalComponents, seed: int = 0) -> np.ndarray:
    """Return t-SNE positions `(N, 2)` float64 of a space's rows, NaN for rows that are not finite.

    Perplexity min(30, (N − 1)/3) over exact neighbours, initialized with the first two principal components, learning
    rate N / exaggeration (Belkina et al. 2019). Fewer than four images, or equal images, keep their PCA positions.
    Source: van der Maaten and Hinton 2008.
    """
    import openTSNE

    positions = np.zeros((len(space.rows), 2))
    positions[:, : components.positions.shape[1]] = components.positions[:, :2]
    positions[space.neighbours.left_out] = np.nan
    use = space.placed
    if len(use) < 4 or space.rms_distance == 0:
        return positions
    random = np.random.default_rng(seed)
    sample = np.sort(random.choice(use, MAX_TSNE_IMAGES, replace=False)) if len(use) > MAX_TSNE_IMAGES else use
    start = positions[sample] / positions[sample, 0].std() * 1e-4
    start += random.normal(0, 1e-6, start.shape)  # equal images must not start at one point: no force separates them
    affinities = _affinities(space, sample)
    method = openTSNE.TSNE(
        early_exaggeration_iter=EARLY_ITERATIONS,
        n_iter=LATE_ITERATIONS,
        n_jobs=affinities.n_jobs,
        random_state=seed,
    )
    embedding = method.fit(affinities=affinities, initialization=start)
    positions[sample] = embedding
    if len(rest := np.setdiff1d(use, sample)):
        positions[rest] = embedding.transform(space.rows[rest])
    return positions


def continued_tsne(space: Space, known: np.ndarray) -> np.ndarray:
    """Return t-SNE positions `(N, 2)` float64 that continue an earlier map, NaN for rows that are not finite.

    known: `(N, 2)` positions on the earlier map, NaN for rows that it does not have. These begin where `placed_rows`
    puts them; then all rows move for `CONTINUED_ITERATIONS`. On maps of more than `MAX_TSNE_IMAGES` no row moves.
    """
    import openTSNE

    use = space.placed
    positions = placed_rows(space, known)
    if len(use) > MAX_TSNE_IMAGES:
        return positions
    affinities = _affinities(space, use)
    embedding = openTSNE.TSNEEmbedding(positions[use], affinities, n_jobs=affinities.n_jobs)
    embedding.optimize(CONTINUED_ITERATIONS, momentum=0.8, inplace=True)
    positions[use] = embedding
    return positions


def placed_rows(space: Space, known: np.ndarray) -> np.ndarray:
    """Return the known positions `(N, 2)`, and those of new rows: near the median of their nearest known neighbours, as
    openTSNE's `transform` begins, or of all rows where no neighbour is known.

    known: as of `continued_tsne`. NaN for rows that are not finite.
    """
    random = np.random.default_rng(0)
    has_position = np.isfinite(known).all(1)
    positions = np.where(has_position[:, None], known, np.nan)
    for i in np.setdiff1d(space.placed, np.flatnonzero(has_position)):
        neighbours = space.neighbours.index[i]
        nearest = neighbours[has_position[neighbours]][:N_PLACING]
        positions[i] = np.median(known[nearest if len(nearest) else has_position], axis=0)
        positions[i] += random.normal(0, START_DEVIATION, 2)
    positions[space.neighbours.left_out] = np.nan
    return positions


def _affinities(space: Space, sample: np.ndarray) -> openTSNE.affinity.PerplexityBasedNN:
    """Return the affinities of some finite rows, `(M,)` indices, over their exact neighbours."""
    import openTSNE

    from reportgen.embedding.exact_neighbours import ExactNeighbours

    return openTSNE.affinity.PerplexityBasedNN(
        perplexity=min(N_NEIGHBOURS, len(sample) - 1) / 3,
        knn_index=ExactNeighbours(
            chosen_rows(space.rows, sample), _neighbours_within(space, sample, len(space.placed))
        ),
        n_jobs=(os.cpu_count() or 1) if len(sample) >= MIN_IMAGES_FOR_THREADS else 1,
    )


def _neighbours_within(space: Space, sample: np.ndarray, n_finite: int) -> Neighbours:
    """Return the neighbours of the sample's rows among themselves: known ones if the sample is all finite rows."""
    if len(sample) < n_finite:
        return nearest_neighbours(chosen_rows(space.rows, sample), N_NEIGHBOURS)
    known = space.neighbours
    return Neighbours(np.searchsorted(sample, known.index[sample]), known.distance[sample], np.zeros(0, int))
