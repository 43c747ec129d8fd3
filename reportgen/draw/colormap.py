"""Colour scales. Inferno for magnitudes, never jet: its lightness rises evenly, for every kind of eye. Blue and orange
for signed values."""

from __future__ import annotations

import numpy as np

_INFERNO = (
    "000004 0a0722 1e0c45 380962 510e6c 69166e 801f6c 982766 b0315b "
    "c63d4d d94d3d e9612b f47918 fa9407 fcb014 f8cd37 f2ea69 fcffa4"
)
"""Every 15th of the 256 colours of inferno (matplotlib, CC0); between them linear, at most 6/255 from the original."""


_SIGNED = "b5dcff 5aa9ee 1f6fb5 123a5e 101114 5a2410 ad4a12 ee8a3a ffd9ae"
"""Blue below zero, orange above it, equally light at the same distance; nearly black at zero, as inferno is."""


def inferno() -> np.ndarray:
    """`(256, 3)` uint8, from near black to pale yellow."""
    return _between(_INFERNO)


def signed() -> np.ndarray:
    """`(256, 3)` uint8, from pale blue over near black, which is zero, to pale orange."""
    return _between(_SIGNED)


def _between(colours: str) -> np.ndarray:
    anchors = np.array([list(bytes.fromhex(colour)) for colour in colours.split()])
    places = np.linspace(0, 255, len(anchors))
    channels = [np.interp(np.arange(256), places, anchors[:, c]) for c in range(3)]
    return np.round(np.stack(channels, 1)).astype(np.uint8)
