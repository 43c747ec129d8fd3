"""Embedding maps: the images in two dimensions by t-SNE, PCA and on a grid, by features and by pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from reportgen.embedding.continued_maps import (
    components_of,
    earlier_at,
    has_earlier_axes,
    is_continued,
    projected,
)
from reportgen.embedding.grid import MAX_EXACT, assign_cells, full_grid_shape, place_in_free_cells
from reportgen.embedding.label_sets import LabelSets
from reportgen.embedding.map_quality import MapQuality, measure_qualities
from reportgen.embedding.projections import PrincipalComponents
from reportgen.embedding.space import Space
from reportgen.parallel import return_freed_memory
from reportgen.store.results_cache import Arrays, ResultsCache, cached

GRID_ASPECT = 1.4
"""Width ÷ height of the grid: about that of the part of a page where maps are shown."""


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """One embedding map.

    positions: `(N, 2)` x to the right and y downward, NaN for images with features that are not finite.
    note: what distances on the map mean; quality: None for fewer than four images; is_continued: it continues the map
    of an earlier run.
    """

    name: str
    label: str
    note: str
    positions: np.ndarray
    quality: MapQuality | None
    is_continued: bool = False

    @cached_property
    def unit_positions(self) -> np.ndarray:
        """`(N, 2)` positions in [0, 1], see `to_unit`."""
        return to_unit(self.positions)


@dataclass(frozen=True)
class EmbeddingMaps:
    """All embedding maps, in the order of display. components: PCA of the features; grid_shape: rows and columns."""

    maps: Sequence[EmbeddingMap]
    components: PrincipalComponents
    grid_shape: tuple[int, int]


def make_embedding_maps(
    features: Space,
    pixels: Space,
    labels: np.ndarray,
    cache: ResultsCache | None = None,
    fresh: bool = False,
    sets: LabelSets | None = None,
) -> EmbeddingMaps:
    """Return t-SNE, PCA and grid of the features, and, for comparison, t-SNE and PCA of the pixels.

    labels: `(N,)`, −1 for none; cache: where the maps are stored for the next run; fresh: no t-SNE continues that of an
    earlier run, see `reportgen.embedding.continued_maps`; sets: the labels of images that may have several.
    """
    shape = full_grid_shape(len(labels) - len(features.neighbours.left_out), GRID_ASPECT)
    maps, components = _maps_of(features, "", "features", labels, shape, cache, fresh, sets)
    pixel_maps, _ = _maps_of(pixels, "pixels-", "pixels", labels, None, cache, fresh, sets)
    return_freed_memory()
    return EmbeddingMaps([*maps, *pixel_maps], components, shape)


def _maps_of(
    space: Space,
    prefix: str,
    source: str,
    labels: np.ndarray,
    grid: tuple[int, int] | None,
    cache: ResultsCache | None,
    fresh: bool,
    sets: LabelSets | None,
) -> tuple[list[EmbeddingMap], PrincipalComponents]:
    """Return the maps of one space. prefix: of their names; source: what the rows are; grid: its shape, if wanted."""
    arrays = projected(space, cache, fresh)
    components = components_of(arrays)
    pca = np.zeros_like(arrays["tsne"])
    pca[:, : components.positions.shape[1]] = components.positions[:, :2]
    variance = ", ".join(f"{100 * share:.1f} %" for share in components.explained[:2])
    near = "near images stay near; distances between clusters mean little"
    axes = f"the first two axes explain {variance} of the variance"
    if continues := is_continued(arrays):
        near += "; continues the map of an earlier run (--fresh-maps computes it anew)"
    if has_earlier_axes(arrays):
        axes += "; axes and shares are those of an earlier run (--fresh-maps computes them anew)"
    kinds = [("tsne", "t-SNE", near, arrays["tsne"]), ("pca", "PCA", axes, pca)]
    if grid is not None:
        earlier = cache if continues else None
        inputs = [arrays["tsne"], grid]
        cells = cached(cache, "grid", inputs, partial(_assign_grid, arrays["tsne"], grid, earlier))["cells"]
        kinds.append(("grid", "Grid", f"the t-SNE of {source} with a cell of its own for every image", cells))
    qualities = measure_qualities(space, [positions for *_, positions in kinds], labels, sets=sets)
    maps = [
        EmbeddingMap(prefix + kind, f"{label} of {source}", note, positions, quality, continues)
        for (kind, label, note, positions), quality in zip(kinds, qualities, strict=True)
    ]
    return maps, components


def _assign_grid(positions: np.ndarray, shape: tuple[int, int], cache: ResultsCache | None) -> Arrays:
    """Return `grid_positions`. cache: may have a grid of this shape with nearly all of these positions, whose images
    then keep their cells."""

    known = None
    if cache and (found := earlier_at(positions, cache, "grid", lambda stored: tuple(stored["shape"]) == shape)):
        earlier, source = found
        known = np.where((source >= 0)[:, None], earlier["cells"][source], np.nan)
    return {"cells": grid_positions(positions, shape, known), "positions": positions, "shape": np.array(shape)}


def grid_positions(positions: np.ndarray, shape: tuple[int, int], known: np.ndarray | None = None) -> np.ndarray:
    """Return the centres `(N, 2)` of the images' cells, in cells; NaN for images without a position.

    known: `(N, 2)` centres of the images that stay, NaN for others. With more than `MAX_EXACT` others, none stays.
    """
    rows, columns = shape
    use = np.isfinite(positions).all(1)
    centres = np.full(positions.shape, np.nan)
    if use.any():
        if known is not None and np.isnan(known[use, 0]).sum() <= MAX_EXACT:
            x, y = np.nan_to_num(known[use], nan=-1).astype(np.int64).T
            cell = place_in_free_cells(positions[use], np.where(x < 0, -1, y * columns + x), rows, columns)
        else:
            cell = assign_cells(positions[use], rows, columns)
        centres[use] = np.column_stack((cell % columns + 0.5, cell // columns + 0.5))
    return centres


def to_unit(positions: np.ndarray) -> np.ndarray:
    """Shift and scale positions `(N, A)` into [0, 1], all axes by the same factor and centred; NaN stays NaN."""
    use = np.isfinite(positions).all(1)
    if not use.any():
        return np.full(positions.shape, np.nan)
    low, high = positions[use].min(0), positions[use].max(0)
    span = (high - low).max()
    unit: np.ndarray = 0.5 + (positions - (low + high) / 2) / (span if span > 0 else 1)
    return unit
