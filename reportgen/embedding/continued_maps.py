"""PCA and t-SNE of a space, the t-SNE from the map of an earlier run if few images have changed since.

A map that continues another one depends on what was computed before. It is stored under a key of its own, so that a map
which was computed from its rows alone is always found, and preferred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from importlib.metadata import version

import numpy as np

from reportgen.embedding.projections import (
    CONTINUED_ITERATIONS,
    N_COMPONENTS,
    PrincipalComponents,
    continued_tsne,
    placed_rows,
    principal_components,
    tsne,
)
from reportgen.embedding.row_matching import changed_share, match_rows, position_digests
from reportgen.embedding.space import Space
from reportgen.store.results_cache import Arrays, ResultsCache
from reportgen.store.shard import Shard

SEED = 0
MIN_CONTINUED = 2_000
"""Fewest images of a map that is continued: smaller ones take a few seconds."""
MAX_CHANGED_SHARE = 0.1
"""Largest share of images that differ from those of the last map that was computed from all images. Beyond, a map is
computed from all images again."""
MAX_PLACED_SHARE = 0.01
"""Largest share of images that differ from those of the last map on which all images moved. Up to it, only new images
get a position; the axes of PCA and all other images, and with them the grid and the regions, stay as they are."""


def projected(space: Space, cache: ResultsCache | None, fresh: bool) -> Arrays:
    """Return PCA and t-SNE of a space, stored or new.

    Arrays: see `components_of`; `tsne (N, 2)`, `row_digests (N, 16)`, and, if the t-SNE continues another one,
    `origin (M, 16)` and `moved (L, 16)`: the digests of the rows of the first of them, and of the last one on which all
    rows moved.
    fresh: t-SNE does not continue that of an earlier run.
    """
    digests = space.digests
    if cache is None:
        return _project(space, digests)
    inputs = [digests, SEED, N_COMPONENTS, version("openTSNE")]
    if not fresh and len(space.placed) >= MIN_CONTINUED and not cache.has("maps", inputs):
        continued = [*inputs, CONTINUED_ITERATIONS, MAX_PLACED_SHARE]
        earlier = lru_cache(partial(_earlier_map, cache, digests))
        if cache.has("maps", continued) or earlier():
            return cache.get("maps", continued, lambda: _continue(space, digests, earlier()))
    return cache.get("maps", inputs, partial(_project, space, digests))


def components_of(arrays: Arrays) -> PrincipalComponents:
    """Return the PCA of `projected`."""
    return PrincipalComponents(arrays["axes"], arrays["explained"], arrays["mean"], arrays["loadings"])


def is_continued(arrays: Arrays) -> bool:
    """Whether the t-SNE of `projected` continues that of an earlier run."""
    return "origin" in arrays


def has_earlier_axes(arrays: Arrays) -> bool:
    """Whether the PCA of `projected` has the axes of an earlier run."""
    return is_continued(arrays) and not np.array_equal(arrays["moved"], arrays["row_digests"])


def _project(space: Space, digests: np.ndarray) -> Arrays:
    components = principal_components(space.rows)
    return {**_as_arrays(components), "tsne": tsne(space, components, SEED), "row_digests": digests}


def _as_arrays(components: PrincipalComponents) -> Arrays:
    """Return what `components_of` reads."""
    return {
        "axes": components.positions,
        "explained": components.explained,
        "mean": components.mean,
        "loadings": components.loadings,
    }


def _continue(space: Space, digests: np.ndarray, earlier: Arrays | None) -> Arrays:
    """Return `projected` with the t-SNE that continues an earlier map, or a new one if there is no such map."""
    if earlier is None:
        return _project(space, digests)
    source = match_rows(earlier["row_digests"], digests)
    known = np.where((source >= 0)[:, None], earlier["tsne"][source], np.nan)
    moved = earlier.get("moved", earlier["row_digests"])
    is_placed = changed_share(moved, digests) <= MAX_PLACED_SHARE
    components = _on_earlier_axes(space, source, earlier) if is_placed else principal_components(space.rows)
    return {
        **_as_arrays(components),
        "tsne": placed_rows(space, known) if is_placed else continued_tsne(space, known),
        "row_digests": digests,
        "origin": earlier.get("origin", earlier["row_digests"]),
        "moved": moved if is_placed else digests,
    }


def _on_earlier_axes(space: Space, source: np.ndarray, earlier: Arrays) -> PrincipalComponents:
    """Return the PCA of an earlier map with the rows of this space. source: `(N,)`, the earlier row of each, or −1."""
    components = components_of(earlier)
    positions = np.where((source >= 0)[:, None], components.positions[source], np.nan)
    new = np.intersect1d(np.flatnonzero(source < 0), space.placed)
    positions[new] = components.project(space.rows[new])
    return replace(components, positions=positions)


def _earlier_map(cache: ResultsCache, digests: np.ndarray) -> Arrays | None:
    """Return the stored map with the most of these rows, if few have changed since its first computation."""

    def similarity(stored: Shard) -> float:
        if "loadings" not in stored:
            return 0.0
        origin = stored["origin" if "origin" in stored else "row_digests"]
        is_similar = changed_share(origin, digests) <= MAX_CHANGED_SHARE
        return 1 - changed_share(stored["row_digests"], digests) if is_similar else 0.0

    return cache.most_similar("maps", similarity)


def earlier_at(
    positions: np.ndarray, cache: ResultsCache, kind: str, fits: Callable[[Shard], bool] = lambda stored: True
) -> tuple[Arrays, np.ndarray] | None:
    """Return the stored result of a map with nearly all of these positions, and the row of each image in it, or −1.

    positions: `(N, 2)`; kind: of results that store their `positions`; fits: whether a stored one can be used.
    """
    digests = position_digests(positions)

    def similarity(stored: Shard) -> float:
        if "positions" not in stored or not fits(stored):
            return 0.0
        share = changed_share(position_digests(stored["positions"]), digests)
        return 1 - share if share <= MAX_PLACED_SHARE else 0.0

    earlier = cache.most_similar(kind, similarity)
    return None if earlier is None else (earlier, match_rows(position_digests(earlier["positions"]), digests))
