"""Maps over photographs, beside the definition of bilinear interpolation written out pixel by pixel."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reportgen.draw.colormap import inferno
from reportgen.draw.overlay import ALPHA, MARGIN, SIDE, draw_overlay, draw_strip, overlay_size, part_of_strip
from reportgen.gallery.components.image_figures import top_layers
from reportgen.gallery.core.media import Album

WHOLE = (0.0, 0.0, 500.0, 375.0)
PLACES = [
    ((500, 375), WHOLE),
    ((500, 375), (62.5, 0.0, 437.5, 375.0)),  # the middle square
    ((40, 200), (-10.0, 20.0, 50.0, 180.0)),  # further than the image is wide
    ((1000, 3), (0.0, 0.0, 1000.0, 3.0)),
]


def pixels(png: bytes) -> np.ndarray:
    """`(h, w, 4)` uint8."""
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGBA"))


def by_definition(map_: np.ndarray, top: float, size: tuple[int, int], window: tuple[float, ...]) -> np.ndarray:
    """`(h, w, 4)`: each pixel's centre as a place in the window, between the four cells' centres around it."""
    (width, height), (rows, columns) = overlay_size(size), map_.shape
    out = np.zeros((height, width, 4), np.uint8)
    out[..., :3] = inferno()[0]
    out[..., 3] = ALPHA[0]
    for y, x in np.ndindex(height, width):
        u = ((x + 0.5) / width * size[0] - window[0]) / (window[2] - window[0])
        v = ((y + 0.5) / height * size[1] - window[1]) / (window[3] - window[1])
        if not (0 <= u <= 1 and 0 <= v <= 1):
            continue
        cx, cy = min(max(u * columns - 0.5, 0), columns - 1), min(max(v * rows - 0.5, 0), rows - 1)
        left, upper = int(cx), int(cy)
        right, lower = min(left + 1, columns - 1), min(upper + 1, rows - 1)
        positive = np.maximum(map_, 0)
        above = positive[upper, left] * (1 - (cx - left)) + positive[upper, right] * (cx - left)
        below = positive[lower, left] * (1 - (cx - left)) + positive[lower, right] * (cx - left)
        step = min(255, round(255 * (above * (1 - (cy - upper)) + below * (cy - upper)) / top))
        out[y, x] = *inferno()[step], ALPHA[step]
    return out


@pytest.mark.parametrize(("size", "window"), PLACES)
def test_a_map_is_enlarged_as_the_definition_says(size, window) -> None:
    map_ = np.random.default_rng(1).normal(size=(7, 5))
    drawn, right = pixels(draw_overlay(map_, 1.5, size, window)), by_definition(map_, 1.5, size, window)
    assert drawn.shape == right.shape
    assert max(drawn.shape) == SIDE
    assert (drawn != right).any(axis=2).mean() < 0.005  # where a value lies between two steps of the palette


@pytest.mark.parametrize(("size", "window"), PLACES)
def test_the_parts_of_a_strip_are_the_maps_by_themselves(size, window) -> None:
    maps = np.random.default_rng(2).normal(size=(5, 7, 7)).astype(np.float32)
    strip = pixels(draw_strip(maps, 2.0, size, window))
    for k, map_ in enumerate(maps):
        x, y, width, height = part_of_strip(k, size)
        part = strip[y : y + height, x : x + width]
        np.testing.assert_array_equal(part, pixels(draw_overlay(map_, 2.0, size, window)))
        for beside in (*strip[y - MARGIN : y], *strip[y + height : y + height + MARGIN]):
            assert (beside == part[0]).all() or (beside == part[-1]).all()  # nothing of another map
    assert len(strip) == y + height + MARGIN


def test_a_map_without_evidence_has_no_part(tmp_path) -> None:
    """No positive value, or one that is not a number; the last column is the label's, which no part is for."""
    maps = np.random.default_rng(3).normal(size=(2, 4, 3, 3)).astype(np.float32)
    maps[0, 0], maps[0, 1, 2, 2] = -1, np.nan
    maps[1] = 0
    audit: Any = SimpleNamespace(cams=maps, sizes=np.array([[40, 30]] * 2), windows=np.array([[0.0, 0, 40, 30]] * 2))
    album = Album(tmp_path)
    assert top_layers(audit, album, 1, 2.0) == [{}, {}, {}]
    assert list(tmp_path.iterdir()) == []
    first, second, third = top_layers(audit, album, 0, 2.0)
    assert first == second == {}
    assert third["part"] == part_of_strip(0, (40, 30))
    file = tmp_path / third["overlay"].url
    np.testing.assert_array_equal(
        pixels(file.read_bytes()), pixels(draw_strip(maps[0, 2:3], 2.0, (40, 30), (0.0, 0.0, 40.0, 30.0)))
    )
