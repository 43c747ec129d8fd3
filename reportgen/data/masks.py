"""Segmentation masks of objects, as COCO encodes them: polygons, or run lengths down the columns."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from reportgen.data.decoding import MAX_PIXELS


@dataclass(frozen=True)
class ObjectMask:
    """The mask of one object.

    size:        width and height of the image that it was annotated on.
    polygons:    x, y, x, y, … of each polygon, in pixels of that image.
    run_lengths: lengths of runs of pixels, column by column; the first run is outside of the object.
    transpose:   the operation that makes the image upright, or None.
    """

    size: tuple[int, int]
    polygons: Sequence[Sequence[float]] = ()
    run_lengths: Sequence[int] = ()
    transpose: Image.Transpose | None = None

    @classmethod
    def of_array(cls, mask: np.ndarray) -> ObjectMask:
        """Return the mask with these pixels `(H, W)` bool of the upright image."""
        pixels = np.concatenate(([False], mask.T.ravel()))
        changes = np.flatnonzero(pixels[1:] != pixels[:-1])
        runs = np.diff(np.append(changes, mask.size), prepend=0).astype(np.int32)
        return cls((mask.shape[1], mask.shape[0]), run_lengths=array("i", runs.tobytes()))

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hex."""
        runs = np.asarray(self.run_lengths, np.int64).tobytes()
        about = [self.size, self.polygons, hashlib.sha256(runs).hexdigest(), self.transpose]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def to_array(self) -> np.ndarray:
        """Return the mask `(H, W)` bool of the upright image."""
        width, height = self.size
        if self.polygons:
            mask = Image.new("L", self.size)
            for polygon in self.polygons:
                ImageDraw.Draw(mask).polygon(list(polygon), fill=1)
        else:
            inside = np.repeat(np.arange(len(self.run_lengths)) % 2, self.run_lengths).astype(np.uint8)
            mask = Image.fromarray(inside.reshape(width, height).T.copy())
        return np.asarray(mask if self.transpose is None else mask.transpose(self.transpose)).astype(bool)


def parse_segmentation(
    segmentation: object, size: tuple[int, int], transpose: Image.Transpose | None
) -> ObjectMask | None:
    """Return the mask of a COCO annotation's `segmentation`, or None if it is empty.

    size: width and height of the annotated image; transpose: see `ObjectMask`. Errors: ValueError with the reason.
    """
    if segmentation in (None, [], {}):
        return None
    if not 0 < size[0] * size[1] <= MAX_PIXELS:
        raise ValueError(f"a segmentation needs its image's width and height, and {size[0]} × {size[1]} is not valid")
    if isinstance(segmentation, list):
        return ObjectMask(size, _checked_polygons(segmentation), transpose=transpose)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise ValueError("a segmentation is a list of polygons, or an object with `size` and `counts`")
    counts = segmentation["counts"]
    try:
        runs = decode_run_lengths(counts) if isinstance(counts, str) else [int(v) for v in counts]
    except (TypeError, OverflowError):
        raise ValueError("the run lengths of its segmentation are not numbers") from None
    if segmentation.get("size") != [size[1], size[0]] or min(runs, default=-1) < 0 or sum(runs) != size[0] * size[1]:
        raise ValueError(f"the run lengths of its segmentation do not add up to {size[0]} × {size[1]} pixels")
    return ObjectMask(size, run_lengths=runs, transpose=transpose)


def _checked_polygons(segmentation: Sequence[object]) -> list[list[float]]:
    polygons = [[float(v) for v in polygon] for polygon in segmentation if isinstance(polygon, list)]
    if len(polygons) != len(segmentation) or any(len(p) < 6 or len(p) % 2 for p in polygons):
        raise ValueError("a polygon needs at least three points of x and y")
    if not np.isfinite(np.concatenate(polygons)).all():
        raise ValueError("a polygon has a point that is not finite")
    return polygons


def decode_run_lengths(text: str) -> list[int]:
    """Decode COCO's compressed `counts`: five bits a character, low bits first. From the fourth number on, each is the
    difference to the number before the last. Errors: ValueError for an invalid character."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError("its compressed counts contain an invalid character")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code & 16) << (shift - 4)  # the sign is the last character's fifth bit
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs


def mask_in_window(masks: Sequence[ObjectMask], window: np.ndarray, side: int) -> np.ndarray:
    """Return the union of masks as the network sees it: `(side, side)` bool, resampled to the nearest pixel.

    window: x0 y0 x1 y1 of the network's input in pixels of the image; what lies beyond the image is False.
    """
    mask = np.logical_or.reduce([m.to_array() for m in masks])
    x = np.floor(window[0] + (np.arange(side) + 0.5) * (window[2] - window[0]) / side).astype(int)
    y = np.floor(window[1] + (np.arange(side) + 0.5) * (window[3] - window[1]) / side).astype(int)
    view = np.zeros((side, side), bool)
    rows, columns = (y >= 0) & (y < mask.shape[0]), (x >= 0) & (x < mask.shape[1])
    view[np.ix_(rows, columns)] = mask[np.ix_(y[rows], x[columns])]
    return view
