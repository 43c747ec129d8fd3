"""All connected components of all level sets of a map at once: its component tree.

A box at every threshold needs the components of `{map ≥ t}` for hundreds of t. They are nested, so one sweep finds
them all (Najman and Couprie, Building the component tree in quasi-linear time, IEEE TIP 15, 2006). Here the sweep
starts from basins: every pixel walks uphill to its maximum, and what is above t in one basin is connected through that
maximum. So only the few basins are joined one by one, at the saddles between them; the rest is whole-array work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Neighbours = Literal[4, 8]
BEFORE = {8: ((-1, -1), (-1, 0), (-1, 1), (0, -1)), 4: ((-1, 0), (0, -1))}
"""Offsets (dy, dx) of the neighbours that come before a pixel in reading order; the others are their negatives."""


@dataclass(frozen=True)
class Regions:
    """R rows, one a component and level at which it exists.

    level: `(R,)` int; boxes: `(R, 4)` int x0 y0 x1 y1, half-open; area: `(R,)`, what `weights` sum up to inside;
    first: `(R,)` int, its first pixel in reading order, as a flat index.
    """

    level: np.ndarray
    boxes: np.ndarray
    area: np.ndarray
    first: np.ndarray

    def largest(self, levels: int, last: bool = False) -> np.ndarray:
        """`(levels + 1,)` row of the largest region at each level, −1 for none.

        Among equals the one whose first pixel comes first in reading order, or last, as OpenCV lists contours.
        """
        order = np.lexsort((self.first if last else -self.first, self.area))
        rows = np.full(levels + 1, -1)
        rows[self.level[order]] = order
        return rows


@dataclass(frozen=True)
class Basins:
    """A map cut into the parts that drain uphill to one maximum.

    of: `(H·W,)` the basin of each pixel; roots: `(K,)` flat index of each basin's maximum; low, high, level: `(E,)`
    each, pairs of basins that touch and the highest level at which they are connected there, the highest first.
    """

    of: np.ndarray
    roots: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: np.ndarray


def _climb(order: np.ndarray, target: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's highest value among itself and its two neighbours along an axis, and that one's `target`.

    Among equals the later one wins: with the pixel's index as second key the order is strict, so no walk is circular.
    """
    value, where = order.copy(), target.copy()
    early, late = (np.s_[:, :-1], np.s_[:, 1:]) if axis else (np.s_[:-1], np.s_[1:])
    for here, there, better in ((late, early, np.greater), (early, late, np.greater_equal)):
        up = better(order[there], value[here])
        np.copyto(value[here], order[there], where=up)
        np.copyto(where[here], target[there], where=up)
    return value, where


def basins(levels: np.ndarray, order: np.ndarray, neighbours: Neighbours) -> Basins:
    """levels: `(H, W)` int; order: `(H, W)`, any finer values that never decrease where `levels` increase."""
    h, w = levels.shape
    self_ = np.arange(h * w).reshape(h, w)
    value, uphill = _climb(order, self_, 1)
    if neighbours == 8:
        uphill = _climb(value, uphill, 0)[1]
    else:
        other, vertical = _climb(order, self_, 0)
        np.copyto(uphill, vertical, where=(other > value) | ((other == value) & (vertical > uphill)))
    top = uphill.ravel()
    roots = np.flatnonzero(top == self_.ravel())
    while not np.array_equal(jumped := top[top], top := jumped[jumped]):
        pass
    index = np.zeros(h * w, np.int64)
    index[roots] = np.arange(len(roots))
    of = index[top]
    pairs = []
    for dy, dx in BEFORE[neighbours]:
        back = -dy * w - dx
        here = back + np.flatnonzero(of[back:] != of[: max(0, h * w - back)])
        here = here if dx == 0 else here[here % w != (0 if dx < 0 else w - 1)]  # there the row before it ends
        pairs.append(np.stack((here, here - back)))
    a, b = np.concatenate(pairs, 1)
    height = np.minimum(levels.ravel()[a], levels.ravel()[b])
    a, b, depth = of[a], of[b], int(levels.max()) + 1
    code = np.sort((np.minimum(a, b) * len(roots) + np.maximum(a, b)) * depth + height)
    pair, height = np.divmod(code, depth)
    highest = np.flatnonzero(np.diff(pair, append=-1))  # the last of each pair
    highest = highest[np.argsort(-height[highest], kind="stable")]
    return Basins(of, roots, *np.divmod(pair[highest], len(roots)), height[highest])


Weights = tuple[np.ndarray, np.ndarray, np.ndarray]


def regions(
    levels: np.ndarray,
    order: np.ndarray | None = None,
    neighbours: Neighbours = 8,
    weights: Weights | None = None,
    area: bool = True,
    cut: Basins | None = None,
) -> Regions:
    """Every component of `{levels ≥ L}` for L = 1, 2, …, the highest level.

    levels: `(H, W)` int ≥ 0; order: see `basins`, the finer the fewer basins; weights: what the area counts, as
    (flat index of a pixel, highest level at which it counts, weight), each `(Q,)`; by default every pixel counts 1.
    Without `area` all areas are 0, which saves their time. cut: what `basins` makes of these, if it is there already.
    """
    h, w = levels.shape
    flat = levels.ravel()
    depth = int(flat.max()) + 1
    cut = cut or basins(levels, levels if order is None else order, neighbours)
    pixel = np.arange(h * w)
    cell = cut.of * depth + flat
    upright, turned = pixel, pixel % w * h + pixel // w  # in reading order, and in that of the turned map
    # Least upright and turned index of what lies at a level or above it, and least negative: together the box.
    bounds = np.full((4, len(cut.roots) * depth), h * w)
    for row, order_ in enumerate((upright, turned, -upright, -turned)):
        np.minimum.at(bounds[row], cell, order_)
    sums = np.zeros((len(cut.roots), depth))
    if area:
        at, level, weight = (pixel, flat, None) if weights is None else weights
        sums += np.bincount(cut.of[at] * depth + level, weight, sums.size).reshape(sums.shape)
        sums = np.cumsum(sums[:, ::-1], 1)[:, ::-1]
    bounds = np.minimum.accumulate(bounds.reshape(4, -1, depth)[:, :, ::-1], 2)[:, :, ::-1]

    every = np.arange(depth)
    group = list(range(len(cut.roots)))
    open_from = flat[cut.roots].tolist()
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def close(k: int, down_to: int) -> None:
        """Writes down component k for the levels above `down_to` that it has been open for."""
        if open_from[k] > down_to:
            span = slice(down_to + 1, open_from[k] + 1)
            found.append((every[span], bounds[:, k, span], sums[k, span]))
            open_from[k] = down_to

    for a, b, s in zip(cut.low.tolist(), cut.high.tolist(), cut.level.tolist(), strict=True):
        if s < 1:
            break
        a, b = _find(group, a), _find(group, b)
        if a != b:
            close(a, s)
            close(b, s)
            group[b] = a
            below = slice(1, s + 1)  # what is above is written down already
            np.minimum(bounds[:, a, below], bounds[:, b, below], out=bounds[:, a, below])
            sums[a, below] += sums[b, below]
    for k in range(len(cut.roots)):
        if group[k] == k:
            close(k, 0)
    if not found:
        return Regions(np.zeros(0, int), np.zeros((0, 4), int), np.zeros(0), np.zeros(0, int))
    level, sides, total = (np.concatenate(parts, -1) for parts in zip(*found, strict=True))
    first, left, last, right = sides
    return Regions(level, np.stack((left // h, first // w, -right // h + 1, -last // w + 1), 1), total, first)


def _find(group: list[int], k: int) -> int:
    """The component that basin k belongs to by now (with path halving)."""
    while group[k] != k:
        group[k] = k = group[group[k]]
    return k


def sea(levels: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, Basins]:
    """What `holes` and `fill_holes` share: the map turned upside down, `(H + 2, W + 2)`, within a frame that is deeper
    than all of it, and its basins."""
    peak = int(levels.max())
    depth = np.pad(peak + 1 - levels, 1, constant_values=peak + 2)
    return depth, basins(depth, np.pad(-order.astype(np.float64), 1, constant_values=np.inf), 4)


def holes(levels: np.ndarray, around: tuple[np.ndarray, Basins]) -> Regions:
    """The holes of `{levels ≥ L}`, L = 1, 2, …: 4-connected parts of its complement that the border does not reach.

    around: the map's `sea`. `level` is L, `boxes` the holes' own, `area` 0, and `first` counts in the map with a frame
    of one pixel around it.
    """
    peak, (depth, cut) = int(levels.max()), around
    found = regions(depth, neighbours=4, area=False, cut=cut)
    inside = (found.boxes[:, 0] > 0) & (found.level > 1)  # level 1 is everything, below L = peak + 1
    return Regions(peak + 2 - found.level[inside], found.boxes[inside] - 1, found.area[inside], found.first[inside])


def fill_holes(levels: np.ndarray, around: tuple[np.ndarray, Basins]) -> np.ndarray:
    """`(H, W)`: the map whose level sets are those of `levels` with their holes filled. around: the map's `sea`.

    A pixel is raised to the lowest level at which it is drained to the border: its own, or its basin's last sill.
    """
    h, w = levels.shape
    peak, (_, cut) = int(levels.max()), around
    group = list(range(len(cut.roots)))
    members = [[k] for k in group]
    outside = int(cut.of[0])
    sill = np.zeros(len(cut.roots), levels.dtype)
    for a, b, s in zip(cut.low.tolist(), cut.high.tolist(), cut.level.tolist(), strict=True):
        a, b = _find(group, a), _find(group, b)
        if a == b:
            continue
        sea = _find(group, outside)
        for dry, wet in ((a, b), (b, a)):
            if wet == sea:
                sill[members[dry]] = peak + 1 - s
        group[b] = a
        members[a] += members[b]
    return np.maximum(levels, sill[cut.of].reshape(h + 2, w + 2)[1:-1, 1:-1])
