"""The embedding maps as pictures, their quality, and the data for the interactive map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.draw.tiles import grid_picture, map_margin, map_picture, repeated_picture, tile_side
from reportgen.embedding.chance import Range, chance_preservation, chance_trustworthiness, knn_range
from reportgen.embedding.density import density_contours
from reportgen.embedding.grid import nearest_points
from reportgen.embedding.label_sets import count_with_common_label, random_overlap
from reportgen.embedding.map_quality import QUALITY_NEIGHBOURS, MapQuality
from reportgen.embedding.space import N_SHOWN, count_same_label, hub_counts
from reportgen.gallery.components.embedding_chunks import MAP_SIZE, Thumbnails, class_colours, write_embedding_chunks
from reportgen.gallery.components.embedding_regions import (
    PictureName,
    RegionRow,
    picture_names,
    region_rows,
    write_region_chunk,
)
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.gallery.core.registry import page

POSTER_WIDTH = 4000
"""Approximate width of the poster in pixels."""
NEAREST_ROWS, NEAREST_COLUMNS = 21, 30
"""Size of the grid that shows, at each position of the map, the nearest image."""

MAX_REGIONS = 100
"""Most rows of the table of regions; `regions.csv` has all of them."""


@dataclass(frozen=True)
class MapRow:
    """An embedding map. how: how it was computed; picture, quality: None where there is none.

    names: of regions, on the picture.
    """

    name: str
    label: str
    how: str
    picture: MediaFile | None
    quality: MapQuality | None
    names: Sequence[PictureName] = ()


@dataclass(frozen=True)
class ChanceQuality:
    """The quality that a map with random positions has on average. accuracy: also the highest possible one; overlap: of
    several labels an image."""

    trustworthiness: float
    preservation: float
    accuracy: Range | None
    overlap: float | None


@dataclass(frozen=True)
class EmbeddingPage:
    """All maps. chance: quality of random positions; placed: number of images with a position, of `total`; data: URLs
    of the chunks.

    regions: the largest of the `region_count` of the t-SNE map; clustered: number of images that they were found with;
    is_multilabel: images may have several labels.
    """

    rows: Sequence[MapRow]
    chance: ChanceQuality | None
    regions: Sequence[RegionRow]
    region_count: int
    clustered: int
    poster: MediaFile | None
    nearest: MediaFile | None
    placed: int
    total: int
    data: Mapping[str, Any]
    is_multilabel: bool


@page(
    "embedding/index.html",
    nav=("Map", "Embedding map"),
    order=50,
    about="Embedding maps: t-SNE and PCA of the features and of the pixels, a grid of all images, named regions with "
    "their errors, and the quality of each map.",
    multilabel=True,
)
def embedding(audit: Audit, media: Media) -> EmbeddingPage:
    """The page, its pictures and its chunks of data. Errors: OutputError."""
    maps, n = audit.embedding_maps, len(audit.samples)
    thumbnails, side = Thumbnails(audit), tile_side(n)
    colours = class_colours(np.where(audit.labels >= 0, audit.labels, audit.main.classification.top_classes[:, 0]))
    rgb = [(r, g, b) for r, g, b in map(bytes.fromhex, colours)]
    rows, margin = [], map_margin(n, MAP_SIZE)
    for layout in maps.maps:
        names = list[PictureName]()
        if layout.name == "grid":
            picture = media.draw(grid_picture, layout.positions, maps.grid_shape, thumbnails, MAP_SIZE[0])
        else:
            unit = layout.unit_positions
            picture = media.draw(map_picture, unit, rgb, thumbnails, MAP_SIZE, density_contours(unit))
        if layout.name == "tsne":
            aspect = MAP_SIZE[1] / MAP_SIZE[0]
            names = picture_names(audit.region_summaries, layout.unit_positions, margin, aspect)
        rows.append(MapRow(layout.name, layout.label, layout.note, picture, layout.quality, names))
    grid = next(layout for layout in maps.maps if layout.name == "grid")
    positions = maps.maps[0].positions
    placed = np.flatnonzero(np.isfinite(positions).all(1))
    poster = nearest = None
    if len(placed):
        poster = media.draw(grid_picture, grid.positions, maps.grid_shape, thumbnails, POSTER_WIDTH)
        images = placed[nearest_points(positions[placed], NEAREST_ROWS, NEAREST_COLUMNS)]
        nearest = media.draw(repeated_picture, images, thumbnails, MAP_SIZE[0])
    near, sets = audit.feature_space.neighbours.index[:, :N_SHOWN], audit.label_sets
    agreement = count_with_common_label(near, *sets) if sets else count_same_label(near, audit.labels)
    numbers = {
        "agreement": agreement.astype(np.int16),
        "hub": np.minimum(hub_counts(near), 2**15 - 1).astype(np.int16),
    }
    chunks = write_embedding_chunks(media.site, maps, numbers, lambda i: thumbnails(i, side), side, thumbnails.digests)
    chunks["regions"] = write_region_chunk(
        media.site, maps, audit.map_regions, audit.region_summaries, audit.main.has_groups
    )
    return EmbeddingPage(
        rows,
        _chance_quality(audit, placed),
        region_rows(audit)[:MAX_REGIONS],
        len(audit.map_regions),
        audit.map_regions.n_clustered,
        poster,
        nearest,
        len(placed),
        n,
        chunks,
        audit.is_multilabel,
    )


def _chance_quality(audit: Audit, placed: np.ndarray) -> ChanceQuality | None:
    """placed: rows of the images on the maps."""
    n, labels, sets = len(placed), audit.labels[placed], audit.label_sets
    k = min(QUALITY_NEIGHBOURS, (n - 1) // 2)
    if k < 1:
        return None
    index = audit.feature_space.neighbours.index
    accuracy = knn_range(index, audit.labels, min(N_SHOWN, n - 1)) if (labels >= 0).any() else None
    overlap = random_overlap(*sets.of(placed)) if sets else np.nan
    chances = chance_trustworthiness(n, k), chance_preservation(n, k)
    return ChanceQuality(*chances, accuracy, None if np.isnan(overlap) else overlap)
