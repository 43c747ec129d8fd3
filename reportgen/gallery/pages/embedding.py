"""The page of maps: what its pictures, its table and its data for the browser are."""

from __future__ import annotations

import base64
import colorsys
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.draw.tiles import ATLAS, atlas, grid_picture, map_picture, repeated_picture, side_for, small_tile, tile
from reportgen.embedding.grid import nearest_at
from reportgen.embedding.maps import Maps, to_unit
from reportgen.embedding.projections import Quality
from reportgen.embedding.space import SHOWN, agreement, hub_counts
from reportgen.gallery.core.data_chunks import kept_chunk, script, write_chunk
from reportgen.gallery.core.manifest import code_digest, digest_of
from reportgen.gallery.core.media import Album, Media

NOWHERE = 2**16 - 1
"""Coordinate of an image without a place; the others are whole numbers from 0 to NOWHERE − 1."""
STILL = (1200, 840)
"""Size of the maps that are files."""
POSTER = 4000
"""About how wide the poster is."""
MOST_ATLASES = 24
"""Beyond these, only representatives have thumbnails: those of a million images would be gigabytes."""
DISTINCT = ("0072b2", "e69f00", "009e73", "cc79a7", "56b4e9", "d55e00", "b8a800", "7f7f7f")
"""The first colours of classes, apart for every kind of eye (after Okabe and Ito)."""


@dataclass(frozen=True)
class MapRow:
    """One map: its picture, or None, and how far it can be trusted."""

    name: str
    label: str
    how: str
    picture: Media | None
    quality: Quality | None


@dataclass(frozen=True)
class MapsPage:
    """All maps. data: what the browser needs to draw them itself."""

    rows: Sequence[MapRow]
    poster: Media | None
    nearest: Media | None
    placed: int
    total: int
    data: Mapping[str, Any]


def maps_page(audit: Audit, album: Album, site: Path) -> MapsPage:
    """The page, its pictures and its chunks of data. Errors: OutputError."""
    maps = audit.maps
    n = len(audit.samples)
    tiles, side = Tiles(audit), side_for(n)
    colours = class_colours(np.where(audit.labels >= 0, audit.labels, audit.classification.top[:, 0]))
    rgb = [(r, g, b) for r, g, b in map(bytes.fromhex, colours)]
    rows = []
    for layout in maps.layouts:
        if layout.name == "grid":
            picture = album.draw(grid_picture, layout.positions, maps.grid, tiles, STILL[0])
        else:
            picture = album.draw(map_picture, layout.unit, rgb, tiles, STILL)
        rows.append(MapRow(layout.name, layout.label, layout.how, picture, layout.quality))
    grid = next(layout for layout in maps.layouts if layout.name == "grid")
    place = maps.layouts[0].positions
    use = np.flatnonzero(np.isfinite(place).all(1))
    poster = nearest = None
    if len(use):
        poster = album.draw(grid_picture, grid.positions, maps.grid, tiles, POSTER)
        nearest = album.draw(repeated_picture, use[nearest_at(place[use], 21, 30)], tiles, STILL[0])
    numbers = {
        "agreement": agreement(audit.code_space.neighbours.index[:, :SHOWN], audit.labels).astype(np.int16),
        "hub": np.minimum(hub_counts(audit.code_space.neighbours.index[:, :SHOWN]), 2**15 - 1).astype(np.int16),
    }
    chunks = write_maps(site, maps, numbers, lambda i: tiles(i, side), side, tiles.made_of)
    return MapsPage(rows, poster, nearest, len(use), n, chunks)


class Tiles:
    """Square thumbnails of an audit's images. Pickled they are what they are made of: of the same, pictures are drawn
    once (`Album.draw`)."""

    def __init__(self, audit: Audit) -> None:
        """made_of: `(N,)` the store's fingerprint and the image's digest."""
        self.made_of = np.char.add(audit.store.fingerprint.encode(), np.asarray(audit.store["samples/id"]))
        self._picture, self._side = audit.picture, side_for(len(audit.samples))
        self._small = np.asarray(audit.store["image/tiny"]) if self._side == 32 else None
        self._of_atlas = lru_cache(8192)(partial(self._made, side=self._side))  # all that are larger than tiny: 130 MB

    def __call__(self, i: int, side: int) -> Image.Image:
        if side > self._side:
            return self._made(i, side)
        return self._of_atlas(i).resize((side, side), Image.Resampling.LANCZOS)

    def _made(self, i: int, side: int) -> Image.Image:
        if self._small is None:
            return tile(self._picture(i), side)
        return small_tile(self._small[i]).resize((side, side))

    def __getstate__(self) -> np.ndarray:
        return self.made_of


def write_maps(
    site: Path,
    maps: Maps,
    numbers: Mapping[str, np.ndarray],
    tile_of: Callable[[int], Image.Image],
    side: int,
    made_of: np.ndarray,
) -> dict[str, Any]:
    """Writes the maps' chunks: places and numbers, and the atlases of thumbnails. Returns their addresses.

    numbers: columns `(N,)` that images can be coloured by; made_of: `(N,)` what each one's tile is made of: an atlas of
    the same tiles is not made again.
    """
    n = len(maps.layouts[0].positions)
    columns = {layout.name: _packed(layout.unit) for layout in maps.layouts if layout.name != "pca"}
    axes = maps.components.positions
    columns["axes"] = _packed(to_unit(axes) if axes.shape[1] else np.full((n, 1), 0.5))
    more = {
        "n": n,
        "layouts": [[layout.name, layout.label] for layout in maps.layouts],
        "axes_explained": [round(float(e), 4) for e in maps.components.explained],
        "grid": list(maps.grid),
        "side": side,
    }
    each = (ATLAS // side) ** 2
    pictured = representatives(maps.layouts[0].positions, MOST_ATLASES * each)
    if len(pictured) < n:
        columns["pictured"] = pictured.astype(np.int32)
    texts: dict[str, Sequence[str]] = {}
    places = script("places", {**columns, **numbers}, texts, more)
    sheets: list[str] = []

    def sheet(name: str, images: np.ndarray) -> str:
        made_now = digest_of(code_digest(), made_of[images], side)
        if kept := kept_chunk(site, name, made_now):
            return kept
        jpeg = base64.b64encode(atlas(images.tolist(), tile_of, side)).decode()
        return write_chunk(site, name, script(name, {}, texts, {"jpeg": jpeg, "made_of": made_now}))

    for start in range(0, len(pictured), each):
        sheets.append(sheet(f"atlas-{start // each}", pictured[start : start + each]))
    for old in (site / "data").glob("atlas-*.js"):
        if f"data/{old.name}" not in sheets:
            old.unlink(missing_ok=True)
    return {"places": write_chunk(site, "places", places), "atlases": sheets}


def representatives(place: np.ndarray, room: int) -> np.ndarray:
    """At most `room` images, rising, that stand for all on a map `(N, 2)`: one of each square of it, then a second …"""
    if len(place) <= room:
        return np.arange(len(place))
    use = np.flatnonzero(np.isfinite(place).all(1))
    squares = max(1, math.isqrt(room))
    cell = np.minimum((to_unit(place[use]) * squares).astype(int), squares - 1) @ [1, squares]
    order = np.argsort(cell, kind="stable")
    _, first, count = np.unique(cell[order], return_index=True, return_counts=True)
    turn = np.empty(len(use), int)
    turn[order] = np.arange(len(use)) - np.repeat(first, count)
    return np.sort(use[np.argsort(turn, kind="stable")[:room]])


def _packed(unit: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(unit), np.round(unit * (NOWHERE - 1)), NOWHERE).astype(np.uint16).ravel()


def class_colours(classes: np.ndarray) -> list[str]:
    """A colour for each image by its class `(N,)`, as six hexadecimal digits; the most frequent classes come first."""
    names, counts = np.unique(classes, return_counts=True)
    order = {int(k): rank for rank, k in enumerate(names[np.argsort(-counts, kind="stable")])}
    palette = [*DISTINCT]
    for rank in range(len(DISTINCT), len(order)):
        light = 0.42 + 0.16 * (rank % 3)
        palette.append(bytes(round(255 * v) for v in colorsys.hls_to_rgb(rank * 0.61803 % 1, light, 0.6)).hex())
    return [palette[order[int(k)]] for k in classes]
