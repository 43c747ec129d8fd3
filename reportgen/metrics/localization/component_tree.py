"""The component tree of a map: the connected components of all its level sets at once.

A box at every threshold needs the components of `{map ≥ t}` for hundreds of t. They are nested, so one sweep over the
levels finds all of them (Najman and Couprie, Building the component tree in quasi-linear time, IEEE TIP 15, 2006). Here
the sweep starts from basins: every pixel is followed uphill to a maximum, and the pixels of a basin above t are
connected through its maximum. Only the few basins are joined one by one, at the saddles between them; everything else
is computed on whole arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Neighbours = Literal[4, 8]
PRECEDING = {8: ((-1, -1), (-1, 0), (-1, 1), (0, -1)), 4: ((-1, 0), (0, -1))}
"""Offsets (dy, dx) of the neighbours before a pixel in reading order; the other neighbours are their negatives."""


@dataclass(frozen=True)
class Regions:
    """R rows, one for each component and level at which it exists.

    level: `(R,)` int; boxes: `(R, 4)` int x0 y0 x1 y1, half-open; area: `(R,)` sum of the weights inside;
    first: `(R,)` int, flat index of the first pixel in reading order.
    """

    level: np.ndarray
    boxes: np.ndarray
    area: np.ndarray
    first: np.ndarray

    def largest(self, levels: int, last: bool = False) -> np.ndarray:
        """Return the row of the largest region at each level `(levels + 1,)`, −1 for none.

        Of equal areas, the one whose first pixel comes first in reading order counts, or the last one (`last`): the
        order of OpenCV's contours.
        """
        order = np.lexsort((self.first if last else -self.first, self.area))
        rows = np.full(levels + 1, -1)
        rows[self.level[order]] = order
        return rows


@dataclass(frozen=True)
class Basins:
    """The division of a map into basins: the pixels from which steepest ascent leads to the same maximum.

    of: `(H·W,)` basin of each pixel; roots: `(K,)` flat index of each basin's maximum.
    low, high, level: `(E,)` pairs of neighbouring basins, and the highest level at which they are connected, in
        decreasing order.
    """

    of: np.ndarray
    roots: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: np.ndarray


def _climb(order: np.ndarray, target: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest value among each pixel and its two neighbours along an axis, and the `target` of that pixel.

    Of equal values the later pixel counts: with the index as second key the order is strict, so paths have no cycles.
    """
    value, best = order.copy(), target.copy()
    early, late = (np.s_[:, :-1], np.s_[:, 1:]) if axis else (np.s_[:-1], np.s_[1:])
    for pixel, neighbour, is_better in ((late, early, np.greater), (early, late, np.greater_equal)):
        up = is_better(order[neighbour], value[pixel])
        np.copyto(value[pixel], order[neighbour], where=up)
        np.copyto(best[pixel], target[neighbour], where=up)
    return value, best


def basins(levels: np.ndarray, order: np.ndarray, neighbours: Neighbours) -> Basins:
    """Divide a map into basins.

    levels: `(H, W)` int; order: `(H, W)` values that refine the order of the levels.
    """
    h, w = levels.shape
    pixels = np.arange(h * w).reshape(h, w)
    value, uphill = _climb(order, pixels, 1)
    if neighbours == 8:
        uphill = _climb(value, uphill, 0)[1]
    else:
        other, vertical = _climb(order, pixels, 0)
        np.copyto(uphill, vertical, where=(other > value) | ((other == value) & (vertical > uphill)))
    top = uphill.ravel()
    roots = np.flatnonzero(top == pixels.ravel())
    while not np.array_equal(jumped := top[top], top := jumped[jumped]):
        pass
    index = np.zeros(h * w, np.int64)
    index[roots] = np.arange(len(roots))
    of = index[top]
    pairs = []
    for dy, dx in PRECEDING[neighbours]:
        offset = -dy * w - dx
        pixel = offset + np.flatnonzero(of[offset:] != of[: max(0, h * w - offset)])
        if dx != 0:  # neighbours must not be in another row
            pixel = pixel[pixel % w != (0 if dx < 0 else w - 1)]
        pairs.append(np.stack((pixel, pixel - offset)))
    a, b = np.concatenate(pairs, 1)
    height = np.minimum(levels.ravel()[a], levels.ravel()[b])
    a, b, depth = of[a], of[b], int(levels.max()) + 1
    code = np.sort((np.minimum(a, b) * len(roots) + np.maximum(a, b)) * depth + height)
    pair, height = np.divmod(code, depth)
    highest = np.flatnonzero(np.diff(pair, append=-1))  # the last entry of each pair
    highest = highest[np.argsort(-height[highest], kind="stable")]
    return Basins(of, roots, *np.divmod(pair[highest], len(roots)), height[highest])


Weights = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(flat index of a pixel, highest level at which it counts, weight), each `(Q,)`."""


def component_regions(
    levels: np.ndarray,
    order: np.ndarray | None = None,
    neighbours: Neighbours = 8,
    weights: Weights | None = None,
    area: bool = True,
    cut: Basins | None = None,
) -> Regions:
    """Return all components of `{levels ≥ L}` for L = 1, 2, …, the highest level.

    levels: `(H, W)` int ≥ 0.
    order: see `basins`; the finer, the fewer basins there are.
    weights: of the areas; by default every pixel counts 1.
    area: whether to compute areas; without them all are 0.
    cut: the map's `basins`, if they have been computed.
    """
    h, w = levels.shape
    cut = cut or basins(levels, levels if order is None else order, neighbours)
    bounds, areas = _by_basin_and_level(levels, cut, weights, area)
    records = _join_basins(cut, levels.ravel()[cut.roots], bounds, areas)
    if not records:
        return Regions(np.zeros(0, int), np.zeros((0, 4), int), np.zeros(0), np.zeros(0, int))
    level, sides, total = (np.concatenate(parts, -1) for parts in zip(*records, strict=True))
    first, left, last, right = sides
    return Regions(level, np.stack((left // h, first // w, -right // h + 1, -last // w + 1), 1), total, first)


def _by_basin_and_level(
    levels: np.ndarray, cut: Basins, weights: Weights | None, area: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds `(4, K, L)` and areas `(K, L)` of the pixels of each basin at or above each level.

    The bounds are the least and the negative greatest index, in row-major and in column-major order: together the box.
    """
    h, w = levels.shape
    flat = levels.ravel()
    depth = int(flat.max()) + 1
    pixel = np.arange(h * w)
    cell = cut.of * depth + flat
    by_row, by_column = pixel, pixel % w * h + pixel // w
    bounds = np.full((4, len(cut.roots) * depth), h * w)
    for row, index in enumerate((by_row, by_column, -by_row, -by_column)):
        np.minimum.at(bounds[row], cell, index)
    bounds = np.minimum.accumulate(bounds.reshape(4, -1, depth)[:, :, ::-1], 2)[:, :, ::-1]
    areas = np.zeros((len(cut.roots), depth))
    if area:
        at, level, weight = (pixel, flat, None) if weights is None else weights
        areas += np.bincount(cut.of[at] * depth + level, weight, areas.size).reshape(areas.shape)
        areas = np.cumsum(areas[:, ::-1], 1)[:, ::-1]
    return bounds, areas


def _join_basins(
    cut: Basins, maxima: np.ndarray, bounds: np.ndarray, areas: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Join basins at their saddles, from the highest level down; return levels, bounds and areas of all components.

    maxima: `(K,)` level of each basin's maximum; bounds, areas: of `_by_basin_and_level`, which are overwritten.
    """
    all_levels = np.arange(areas.shape[1])
    group = list(range(len(cut.roots)))
    unrecorded_from = maxima.tolist()
    records: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def record(k: int, down_to: int) -> None:
        """Record component k at all levels above `down_to` at which it is not recorded yet."""
        if unrecorded_from[k] > down_to:
            span = slice(down_to + 1, unrecorded_from[k] + 1)
            records.append((all_levels[span], bounds[:, k, span], areas[k, span]))
            unrecorded_from[k] = down_to

    for a, b, s in zip(cut.low.tolist(), cut.high.tolist(), cut.level.tolist(), strict=True):
        if s < 1:
            break
        a, b = _find(group, a), _find(group, b)
        if a != b:
            record(a, s)
            record(b, s)
            group[b] = a
            below = slice(1, s + 1)  # higher levels are recorded
            np.minimum(bounds[:, a, below], bounds[:, b, below], out=bounds[:, a, below])
            areas[a, below] += areas[b, below]
    for k in range(len(cut.roots)):
        if group[k] == k:
            record(k, 0)
    return records


def _find(group: list[int], k: int) -> int:
    """Return the component that basin k belongs to (union-find with path halving)."""
    while group[k] != k:
        group[k] = k = group[group[k]]
    return k


def invert(levels: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, Basins]:
    """Return the inverted map `(H + 2, W + 2)`, surrounded by a frame of its highest level, and its basins: the common
    part of `holes` and `fill_holes`."""
    peak = int(levels.max())
    depth = np.pad(peak + 1 - levels, 1, constant_values=peak + 2)
    return depth, basins(depth, np.pad(-order.astype(np.float64), 1, constant_values=np.inf), 4)


def holes(levels: np.ndarray, inverted: tuple[np.ndarray, Basins]) -> Regions:
    """Return the holes of `{levels ≥ L}`, L = 1, 2, …: 4-connected parts of the complement without the border.

    inverted: of `invert`. `level` is L, `boxes` are those of the holes, `area` is 0, and `first` is an index in the map
    with its frame of one pixel.
    """
    peak, (depth, cut) = int(levels.max()), inverted
    pits = component_regions(depth, neighbours=4, area=False, cut=cut)
    inside = (pits.boxes[:, 0] > 0) & (pits.level > 1)  # level 1 is everything, below L = peak + 1
    return Regions(
        peak + 2 - pits.level[inside],
        pits.boxes[inside] - 1,
        pits.area[inside],
        pits.first[inside],
    )


def fill_holes(levels: np.ndarray, inverted: tuple[np.ndarray, Basins]) -> np.ndarray:
    """Return the map `(H, W)` whose level sets are those of `levels` with their holes filled. inverted: of `invert`.

    A pixel is raised to the lowest level at which it is connected to the border: its own, or that of its basin's last
    saddle.
    """
    h, w = levels.shape
    peak, (_, cut) = int(levels.max()), inverted
    group = list(range(len(cut.roots)))
    members = [[k] for k in group]
    outside = int(cut.of[0])
    saddle = np.zeros(len(cut.roots), levels.dtype)
    for a, b, s in zip(cut.low.tolist(), cut.high.tolist(), cut.level.tolist(), strict=True):
        a, b = _find(group, a), _find(group, b)
        if a == b:
            continue
        border = _find(group, outside)
        for inner, other in ((a, b), (b, a)):
            if other == border:
                saddle[members[inner]] = peak + 1 - s
        group[b] = a
        members[a] += members[b]
    filled: np.ndarray = np.maximum(levels, saddle[cut.of].reshape(h + 2, w + 2)[1:-1, 1:-1])
    return filled
