"""The embedding maps as pictures, their quality, and the data for the interactive map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.draw.tiles import grid_picture, map_picture, repeated_picture, tile_side
from reportgen.embedding.chance import Range, chance_preservation, chance_trustworthiness, knn_range
from reportgen.embedding.grid import nearest_points
from reportgen.embedding.projections import QUALITY_NEIGHBOURS, MapQuality
from reportgen.embedding.space import N_SHOWN, count_same_label, hub_counts
from reportgen.gallery.components.embedding_chunks import MAP_SIZE, Thumbnails, class_colours, write_embedding_chunks
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.gallery.core.registry import page

POSTER_WIDTH = 4000
"""Approximate width of the poster in pixels."""
NEAREST_ROWS, NEAREST_COLUMNS = 21, 30
"""Size of the grid that shows, at each position of the map, the nearest image."""


@dataclass(frozen=True)
class MapRow:
    """An embedding map. how: how it was computed; picture, quality: None where there is none."""

    name: str
    label: str
    how: str
    picture: MediaFile | None
    quality: MapQuality | None


@dataclass(frozen=True)
class ChanceQuality:
    """The quality that a map with random positions has on average. accuracy: also the highest possible one."""

    trustworthiness: float
    preservation: float
    accuracy: Range | None


@dataclass(frozen=True)
class EmbeddingPage:
    """All maps. chance: quality of random positions; placed: number of images with a position, of `total`; data: URLs
    of the chunks."""

    rows: Sequence[MapRow]
    chance: ChanceQuality | None
    poster: MediaFile | None
    nearest: MediaFile | None
    placed: int
    total: int
    data: Mapping[str, Any]


@page(
    "embedding/index.html",
    nav=("Map", "Embedding map"),
    order=50,
    about="Embedding maps: t-SNE and PCA of the features and of the pixels, a grid of all images, and their quality.",
)
def embedding(audit: Audit, media: Media) -> EmbeddingPage:
    """The page, its pictures and its chunks of data. Errors: OutputError."""
    maps, n = audit.embedding_maps, len(audit.samples)
    thumbnails, side = Thumbnails(audit), tile_side(n)
    colours = class_colours(np.where(audit.labels >= 0, audit.labels, audit.main.classification.top_classes[:, 0]))
    rgb = [(r, g, b) for r, g, b in map(bytes.fromhex, colours)]
    rows = []
    for layout in maps.maps:
        if layout.name == "grid":
            picture = media.draw(grid_picture, layout.positions, maps.grid_shape, thumbnails, MAP_SIZE[0])
        else:
            picture = media.draw(map_picture, layout.unit_positions, rgb, thumbnails, MAP_SIZE)
        rows.append(MapRow(layout.name, layout.label, layout.note, picture, layout.quality))
    grid = next(layout for layout in maps.maps if layout.name == "grid")
    positions = maps.maps[0].positions
    placed = np.flatnonzero(np.isfinite(positions).all(1))
    poster = nearest = None
    if len(placed):
        poster = media.draw(grid_picture, grid.positions, maps.grid_shape, thumbnails, POSTER_WIDTH)
        images = placed[nearest_points(positions[placed], NEAREST_ROWS, NEAREST_COLUMNS)]
        nearest = media.draw(repeated_picture, images, thumbnails, MAP_SIZE[0])
    near = audit.feature_space.neighbours.index[:, :N_SHOWN]
    numbers = {
        "agreement": count_same_label(near, audit.labels).astype(np.int16),
        "hub": np.minimum(hub_counts(near), 2**15 - 1).astype(np.int16),
    }
    chunks = write_embedding_chunks(media.site, maps, numbers, lambda i: thumbnails(i, side), side, thumbnails.digests)
    return EmbeddingPage(rows, _chance_quality(audit, placed), poster, nearest, len(placed), n, chunks)


def _chance_quality(audit: Audit, placed: np.ndarray) -> ChanceQuality | None:
    """placed: rows of the images on the maps."""
    n, labels = len(placed), audit.labels[placed]
    k = min(QUALITY_NEIGHBOURS, (n - 1) // 2)
    if k < 1:
        return None
    index = audit.feature_space.neighbours.index
    accuracy = knn_range(index, audit.labels, min(N_SHOWN, n - 1)) if (labels >= 0).any() else None
    return ChanceQuality(chance_trustworthiness(n, k), chance_preservation(n, k), accuracy)
