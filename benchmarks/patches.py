"""The 16 strongest images of every unit, updated map by map, compared with a tracker that visits unit by unit."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.timing import OURS, Result, measure, table
from reportgen.metrics.top_patches import TopPatches
from reportgen.models.layers import unit_maxima

UNITS, SIDE, IMAGES, BATCH = 2048, 7, 512, 32
"""ResNet-50's layer4."""


class ChannelTracker:
    """As deep-visualization-toolbox's MaxTracker: each channel's maximum is sought in turn, and put into its list."""

    def __init__(self, channels: int, top: int) -> None:
        self.best = np.full((channels, top), -np.inf)
        self.image = np.full((channels, top), -1)
        self.where = np.full((channels, top), -1)

    def update(self, maps: np.ndarray, image: int) -> None:
        for channel in range(maps.shape[0]):
            flat = maps[channel].ravel()
            where = int(flat.argmax())
            value = flat[where]
            if value > self.best[channel, -1]:
                place = int(np.searchsorted(-self.best[channel], -value, side="right"))
                for entries, new in ((self.best, value), (self.image, image), (self.where, where)):
                    entries[channel, place + 1 :] = entries[channel, place:-1]
                    entries[channel, place] = new


def run(quick: bool) -> Result:
    """With `quick` a quarter of the images."""
    generator = torch.Generator().manual_seed(0)
    images = IMAGES // 4 if quick else IMAGES
    batches = torch.randn(images, UNITS, SIDE, SIDE, generator=generator).relu_().split(BATCH)

    def ours() -> TopPatches:
        top = TopPatches(UNITS, 16)
        for number, maps in enumerate(batches):
            maxima, where = unit_maxima(maps)
            top.update(number * BATCH, maxima.numpy(), where.numpy())
        return top

    def peer() -> ChannelTracker:
        tracker = ChannelTracker(UNITS, top=16)
        for number, maps in enumerate(batches):
            for i, image in enumerate(maps.numpy()):
                tracker.update(image, number * BATCH + i)
        return tracker

    timings = measure({OURS: ours, "tracker": peer}, 3)
    mine, theirs = ours(), peer()
    same = all(
        np.array_equal(a, b)
        for a, b in ((mine.value, theirs.best), (mine.image, theirs.image), (mine.where, theirs.where))
    )
    state = mine.value.nbytes + mine.image.nbytes + mine.where.nbytes
    lines = [f"{images} images, {UNITS} units; state {state / 1e6:.2f} MB; the same winners: {same}", *table(timings)]
    return Result({"tracker": timings.ratio("tracker")}, same and state <= 1e6, lines)
