"""What a map must beat: boxes and points that know nothing of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.analysis.boxes import iou, paper_box, to_image, upsample
from reportgen.analysis.interval import Rate
from reportgen.analysis.localization import IOU, THRESHOLD

CENTRE_SIDES = np.arange(1, 21) / 20
"""Widths and heights that a centred box is tried with, as shares of the image's."""


@dataclass(frozen=True)
class Control:
    """A box that is not the model's.

    rows: `(m,)` which of the n judged images it was tried on; fits: `(m,)` bool, it counts there; about: what it is.
    """

    rows: np.ndarray
    fits: np.ndarray
    about: str

    @classmethod
    def on_all(cls, fits: np.ndarray, about: str) -> Control:
        return cls(np.arange(len(fits)), fits, about)

    @property
    def gt_known(self) -> Rate:
        """Error with the class given."""
        return Rate(int((~self.fits).sum()), len(self.fits))


def whole_image(true_boxes: Sequence[np.ndarray], sizes: np.ndarray) -> Control:
    """A box around the whole image."""
    boxes = np.concatenate((np.zeros_like(sizes), sizes), 1).astype(np.float64)
    return Control.on_all(fitting(boxes, true_boxes), "a box around the whole image")


def centre(true_boxes: Sequence[np.ndarray], sizes: np.ndarray) -> Control:
    """A box in the middle of the image, of the one size (as shares of its sides) that fits most of these images."""
    width, height = (side.ravel() for side in np.meshgrid(CENTRE_SIDES, CENTRE_SIDES))
    relative = np.stack((0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2), 1)
    fits = np.zeros((len(true_boxes), len(relative)), bool)
    for i, true in enumerate(true_boxes):
        fits[i] = (iou((relative * np.tile(sizes[i], 2))[:, None], true) >= IOU).any(1)
    best = int(fits.sum(0).argmax())
    size = f"{100 * width[best]:.0f} % × {100 * height[best]:.0f} %"
    about = f"a centred box, {size} of the image: the size that is best on these images"
    return Control.on_all(fits[:, best], about)


def mean_map(
    maps: np.ndarray, true_boxes: Sequence[np.ndarray], sizes: np.ndarray, windows: np.ndarray, input_size: int
) -> Control:
    """The box of the mean of all maps `(n, h, w)`, each ÷ its maximum first: the same place in every image."""
    peaks = maps.max((1, 2))
    usable = np.isfinite(maps).all((1, 2)) & (peaks > 0)
    shares = maps[usable].astype(np.float64) / peaks[usable, None, None]
    mean = shares.mean(0) if usable.any() else np.zeros(maps.shape[1:])
    box = paper_box(upsample(mean, input_size, input_size), THRESHOLD)
    boxes = np.stack([to_image(box, window, input_size, size) for window, size in zip(windows, sizes, strict=True)])
    return Control.on_all(fitting(boxes, true_boxes), "the box of the data set's mean map")


def random_weights(
    maps: Mapping[int, np.ndarray],
    true_boxes: Sequence[np.ndarray],
    sizes: np.ndarray,
    windows: np.ndarray,
    input_size: int,
) -> Control:
    """The box of the label's map `(h, w)` of the same network with weights that learned nothing; maps: by row."""
    rows = np.array(sorted(maps), int)
    boxes = [paper_box(upsample(maps[i], input_size, input_size), THRESHOLD) for i in rows]
    placed = [to_image(box, windows[i], input_size, sizes[i]) for i, box in zip(rows, boxes, strict=True)]
    fits = fitting(np.array(placed).reshape(-1, 4), [true_boxes[i] for i in rows])
    some = "" if len(rows) == len(true_boxes) else f", on {len(rows):,} of the images"
    return Control(rows, fits, f"the box of the same network with random weights{some}")


def fitting(boxes: np.ndarray, true_boxes: Sequence[np.ndarray]) -> np.ndarray:
    """`(n,)` bool: box i `(n, 4)` has IoU ≥ 0.5 with one of the true boxes of image i, each `(B, 4)`, B ≥ 1."""
    return np.array([(iou(box, true) >= IOU).any() for box, true in zip(boxes, true_boxes, strict=True)], bool)
