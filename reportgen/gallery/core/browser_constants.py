"""Constants that Python and the scripts of the pages both need: written here once, published as `constants.js`."""

from __future__ import annotations

import json
from typing import Any

from reportgen.draw.colormap import DIVERGING_ANCHORS, INFERNO_ANCHORS
from reportgen.draw.overlay import OPACITY, OPACITY_RAMP
from reportgen.draw.tiles import ATLAS_SIDE
from reportgen.gallery.core.labels import OUTCOME_SHAPES
from reportgen.metrics.localization.ilsvrc import THRESHOLD
from reportgen.results.reviews import FORMAT

SHARE_STEPS = 1000
"""Shares (probabilities, IoU) are sent as whole thousandths; −1: there is none."""
NO_POSITION = 2**16 - 1
"""Coordinate of an image without a position; the others are whole numbers from 0 to NO_POSITION − 1."""
SHEET_TILE, SHEET_ACROSS = 128, 8
"""Photographs of images without a full page are in files of 8 × 8 squares: side of a square in pixels, squares in a
row. Larger files would load much for a few images, smaller ones would be very many."""
DISTINCT_COLOURS = ("0072b2", "e69f00", "009e73", "cc79a7", "56b4e9", "d55e00", "b8a800", "7f7f7f")
"""Colours of the most frequent classes, distinct for every kind of colour vision (after Okabe and Ito)."""
HUE_TURN, LIGHTNESS, SATURATION = 0.61803, (0.42, 0.58, 0.74), 0.6
"""Colours of the further classes: the hue turns by the golden angle for each, the lightness alternates."""


def browser_constants() -> dict[str, Any]:
    """The constants by the names that the scripts use; `site/reportgen.d.ts` describes them."""
    return {
        "atlasSide": ATLAS_SIDE,
        "inferno": INFERNO_ANCHORS,
        "diverging": DIVERGING_ANCHORS,
        "overlayOpacity": OPACITY,
        "overlayRamp": OPACITY_RAMP,
        "threshold": THRESHOLD,
        "shareSteps": SHARE_STEPS,
        "noPosition": NO_POSITION,
        "sheet": {"tile": SHEET_TILE, "across": SHEET_ACROSS},
        "outcomeShapes": OUTCOME_SHAPES,
        "classColours": {
            "distinct": DISTINCT_COLOURS,
            "turn": HUE_TURN,
            "lightness": LIGHTNESS,
            "saturation": SATURATION,
        },
        "reviewFormat": FORMAT,
    }


def constants_script() -> bytes:
    """The script that all others follow."""
    return f"window.reportgen = {{ constants: {json.dumps(browser_constants())} }};\n".encode()
