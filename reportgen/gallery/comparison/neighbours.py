"""Neighbours under both networks: how many are shared, embedding maps, and images whose neighbours changed most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.draw.tiles import map_picture, tile
from reportgen.embedding.maps import to_unit
from reportgen.embedding.projections import principal_components, tsne
from reportgen.embedding.space import N_SHOWN, count_shared, knn_accuracy
from reportgen.gallery.comparison.pairing import PairedReports, Side
from reportgen.gallery.comparison.photo_rows import photo
from reportgen.gallery.components.embedding_chunks import MAP_SIZE
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.metrics.intervals import Rate

MAX_IMAGES = 12
"""Images with the fewest shared neighbours that are shown."""
COLOURS = {"both right": (95, 99, 107), "fixed": (54, 190, 138), "broken": (255, 92, 80), "both wrong": (240, 179, 90)}
"""Of dots and frames on the maps; without labels all have the first."""


@dataclass(frozen=True)
class ChangedNeighbours:
    """An image with its nearest neighbours under A and under B, as two rows of figures. shared: by both."""

    shared: int
    figures: Sequence[Figure]


@dataclass(frozen=True)
class NeighboursPage:
    """k: neighbours of an image; mean_shared: of them by both networks, on average; accuracy: kNN accuracy.

    histogram: number of images by shared neighbours; maps: name of the network and t-SNE of its features; colours: the
    legend of the maps.
    """

    a: str
    b: str
    k: int
    mean_shared: float
    accuracy: tuple[Rate | None, Rate | None]
    histogram: Sequence[int]
    changed: Sequence[ChangedNeighbours]
    maps: Sequence[tuple[str, MediaFile]]
    colours: Sequence[tuple[str, str]]


def neighbours_page(paired: PairedReports, media: Media) -> NeighboursPage:
    """The page. Neighbours are among the matched images only."""
    sides = (paired.a, paired.b)
    near = [side.feature_space.neighbours.index[:, :N_SHOWN] for side in sides]
    k, shared = near[0].shape[1], count_shared(*near)
    has_neighbours = np.flatnonzero(np.all([(index >= 0).any(1) for index in near], 0))
    order = sorted(map(int, has_neighbours), key=lambda i: (shared[i], i))[:MAX_IMAGES]
    labels = np.unique(paired.a.labels, return_inverse=True)[1] - int("" in paired.a.labels)
    a, b = (knn_accuracy(side.feature_space.neighbours, labels, min(N_SHOWN, k)) for side in sides)
    names = _colour_names(paired)
    return NeighboursPage(
        a=paired.a.name,
        b=paired.b.name,
        k=k,
        mean_shared=float(shared.mean()),
        accuracy=(a, b),
        histogram=np.bincount(shared, minlength=k + 1).tolist(),
        changed=[
            ChangedNeighbours(int(shared[i]), [*_row(media, paired.a, i), *_row(media, paired.b, i)]) for i in order
        ],
        maps=[(side.name, _map(media, side, names)) for side in sides],
        colours=[(f"#{bytes(rgb).hex()}", name) for name, rgb in COLOURS.items()] if "top1" in paired.changes else [],
    )


def _colour_names(paired: PairedReports) -> list[str]:
    """The key of `COLOURS` for each matched image."""
    if "top1" not in paired.changes:
        return ["both right"] * paired.n
    right_a, right_b = (side.right["top1"].astype(int) for side in (paired.a, paired.b))
    names = ("both wrong", "fixed", "broken", "both right")
    return [names[2 * a + b] for a, b in zip(right_a.tolist(), right_b.tolist(), strict=True)]


def _row(media: Media, side: Side, i: int) -> list[Figure]:
    """Image i and its nearest neighbours."""
    neighbours = side.feature_space.neighbours
    figures = [photo(media, side, i, side.name)]
    for j, distance in zip(neighbours.index[i][:N_SHOWN], neighbours.distance[i][:N_SHOWN], strict=True):
        figures.append(photo(media, side, int(j), "", f"{distance:.3g}", i))
    return figures


def _map(media: Media, side: Side, names: Sequence[str]) -> MediaFile:
    """t-SNE of one network's features."""
    positions = tsne(side.feature_space, principal_components(side.feature_space.rows))
    colours = [COLOURS[name] for name in names]
    return media.add(map_picture(to_unit(positions), colours, lambda i, width: tile(side.jpeg(i), width), MAP_SIZE))
