"""Images as points in feature space and pixel space: nearest neighbours, kNN accuracy, hubs and near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from reportgen.embedding.neighbour_updates import updated_neighbours
from reportgen.embedding.neighbours import Neighbours, nearest_neighbours
from reportgen.embedding.row_matching import changed_share, match_rows, row_digests
from reportgen.embedding.rows import BLOCK, Rows, chosen_rows, finite_rows, mean_row, row_blocks
from reportgen.embedding.triplets import RandomTriplets
from reportgen.errors import ConfigError
from reportgen.metrics.intervals import Rate
from reportgen.parallel import return_freed_memory
from reportgen.store.results_cache import Arrays, ResultsCache
from reportgen.store.shard import Shard

N_SHOWN = 10
"""Number of neighbours shown on a page."""
N_NEIGHBOURS = 90
"""Number of computed neighbours: enough for the pages, kNN accuracy, and t-SNE (three times its perplexity)."""
KNN_SIZES = (1, 3, 5, 10, 20, 50)
"""The k of kNN accuracy."""
DUPLICATE_SHARE = 0.1
"""Near-duplicates are closer than this share of the root mean square distance between two images."""


@dataclass(frozen=True)
class FeatureSource:
    """The features that images are compared by. array: their path in the store; description: what they are."""

    array: str
    description: str


FEATURE_SOURCES = {
    "head": FeatureSource("features/code", "the input of its last layer"),
    "gap": FeatureSource("features/gap", "the means of its feature maps"),
    "gmp": FeatureSource("features/gmp", "the maxima of its feature maps"),
}
"""Values of the setting `features`, apart from the names of layers."""


def find_feature_source(value: str, layers: Sequence[str]) -> FeatureSource:
    """Return the features that the setting `features` names. layers: those whose units are stored.

    Errors: ConfigError for an unknown value.
    """
    if value in layers:
        return FeatureSource(f"units/{value}/max", f"the maxima of the units of {value}")
    if value not in FEATURE_SOURCES:
        known = ", ".join(f"`{name}`" for name in (*FEATURE_SOURCES, *layers))
        raise ConfigError(f"unknown features `{value}`", f"use one of {known}")
    return FEATURE_SOURCES[value]


@dataclass(frozen=True)
class Space:
    """The images as rows `(N, D)`, with the `N_NEIGHBOURS` nearest neighbours of each.

    digests: of the rows, see `row_digests`; rms_distance: root mean square of the distances between two images.
    """

    rows: Rows
    digests: np.ndarray
    neighbours: Neighbours
    rms_distance: float

    @classmethod
    def of(cls, rows: Rows, cache: ResultsCache | None = None) -> Space:
        """rows: `(N, D)`; cache: where the neighbours are stored for the next run."""
        digests = row_digests(rows)
        space = cls(rows, digests, cached_neighbours(cache, rows, digests, N_NEIGHBOURS), rms_distance(rows))
        return_freed_memory()
        return space

    @cached_property
    def triplets(self) -> RandomTriplets:
        """Random triplets of the rows that have neighbours, by which every map of the space is judged."""
        return RandomTriplets(chosen_rows(self.rows, self.placed))

    @property
    def placed(self) -> np.ndarray:
        """The rows that have neighbours: those whose values are finite."""
        return np.setdiff1d(np.arange(len(self.rows)), self.neighbours.left_out)

    @property
    def duplicate_distance(self) -> float:
        """Images closer than this are near-duplicates."""
        return DUPLICATE_SHARE * self.rms_distance

    def nearest_with_label(self, wanted: np.ndarray, labels: np.ndarray) -> Neighbours:
        """Return, for each row, the nearest other row with its wanted label; of equal distances, the lower index.

        wanted, labels: `(N,)`, −1 for none. The result has one column: −1 and NaN where nothing is wanted, no other row
        has the label, or the values are not finite.
        """
        index, distance = np.full(len(self.rows), -1), np.full(len(self.rows), np.nan)
        near = self.neighbours.index
        has_label = (near >= 0) & (labels[near] == wanted[:, None]) & (wanted[:, None] >= 0)
        found = np.flatnonzero(has_label.any(1))
        column = has_label[found].argmax(1) if len(found) else found
        index[found], distance[found] = near[found, column], self.neighbours.distance[found, column]
        for i in np.flatnonzero((wanted >= 0) & ~has_label.any(1)):
            if nearest := self.nearest_of(int(i), np.flatnonzero(labels == wanted[i])):
                index[i], distance[i] = nearest
        return Neighbours(index[:, None], distance[:, None], self.neighbours.left_out)

    def nearest_of(self, i: int, candidates: np.ndarray) -> tuple[int, float] | None:
        """The nearest of some rows to row i, apart from itself, and its Euclidean distance; ties: the lower index.

        None if no row is left, or its values are not finite. candidates: `(M,)` indices, ascending.
        """
        others = candidates[candidates != i]
        square = np.square(self.rows[others].astype(np.float64) - self.rows[i]).sum(1)
        square = np.where(np.isfinite(square), square, np.inf)
        if not len(others) or not np.isfinite(square.min()):
            return None
        return int(others[square.argmin()]), float(np.sqrt(square.min()))


def rms_distance(rows: Rows) -> float:
    """Return the root mean square of the distances between two finite rows `(N, D)`: √(2 · their variance)."""
    finite = chosen_rows(rows, finite_rows(rows))
    if len(finite) < 2:
        return 0.0
    mean, total = mean_row(finite), 0.0
    for block in row_blocks(finite):
        difference = block - mean
        total += float(np.einsum("ij,ij", difference, difference))
    return float(np.sqrt(2 * total / (len(finite) - 1)))


def cached_neighbours(cache: ResultsCache | None, rows: Rows, digests: np.ndarray, k: int) -> Neighbours:
    """Return `nearest_neighbours(rows, k)`, from the cache if it has them. digests: of the rows.

    Those of an earlier run are updated: that takes time proportional to the number of rows, and gives the same numbers.
    """
    if cache is None:
        return nearest_neighbours(rows, k)
    arrays = cache.get("neighbours", [digests, k], partial(_neighbours_after_changes, cache, rows, k, digests))
    return Neighbours(arrays["index"], arrays["distance"], arrays["left_out"])


def _neighbours_after_changes(cache: ResultsCache, rows: Rows, k: int, digests: np.ndarray) -> Arrays:
    """Return `nearest_neighbours(rows, k)`, from those of the most similar earlier rows, with the rows' digests."""

    def similarity(stored: Shard) -> float:
        return 1 - changed_share(stored["row_digests"], digests) if "row_digests" in stored else 0.0

    earlier = cache.most_similar("neighbours", similarity)
    if earlier is None:
        found = nearest_neighbours(rows, k)
    else:
        lists = Neighbours(earlier["index"], earlier["distance"], earlier["left_out"])
        found = updated_neighbours(rows, k, lists, match_rows(earlier["row_digests"], digests))
    return {**vars(found), "row_digests": digests}


def count_same_label(index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how many of the neighbours `(N, k)` have the image's label; −1 for an image without a label."""
    same = (labels[index] == labels[:, None]) & (index >= 0)
    counts: np.ndarray = np.where(labels >= 0, same.sum(1), -1)
    return counts


def count_shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how many neighbours two lists `(N, k)` share, `(N,)`."""
    counts: np.ndarray = ((a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]).sum((1, 2))
    return counts


def majority_label(index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the most frequent label `(N,)` of the neighbours `(N, k)`, of equally frequent ones the nearest; −1 if no
    neighbour has a label.

    labels: `(M,)` of the images that `index` refers to.
    """
    majority = np.full(len(index), -1)
    for start in range(0, len(index) if index.shape[1] else 0, BLOCK):
        block = index[start : start + BLOCK]
        voters = np.where(block >= 0, labels[block], -1)
        votes = (voters[:, :, None] == voters[:, None, :]).sum(2) * (voters >= 0)
        majority[start : start + BLOCK] = np.take_along_axis(voters, votes.argmax(1)[:, None], 1)[:, 0]
    return majority


def knn_accuracy(
    neighbours: Neighbours, labels: np.ndarray, k: int, reference_labels: np.ndarray | None = None
) -> Rate | None:
    """Return the share of labelled images whose k nearest neighbours have the image's label as majority.

    reference_labels: `(M,)` labels of the neighbours if they are from another set. None for fewer than k neighbours.
    """
    judged = (labels >= 0) & (neighbours.index[:, :1] >= 0).any(1)
    if neighbours.index.shape[1] < k:
        return None
    majority = majority_label(neighbours.index[:, :k], labels if reference_labels is None else reference_labels)
    return Rate.of(majority[judged] == labels[judged])


def hub_counts(index: np.ndarray) -> np.ndarray:
    """Return in how many lists of neighbours `(N, k)` each image occurs: N_k of Radovanović et al., JMLR 2010."""
    return np.bincount(index[index >= 0], minlength=len(index))


def skewness(counts: np.ndarray) -> float:
    """Return the third standardized moment of N_k, their measure of hubness; 0 if all counts are equal."""
    difference = counts - counts.mean()
    std = float(np.sqrt(np.square(difference).mean()))
    return float((difference**3).mean() / std**3) if std > 0 else 0.0


def near_duplicates(space: Space) -> list[tuple[int, int, float]]:
    """Return pairs i < j of near-duplicates with their distance, the closest first."""
    pairs = {(min(i, j), max(i, j)): d for i, j, d in close_pairs(space.neighbours, space.duplicate_distance)}
    return sorted(((*pair, d) for pair, d in pairs.items()), key=lambda pair: (pair[2], pair[:2]))


def close_pairs(neighbours: Neighbours, limit: float) -> list[tuple[int, int, float]]:
    """Return (i, j, distance) of every image i and neighbour j of it within the limit, the closest first."""
    i, column = np.nonzero(neighbours.distance <= limit)
    j, distance = neighbours.index[i, column], neighbours.distance[i, column]
    order = np.lexsort((j, i, distance))
    return list(zip(i[order].tolist(), j[order].tolist(), distance[order].tolist(), strict=True))


def label_outliers(index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the labelled images none of whose neighbours `(N, k)` has their label, although all have one; those whose
    neighbours agree most come first."""
    others = np.where(index >= 0, labels[index], -1)
    is_outlier = (labels >= 0) & (others >= 0).all(1) & (others != labels[:, None]).all(1) & (index.shape[1] > 0)
    agreeing = (others == majority_label(index, labels)[:, None]).sum(1)
    return np.flatnonzero(is_outlier)[np.argsort(-agreeing[is_outlier], kind="stable")]
