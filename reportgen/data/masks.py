"""Silhouettes of objects, as COCO writes them: polygons, or runs of pixels down the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

MOST_PIXELS = 178_956_970 // 2


@dataclass(frozen=True)
class Outline:
    """One object's silhouette.

    size: width and height that it was drawn on; polygons: x, y, x, y, … of each, in pixels of that; runs: lengths of
    runs of pixels, column by column, the first outside of the object; turn: what makes the image upright, or None.
    """

    size: tuple[int, int]
    polygons: Sequence[Sequence[float]] = ()
    runs: Sequence[int] = ()
    turn: Image.Transpose | None = None

    def mask(self) -> np.ndarray:
        """`(H, W)` bool of the upright image."""
        width, height = self.size
        if self.polygons:
            drawn = Image.new("L", self.size)
            for polygon in self.polygons:
                ImageDraw.Draw(drawn).polygon(list(polygon), fill=1)
        else:
            inside = np.repeat(np.arange(len(self.runs)) % 2, self.runs).astype(np.uint8)
            drawn = Image.fromarray(inside.reshape(width, height).T.copy())
        return np.asarray(drawn if self.turn is None else drawn.transpose(self.turn)).astype(bool)


def outline(segmentation: object, size: tuple[int, int], turn: Image.Transpose | None) -> Outline | None:
    """COCO's `segmentation` of an annotation; None where there is none. Errors: ValueError with its reason."""
    if segmentation in (None, [], {}):
        return None
    if not 0 < size[0] * size[1] <= MOST_PIXELS:
        raise ValueError(f"a segmentation needs its image's width and height, and {size[0]} × {size[1]} is none")
    if isinstance(segmentation, list):
        polygons = [[float(v) for v in polygon] for polygon in segmentation if isinstance(polygon, list)]
        if len(polygons) != len(segmentation) or any(len(p) < 6 or len(p) % 2 for p in polygons):
            raise ValueError("a polygon needs at least three points of x and y")
        if not np.isfinite(np.concatenate(polygons)).all():
            raise ValueError("a polygon's point is not finite")
        return Outline(size, polygons, turn=turn)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise ValueError("a segmentation is a list of polygons, or an object with `size` and `counts`")
    counts = segmentation["counts"]
    runs = unpacked(counts) if isinstance(counts, str) else [int(v) for v in counts]
    if segmentation.get("size") != [size[1], size[0]] or min(runs, default=-1) < 0 or sum(runs) != size[0] * size[1]:
        raise ValueError(f"the runs of its segmentation do not make {size[0]} × {size[1]} pixels")
    return Outline(size, runs=runs, turn=turn)


def unpacked(text: str) -> list[int]:
    """Run lengths of COCO's compressed counts: five bits a character, low ones first; from the fourth on each is the
    difference to the one before the last."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError("its compressed counts hold a character that is none of theirs")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code & 16) << (shift - 4)  # the sign is the last character's fifth bit
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs


def seen(outlines: Sequence[Outline], window: np.ndarray, side: int) -> np.ndarray:
    """`(side, side)` bool: the pixel of the network's view, `window` in the image's pixels, is in one of the objects;
    the nearest pixel counts, and what lies beyond the image is in none."""
    mask = np.logical_or.reduce([outline.mask() for outline in outlines])
    x = np.floor(window[0] + (np.arange(side) + 0.5) * (window[2] - window[0]) / side).astype(int)
    y = np.floor(window[1] + (np.arange(side) + 0.5) * (window[3] - window[1]) / side).astype(int)
    view = np.zeros((side, side), bool)
    rows, columns = (y >= 0) & (y < mask.shape[0]), (x >= 0) & (x < mask.shape[1])
    view[np.ix_(rows, columns)] = mask[np.ix_(y[rows], x[columns])]
    return view
