"""The pages of a comparison that look inside: whose neighbours moved, and which units changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.draw.tiles import map_picture, tile
from reportgen.embedding.maps import to_unit
from reportgen.embedding.projections import principal_components, tsne
from reportgen.embedding.space import SHOWN, knn_accuracy, overlap
from reportgen.gallery.comparison.pairing import Paired, Side
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.core.media import Album, Media
from reportgen.gallery.pages.embedding import STILL
from reportgen.metrics.intervals import Rate
from reportgen.metrics.paired import UnitChanges

MOST = 12
"""Images whose neighbours changed most, and units of one layer, that are shown."""
COLOURS = {"both right": (95, 99, 107), "fixed": (54, 190, 138), "broken": (255, 92, 80), "both wrong": (240, 179, 90)}
"""Of the dots and frames on the maps; without labels all are grey."""


@dataclass(frozen=True)
class Moved:
    """An image with its nearest under A and under B, as two rows of figures."""

    shared: int
    figures: Sequence[Figure]


@dataclass(frozen=True)
class NeighboursPage:
    """How far the two networks agree on what is alike. histogram: images by how many of the `shown` nearest both name;
    maps: t-SNE of each network's codes, with its name."""

    a: str
    b: str
    shown: int
    mean: float
    accuracy: tuple[Rate | None, Rate | None]
    histogram: Sequence[int]
    moved: Sequence[Moved]
    maps: Sequence[tuple[str, Media]]
    colours: Sequence[tuple[str, str]]


def neighbours_page(paired: Paired, album: Album) -> NeighboursPage:
    """The page; its neighbours are among the matched images alone."""
    sides = (paired.a, paired.b)
    near = [side.codes.neighbours.index[:, :SHOWN] for side in sides]
    shared = overlap(*near)
    known = np.flatnonzero(np.all([(index >= 0).any(1) for index in near], 0))
    order = sorted(map(int, known), key=lambda i: (shared[i], i))[:MOST]
    labels = np.unique(paired.a.labels, return_inverse=True)[1] - int("" in paired.a.labels)
    a, b = (knn_accuracy(side.codes.neighbours, labels, min(SHOWN, near[0].shape[1])) for side in sides)
    right = [side.right["top1"] for side in sides]
    names = np.array(["both wrong", "fixed", "broken", "both right"])[2 * right[0] + right[1]]
    if "top1" not in paired.changes:
        names[:] = "both right"
    return NeighboursPage(
        a=paired.a.name,
        b=paired.b.name,
        shown=near[0].shape[1],
        mean=float(shared.mean()),
        accuracy=(a, b),
        histogram=np.bincount(shared, minlength=near[0].shape[1] + 1).tolist(),
        moved=[Moved(int(shared[i]), [*_strip(album, paired.a, i), *_strip(album, paired.b, i)]) for i in order],
        maps=[(side.name, _map(album, side, names)) for side in sides],
        colours=[(f"#{bytes(rgb).hex()}", name) for name, rgb in COLOURS.items()] if "top1" in paired.changes else [],
    )


def _strip(album: Album, side: Side, i: int) -> list[Figure]:
    figures = [_photo(album, side, i, side.name)]
    for j, distance in zip(side.codes.neighbours.index[i], side.codes.neighbours.distance[i][:SHOWN], strict=False):
        figures.append(_photo(album, side, int(j), "", f"{distance:.3g}", i))
    return figures


def _photo(album: Album, side: Side, i: int, first: str = "", value: str = "", beside: int | None = None) -> Figure:
    """The photograph of matched image i under its label; `first` stands over the first of a row."""
    label = str(side.labels[i])
    picture = album.add(side.picture(i))
    same = beside is not None and label == side.labels[beside]
    return Figure(
        picture,
        str(side.predictions["name"][i]),
        (picture.width, picture.height),
        title=label or "no label",
        value=value,
        caption=first,
        relation="first" if first else "" if beside is None or not label else "same" if same else "other",
    )


def _map(album: Album, side: Side, names: np.ndarray) -> Media:
    """t-SNE of one side's codes."""
    positions = tsne(side.codes, principal_components(side.codes.rows))
    colours = [COLOURS[name] for name in names.tolist()]
    return album.add(map_picture(to_unit(positions), colours, lambda i, side_: tile(side.picture(i), side_), STILL))


@dataclass(frozen=True)
class Layer:
    """A layer that both have. likeness: median correlation of a unit with that of its number; matched: share of the
    units that are most like the unit of their own number; dead: under A and under B."""

    name: str
    units: int
    likeness: float | None
    matched: float | None
    dead: tuple[int, int]
    changed: Sequence[ChangedUnit]
    said: str


@dataclass(frozen=True)
class ChangedUnit:
    """A unit of A that B has least of. figures: its strongest images under A, and those of the unit under B."""

    number: int
    partner: int
    likeness: float
    figures: Sequence[Figure]


@dataclass(frozen=True)
class UnitsPage:
    """All layers that match."""

    a: str
    b: str
    layers: Sequence[Layer]
    others: Sequence[str]


def units_page(paired: Paired, album: Album) -> UnitsPage:
    """The page."""
    layers = [_layer(paired, album, name, units) for name, units in paired.units.items()]
    named = [set(side.model.settings["layers"]) for side in (paired.a, paired.b)]
    return UnitsPage(paired.a.name, paired.b.name, layers, sorted((named[0] | named[1]) - set(paired.units)))


EACH = 3
"""Changed units shown of one layer."""


def _layer(paired: Paired, album: Album, name: str, units: UnitChanges) -> Layer:
    alive = np.isfinite(units.own)
    partner = np.arange(len(units.own)) if units.same_numbering else units.best
    likeness = units.own if units.same_numbering else units.best_likeness
    order = np.argsort(np.where(np.isfinite(likeness), likeness, np.inf), kind="stable")[:EACH]
    said = (
        "Most units are most like the unit of their own number: the networks are relatives. Shown are the units that "
        "changed most, each beside the unit of its number."
        if units.same_numbering
        else "Units of one number have little in common: the networks were trained apart. Shown are the units "
        "that have the least of a counterpart, each beside what is most like it."
    )
    known = units.best >= 0
    return Layer(
        name,
        len(units.own),
        float(np.median(units.own[alive])) if alive.any() else None,
        float((units.best == np.arange(len(units.best)))[known].mean()) if known.any() else None,
        (int(units.dead_a.sum()), int(units.dead_b.sum())),
        [
            ChangedUnit(
                u, int(partner[u]), float(likeness[u]),
                [*_strongest(paired.a, album, name, u), *_strongest(paired.b, album, name, int(partner[u]))],
            )
            for u in map(int, order)
            if np.isfinite(likeness[u])
        ],
        said,
    )  # fmt: skip


def _strongest(side: Side, album: Album, layer: str, u: int) -> list[Figure]:
    maxima = side.model[f"units/{layer}/max"][side.rows][:, u]
    order = np.argsort(-np.nan_to_num(maxima, nan=-np.inf), kind="stable")[: SHOWN + 1]
    return [
        _photo(album, side, int(i), f"{side.name}, unit {u}" if place == 0 else "", f"{maxima[i]:.3g}")
        for place, i in enumerate(order)
    ]
