"""What a map must beat: boxes and maps that know nothing of the image, or of the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reportgen.metrics.localization.boxes import iou
from reportgen.metrics.localization.evaluation import Held, Place, hold_box, hold_map, hold_maps, outline
from reportgen.metrics.localization.ilsvrc import IOU
from reportgen.parallel import each

CENTRE_SIDES = np.arange(1, 21) / 20
"""Widths and heights that a centred box is tried with, as shares of the image's."""
Control = tuple[str, np.ndarray, list[Held]]
"""What it is, in words; `(m,)` which of the images it was tried on; what came of each of them."""


def whole_image(places: Sequence[Place]) -> Control:
    """A box around the whole image."""
    held = each(lambda place: hold_box(np.array([0.0, 0.0, *place.size]), place), places)
    return "a box around the whole image", np.arange(len(places)), held


def centre(places: Sequence[Place]) -> Control:
    """A box in the middle of the image, of the one size (as shares of its sides) that fits most of these images."""
    width, height = (side.ravel() for side in np.meshgrid(CENTRE_SIDES, CENTRE_SIDES))
    relative = np.stack((0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2), 1)
    fits = np.zeros(len(relative), int)
    for place in places:
        fits += (iou((relative * np.tile(place.size, 2))[:, None], place.true) >= IOU).any(1)
    best = int(fits.argmax())
    size = f"{100 * width[best]:.0f} % × {100 * height[best]:.0f} %"
    held = each(lambda place: hold_box(relative[best] * np.tile(place.size, 2), place), places)
    return f"a centred box, {size} of the image: the size that is best on these images", np.arange(len(places)), held


def mean_map(maps: np.ndarray, places: Sequence[Place]) -> Control:
    """The mean of all maps `(n, h, w)`, each ÷ its maximum first: the same map in every image."""
    peaks = maps.max((1, 2))
    usable = np.isfinite(maps).all((1, 2)) & (peaks > 0)
    shares = maps[usable].astype(np.float64) / peaks[usable, None, None]
    found = outline(shares.mean(0) if usable.any() else np.zeros(maps.shape[1:]), places[0].input_size)
    return "the data set's mean map", np.arange(len(places)), each(lambda place: hold_map(found, place), places)


def random_weights(maps: Mapping[int, np.ndarray], places: Sequence[Place]) -> Control:
    """The label's map `(h, w)` of the same network with weights that learned nothing; maps: by row."""
    rows = np.array(sorted(maps), int)
    some = "" if len(rows) == len(places) else f", on {len(rows):,} of the images"
    held = hold_maps([maps[i] for i in rows], [places[i] for i in rows])
    return f"the map of the same network with random weights{some}", rows, held
