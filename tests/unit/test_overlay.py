"""Overlays of activation maps, compared with bilinear interpolation written out pixel by pixel."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from reportgen.draw.colormap import inferno
from reportgen.draw.overlay import (
    CARD_OVERLAY_SIDE,
    OVERLAY_SIDE,
    STRIP_MARGIN,
    draw_difference,
    draw_overlay,
    draw_strip,
    overlay_size,
    strip_rectangle,
)
from reportgen.gallery.components.image_figures import top_layers
from reportgen.gallery.core.media import Media
from tests.support.factories import make_model_audit

WHOLE = (0.0, 0.0, 500.0, 375.0)
PLACES = [
    ((500, 375), WHOLE),
    ((500, 375), (62.5, 0.0, 437.5, 375.0)),  # the middle square
    ((40, 200), (-10.0, 20.0, 50.0, 180.0)),  # further than the image is wide
    ((1000, 3), (0.0, 0.0, 1000.0, 3.0)),
]


COLOURS = [
    "000004", "0a0722", "1e0c45", "380962", "510e6c", "69166e", "801f6c", "982766", "b0315b",
    "c63d4d", "d94d3d", "e9612b", "f47918", "fa9407", "fcb014", "f8cd37", "f2ea69", "fcffa4",
]  # fmt: skip
"""Colours of the steps 0, 15, … 255 of a map's value; those between are interpolated."""
INFERNO = {8: "030212", 38: "2b0a56", 67: "5b116e", 98: "8d2369", 158: "e25733", 218: "fabf25", 247: "f2f485"}
"""Colours of matplotlib's inferno at some steps between those."""


def colour_of(step: int) -> tuple[int, int, int, int]:
    """Red, green, blue and opacity of a step: opacity rises with the value up to 62 % at two thirds of the scale."""
    left, right = (bytes.fromhex(COLOURS[k]) for k in (step // 15, min(step // 15 + 1, 17)))
    share = step % 15 / 15
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(left, right, strict=True))
    return red, green, blue, round(255 * 0.62 * min(1, 1.5 * step / 255))


def pixels(png: bytes) -> np.ndarray:
    """`(h, w, 4)` uint8."""
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGBA"))


def by_definition(
    map_: np.ndarray, top: float, size: tuple[int, int], window: tuple[float, ...], side: int = OVERLAY_SIDE
) -> np.ndarray:
    """`(h, w, 4)`: each pixel's centre as a place in the window, between the four cells' centres around it."""
    (width, height), (rows, columns) = overlay_size(size, side), map_.shape
    out = np.zeros((height, width, 4), np.uint8)
    out[:] = colour_of(0)
    for y, x in np.ndindex(height, width):
        u = ((x + 0.5) / width * size[0] - window[0]) / (window[2] - window[0])
        v = ((y + 0.5) / height * size[1] - window[1]) / (window[3] - window[1])
        if not (0 <= u <= 1 and 0 <= v <= 1):
            continue
        cx, cy = min(max(u * columns - 0.5, 0), columns - 1), min(max(v * rows - 0.5, 0), rows - 1)
        left, upper = int(cx), int(cy)
        right, lower = min(left + 1, columns - 1), min(upper + 1, rows - 1)
        above = map_[upper, left] * (1 - (cx - left)) + map_[upper, right] * (cx - left)
        below = map_[lower, left] * (1 - (cx - left)) + map_[lower, right] * (cx - left)
        step = round(255 * (above * (1 - (cy - upper)) + below * (cy - upper)) / top)
        out[y, x] = colour_of(min(255, max(0, step)))
    return out


@pytest.mark.parametrize(("step", "colour"), INFERNO.items())
def test_colour_scale_is_close_to_inferno(step: int, colour: str) -> None:
    assert np.abs(np.subtract(colour_of(step)[:3], tuple(bytes.fromhex(colour)))).max() <= 6
    assert inferno()[step].tolist() == list(colour_of(step)[:3])


@pytest.mark.parametrize("side", [OVERLAY_SIDE, CARD_OVERLAY_SIDE])
@pytest.mark.parametrize(("size", "window"), PLACES)
def test_overlay_enlarges_a_map_by_bilinear_interpolation(size, window, side) -> None:
    map_ = np.random.default_rng(1).normal(size=(7, 5))
    drawn, right = pixels(draw_overlay(map_, 1.5, size, window, side)), by_definition(map_, 1.5, size, window, side)
    assert drawn.shape == right.shape
    assert max(drawn.shape) == side
    assert (drawn != right).any(axis=2).mean() < 0.005  # where a value lies between two steps of the palette


DIVERGING = ["b5dcff", "5aa9ee", "1f6fb5", "123a5e", "101114", "5a2410", "ad4a12", "ee8a3a", "ffd9ae"]
"""Colours of −1, −0.75, … 1 times the limit."""


@pytest.mark.parametrize(("size", "window"), PLACES)
def test_difference_is_blue_below_zero_orange_above_and_clear_at_zero(size, window) -> None:
    """Each pixel lies within two steps of the colour and opacity of its value, which is interpolated by definition."""
    map_, limit = np.random.default_rng(4).normal(size=(7, 5)), 1.5
    drawn = pixels(draw_difference(map_, limit, size, window)).astype(int)
    (width, height), (rows, columns) = overlay_size(size), map_.shape
    assert drawn.shape == (height, width, 4)
    for y, x in np.ndindex(height, width):
        u = ((x + 0.5) / width * size[0] - window[0]) / (window[2] - window[0])
        v = ((y + 0.5) / height * size[1] - window[1]) / (window[3] - window[1])
        if not (0 <= u <= 1 and 0 <= v <= 1):
            assert drawn[y, x, 3] <= 2
            continue
        cx, cy = min(max(u * columns - 0.5, 0), columns - 1), min(max(v * rows - 0.5, 0), rows - 1)
        left, upper = int(cx), int(cy)
        right, lower = min(left + 1, columns - 1), min(upper + 1, rows - 1)
        above = map_[upper, left] * (1 - (cx - left)) + map_[upper, right] * (cx - left)
        below = map_[lower, left] * (1 - (cx - left)) + map_[lower, right] * (cx - left)
        share = min(1, max(-1, (above * (1 - (cy - upper)) + below * (cy - upper)) / limit))
        place = 4 + 4 * share
        k = min(7, int(place))
        a, b = (bytes.fromhex(DIVERGING[n]) for n in (k, k + 1))
        colour = [p + (q - p) * (place - k) for p, q in zip(a, b, strict=True)]
        assert np.abs(drawn[y, x, :3] - colour).max() <= 5
        assert abs(drawn[y, x, 3] - 255 * 0.62 * min(1, 1.5 * abs(share))) <= 3


def test_difference_of_equal_maps_is_clear() -> None:
    assert pixels(draw_difference(np.zeros((3, 3)), 0, (8, 8), (0, 0, 8, 8)))[..., 3].max() <= 2


@pytest.mark.parametrize(("size", "window"), PLACES)
def test_parts_of_a_strip_equal_the_overlays_of_its_maps(size, window) -> None:
    maps = np.random.default_rng(2).normal(size=(5, 7, 7)).astype(np.float32)
    strip = pixels(draw_strip(maps, 2.0, size, window))
    for k, map_ in enumerate(maps):
        x, y, width, height = strip_rectangle(k, size)
        part = strip[y : y + height, x : x + width]
        np.testing.assert_array_equal(part, pixels(draw_overlay(map_, 2.0, size, window)))
        for row in (*strip[y - STRIP_MARGIN : y], *strip[y + height : y + height + STRIP_MARGIN]):
            assert (row == part[0]).all() or (row == part[-1]).all()  # nothing of another map
    assert len(strip) == y + height + STRIP_MARGIN


def test_map_without_evidence_has_no_part_of_the_strip(tmp_path) -> None:
    """No positive value, or one that is not a number; the last column is the label's, which no part is for."""
    maps = np.random.default_rng(3).normal(size=(2, 4, 3, 3)).astype(np.float32)
    maps[0, 0], maps[0, 1, 2, 2] = -1, np.nan
    maps[1] = 0
    wide = {"samples/size": np.array([[40, 30]] * 2), "samples/window": np.array([[0.0, 0, 40, 30]] * 2)}
    model = make_model_audit([0, 0], maps=maps, class_names=["a", "b", "c"], arrays=wide)
    media = Media(tmp_path)
    assert top_layers(model, media, 1, 2.0, range(3)) == {0: {}, 1: {}, 2: {}}
    assert list(tmp_path.iterdir()) == []
    first, second, third = top_layers(model, media, 0, 2.0, range(3)).values()
    assert first == second == {}
    assert third["part"] == strip_rectangle(0, (40, 30))
    file = tmp_path / third["overlay"].url
    np.testing.assert_array_equal(
        pixels(file.read_bytes()), pixels(draw_strip(maps[0, 2:3], 2.0, (40, 30), (0.0, 0.0, 40.0, 30.0)))
    )
