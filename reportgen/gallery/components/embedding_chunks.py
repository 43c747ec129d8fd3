"""What the browser draws the embedding maps from: positions of all images, and atlases of thumbnails."""

from __future__ import annotations

import base64
import colorsys
import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.draw.tiles import ATLAS_SIDE, atlas, thumbnail_tile, tile, tile_side
from reportgen.embedding.maps import EmbeddingMaps, to_unit
from reportgen.gallery.core.browser_constants import DISTINCT_COLOURS, HUE_TURN, LIGHTNESS, NO_POSITION, SATURATION
from reportgen.gallery.core.data_chunks import chunk_of_inputs, script, write_chunk
from reportgen.gallery.core.manifest import code_digest, digest_of

MAP_SIZE = (1200, 840)
"""Width and height of embedding maps that are pictures."""
MAX_ATLASES = 24
"""With more thumbnails, only representative images get one: those of a million images would be gigabytes."""
CACHED_THUMBNAILS = 8192
"""Thumbnails that are kept in memory: all that are larger than the stored ones, 130 MB."""


class Thumbnails:
    """Square thumbnails of an audit's images.

    A pickled instance is the digests of its images, so that pictures of the same thumbnails are drawn once
    (`Media.draw`).
    """

    def __init__(self, audit: Audit) -> None:
        """digests: `(N,)` the store's fingerprint and the image's digest."""
        self.digests = np.char.add(audit.main.table.fingerprint.encode(), np.asarray(audit.main.table["samples/id"]))
        self._jpeg, self._side = audit.main.jpeg, tile_side(len(audit.samples))
        self._stored = audit.main.table["image/tiny"] if self._side == 32 else None
        self._of_atlas = lru_cache(CACHED_THUMBNAILS)(partial(self._make, side=self._side))

    def __call__(self, i: int, side: int) -> Image.Image:
        if side > self._side:
            return self._make(i, side)
        return self._of_atlas(i).resize((side, side), Image.Resampling.LANCZOS)

    def _make(self, i: int, side: int) -> Image.Image:
        if self._stored is None:
            return tile(self._jpeg(i), side)
        return thumbnail_tile(self._stored[i]).resize((side, side))

    def __getstate__(self) -> np.ndarray:
        return self.digests


def write_embedding_chunks(
    site: Path,
    maps: EmbeddingMaps,
    numbers: Mapping[str, np.ndarray],
    thumbnail: Callable[[int], Image.Image],
    side: int,
    digests: np.ndarray,
) -> dict[str, Any]:
    """Write the chunk `places` with positions and numbers, and the atlases of thumbnails; return their URLs.

    numbers: columns `(N,)` that images can be coloured by; thumbnail: returns that of image i, `side` pixels wide.
    digests: `(N,)`, one for each image: an atlas of the same thumbnails is not made again.
    """
    n = len(maps.maps[0].positions)
    columns = {layout.name: _packed(layout.unit_positions) for layout in maps.maps if layout.name != "pca"}
    axes = maps.components.positions
    columns["axes"] = _packed(to_unit(axes) if axes.shape[1] else np.full((n, 1), 0.5))
    more = {
        "n": n,
        "layouts": [[layout.name, layout.label] for layout in maps.maps],
        "axes_explained": [round(float(share), 4) for share in maps.components.explained],
        "grid_cell": grid_cell(next(layout.positions for layout in maps.maps if layout.name == "grid")),
        "side": side,
    }
    per_atlas = (ATLAS_SIDE // side) ** 2
    pictured = representatives(maps.maps[0].positions, MAX_ATLASES * per_atlas)
    if len(pictured) < n:
        columns["pictured"] = pictured.astype(np.int32)
    places = write_chunk(site, "places", script("places", {**columns, **numbers}, {}, more))
    atlases = []
    for start in range(0, len(pictured), per_atlas):
        images = pictured[start : start + per_atlas]
        atlases.append(_write_atlas(site, f"atlas-{start // per_atlas}", images, thumbnail, side, digests[images]))
    for path in (site / "data").glob("atlas-*.js"):
        if f"data/{path.name}" not in atlases:
            path.unlink(missing_ok=True)
    return {"places": places, "atlases": atlases}


def _write_atlas(
    site: Path,
    name: str,
    images: np.ndarray,
    thumbnail: Callable[[int], Image.Image],
    side: int,
    digests: np.ndarray,
) -> str:
    inputs = digest_of(code_digest(), digests, side)
    if url := chunk_of_inputs(site, name, inputs):
        return url
    jpeg = base64.b64encode(atlas(images.tolist(), thumbnail, side)).decode()
    (url,) = write_chunk(site, name, script(name, {}, {}, {"jpeg": jpeg, "inputs": inputs}))
    return url


def representatives(positions: np.ndarray, count: int) -> np.ndarray:
    """At most `count` images, in ascending order, that represent all: one of each square of a map `(N, 2)`, then a
    second of each, and so on."""
    if len(positions) <= count:
        return np.arange(len(positions))
    finite = np.flatnonzero(np.isfinite(positions).all(1))
    squares = max(1, math.isqrt(count))
    square = np.minimum((to_unit(positions[finite]) * squares).astype(int), squares - 1) @ [1, squares]
    order = np.argsort(square, kind="stable")
    _, first, members = np.unique(square[order], return_index=True, return_counts=True)
    turn = np.empty(len(finite), int)
    turn[order] = np.arange(len(finite)) - np.repeat(first, members)
    return np.sort(finite[np.argsort(turn, kind="stable")[:count]])


def grid_cell(positions: np.ndarray) -> float:
    """Side of a cell of the grid after `to_unit`, which scales the grid to side 1.

    positions: `(N, 2)` centres of cells, in cells; NaN for images without a cell.
    """
    finite = np.isfinite(positions).all(1)
    span = float(np.ptp(positions[finite], 0).max()) if finite.any() else 0.0
    return round(1 / span, 6) if span else 1.0


def _packed(unit: np.ndarray) -> np.ndarray:
    """`(2 N,)` uint16 of positions in [0, 1]."""
    return np.where(np.isfinite(unit), np.round(unit * (NO_POSITION - 1)), NO_POSITION).astype(np.uint16).ravel()


def class_colours(classes: np.ndarray) -> list[str]:
    """A colour for each image by its class `(N,)`, as six hexadecimal digits; frequent classes get distinct ones."""
    names, counts = np.unique(classes, return_counts=True)
    rank_of = {int(k): rank for rank, k in enumerate(names[np.argsort(-counts, kind="stable")])}
    palette = [*DISTINCT_COLOURS]
    for rank in range(len(DISTINCT_COLOURS), len(rank_of)):
        rgb = colorsys.hls_to_rgb(rank * HUE_TURN % 1, LIGHTNESS[rank % len(LIGHTNESS)], SATURATION)
        palette.append(bytes(round(255 * v) for v in rgb).hex())
    return [palette[rank_of[int(k)]] for k in classes]
