"""Regions of an embedding map: clusters of its points at three sizes, nested in each other."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from reportgen.embedding.continued_maps import earlier_at
from reportgen.store.results_cache import Arrays, ResultsCache, cached

MIN_SHARES = (0.05, 0.015, 0.004)
"""Levels of regions, from coarse to fine: the share of the clustered images that the smallest region of a level has."""
MIN_IMAGES = 5
"""Fewest images of a region at every level; also HDBSCAN's `min_samples`, so that all levels cut one dendrogram."""
MAX_CLUSTERED = 10_000
"""Most images that are clustered, because the time grows with their square; of more images a sample is clustered."""
SAME_SHARE = 0.9
"""A region with this share of the images of a larger one is the same region, not a part of it."""


@dataclass(frozen=True, eq=False)
class MapRegions:
    """Nested regions, the largest first.

    smallest: `(N,)` int64, the smallest region of each image, −1 for none.
    parent:   `(R,)` int64, the smallest region that contains region r, −1 for none; it comes before r.
    levels:   `(R, 3)` bool, whether region r is one of the clusters of a level; the first level is the coarsest.
    n_clustered: number of images that were clustered; the others follow the nearest one of these.
    """

    smallest: np.ndarray
    parent: np.ndarray
    levels: np.ndarray
    n_clustered: int

    def __len__(self) -> int:
        return len(self.parent)

    def members(self, region: int) -> np.ndarray:
        """Return the images of a region, its parts included, in ascending order."""
        inside = np.zeros(len(self) + 1, bool)  # the last one is that of the images without a region
        inside[region] = True
        for child in range(region + 1, len(self)):
            inside[child] = self.parent[child] >= 0 and inside[self.parent[child]]
        return np.flatnonzero(inside[self.smallest])


def find_regions(
    positions: np.ndarray, seed: int = 0, cache: ResultsCache | None = None, continues: bool = False
) -> MapRegions:
    """Return the regions of a map `(N, 2)`; images at NaN have none.

    Each level is HDBSCAN (Campello, Moulavi and Sander, PAKDD 2013) by excess of mass, with its own smallest size.
    All levels have the same `min_samples`, so their clusters are branches of one dendrogram: two of them are nested or
    disjoint. seed: of the sample of more than `MAX_CLUSTERED` images; cache: where regions are stored for the next run;
    continues: the map continues another one, so that the regions of images that stay at their place stay, too.
    """

    def compute() -> Arrays:
        earlier = earlier_at(positions, cache, "regions") if cache and continues else None
        return (earlier and _continue(positions, *earlier)) or _cluster(positions, seed)

    inputs = [positions, seed, MIN_SHARES, MIN_IMAGES, MAX_CLUSTERED, SAME_SHARE, version("scikit-learn"), continues]
    arrays = cached(cache, "regions", inputs, compute)
    return MapRegions(arrays["smallest"], arrays["parent"], arrays["levels"], int(arrays["is_clustered"].sum()))


def _cluster(positions: np.ndarray, seed: int) -> Arrays:
    use = np.flatnonzero(np.isfinite(positions).all(1))
    sample = use
    if len(use) > MAX_CLUSTERED:
        sample = np.sort(np.random.default_rng(seed).choice(use, MAX_CLUSTERED, replace=False))
    of_sample, parent, levels = _nest(_clusters_by_level(positions[sample]), len(sample))
    smallest, is_clustered = np.full(len(positions), -1), np.zeros(len(positions), bool)
    smallest[sample], is_clustered[sample] = of_sample, True
    _follow_nearest(positions, smallest, sample)
    arrays = {"smallest": smallest, "parent": parent, "levels": levels}
    return {**arrays, "is_clustered": is_clustered, "positions": positions}


def _follow_nearest(positions: np.ndarray, smallest: np.ndarray, known: np.ndarray) -> None:
    """Give all other images with a position the region of the nearest known one, in place. known: `(M,)` indices."""
    from scipy.spatial import cKDTree

    rest = np.setdiff1d(np.flatnonzero(np.isfinite(positions).all(1)), known)
    if len(known) and len(rest):
        smallest[rest] = smallest[known][cKDTree(positions[known]).query(positions[rest])[1]]


def _continue(positions: np.ndarray, earlier: Arrays, source: np.ndarray) -> Arrays | None:
    """Return earlier regions with these positions: new images follow the nearest known one. None if one is empty.

    source: `(N,)`, the earlier row of each image, or −1.
    """
    is_known = (source >= 0) & np.isfinite(positions).all(1)
    smallest = np.where(is_known, earlier["smallest"][source], -1)
    _follow_nearest(positions, smallest, np.flatnonzero(is_known))
    regions = MapRegions(smallest, earlier["parent"], earlier["levels"], 0)
    sizes = np.array([len(regions.members(region)) for region in range(len(regions))], int)
    order = np.argsort(-sizes, kind="stable")  # a region comes after the one that contains it
    if not sizes.all():
        return None
    number = np.append(np.argsort(order), -1)  # by the earlier number; the last one is that of no region
    return {
        "smallest": number[smallest],
        "parent": number[earlier["parent"][order]],
        "levels": earlier["levels"][order],
        "is_clustered": is_known & earlier["is_clustered"][source],
        "positions": positions,
    }


def _clusters_by_level(points: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Return (level, members) of the clusters of all levels."""
    from sklearn.cluster import HDBSCAN  # heavy, and not needed to list the pages

    clusters = []
    for level, share in enumerate(MIN_SHARES):
        size = max(MIN_IMAGES, round(share * len(points)))
        if len(points) < 2 * size:
            continue
        method = HDBSCAN(min_cluster_size=size, min_samples=MIN_IMAGES, copy=True)
        cluster = method.fit(points).labels_
        clusters += [(level, np.flatnonzero(cluster == k)) for k in range(cluster.max() + 1)]
    return clusters


def _nest(clusters: list[tuple[int, np.ndarray]], n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the smallest region of each of n points, and parent and levels of each region."""
    smallest, parent, levels = np.full(n, -1), list[int](), list[np.ndarray]()
    sizes = list[int]()
    for level, members in sorted(clusters, key=lambda cluster: (-len(cluster[1]), cluster[1][0], cluster[0])):
        around = int(smallest[members[0]])  # of larger clusters that have one of its members, each has all of them
        if around >= 0 and len(members) >= SAME_SHARE * sizes[around]:
            levels[around][level] = True
            continue
        smallest[members] = len(parent)
        parent.append(around)
        sizes.append(len(members))
        levels.append(np.arange(len(MIN_SHARES)) == level)
    return smallest, np.array(parent, int), np.array(levels, bool).reshape(-1, len(MIN_SHARES))
