"""Colour maps: inferno for magnitudes, whose lightness increases evenly, also for colour-blind readers, and a diverging
map from blue to orange for signed values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

INFERNO_ANCHORS = [
    "000004",
    "0a0722",
    "1e0c45",
    "380962",
    "510e6c",
    "69166e",
    "801f6c",
    "982766",
    "b0315b",
    "c63d4d",
    "d94d3d",
    "e9612b",
    "f47918",
    "fa9407",
    "fcb014",
    "f8cd37",
    "f2ea69",
    "fcffa4",
]
"""Every 15th of the 256 colours of inferno (matplotlib, CC0). Linear interpolation is within 6/255 of the original."""
DIVERGING_ANCHORS = ["b5dcff", "5aa9ee", "1f6fb5", "123a5e", "101114", "5a2410", "ad4a12", "ee8a3a", "ffd9ae"]
"""Blue below zero, orange above; equal magnitudes have equal lightness; zero is nearly black, as in inferno."""


def inferno() -> np.ndarray:
    """Return `(256, 3)` uint8, from nearly black to pale yellow."""
    return _interpolate(INFERNO_ANCHORS)


def steps(colours: np.ndarray, n: int) -> list[str]:
    """Return n equidistant colours of a colour map `(256, 3)`, such as `#420a68`."""
    return [f"#{bytes(colour).hex()}" for colour in colours[np.linspace(0, 255, n).round().astype(int)]]


def diverging() -> np.ndarray:
    """Return `(256, 3)` uint8, from pale blue over nearly black, which is zero, to pale orange."""
    return _interpolate(DIVERGING_ANCHORS)


def _interpolate(colours: Sequence[str]) -> np.ndarray:
    anchors = np.array([list(bytes.fromhex(colour)) for colour in colours])
    positions = np.linspace(0, 255, len(anchors))
    channels = [np.interp(np.arange(256), positions, anchors[:, c]) for c in range(3)]
    return np.round(np.stack(channels, 1)).astype(np.uint8)
