"""Background reliance: whether a network is right without the object, and wrong although nothing else is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.bootstrap import intervals
from reportgen.metrics.gaussian_blur import gaussian_blur
from reportgen.metrics.intervals import Interval, Rate
from reportgen.metrics.paired import ErrorChange, compare_pair

ORIGINAL, REMOVED, FILLED, BLURRED, OBJECT_NOISE, BACKGROUND_NOISE = range(6)
"""What the network is shown, in this order."""
ALTERATIONS = {
    "original": ORIGINAL,
    "object_filled": REMOVED,
    "background_filled": FILLED,
    "background_blurred": BLURRED,
    "object_noise": OBJECT_NOISE,
    "background_noise": BACKGROUND_NOISE,
}
"""Names in `metrics.json`."""
NOISE, SEED = 64.0, 0
"""Standard deviation of the noise, in levels of 0 to 255."""
BLUR = 1 / 16
"""Standard deviation of the blur of the background, as a share of the longer side."""
MIN_OBJECT, MAX_OBJECT = 0.01, 0.75
"""Share of the network's input that the objects of a tested image cover."""


def alter(pixels: np.ndarray, on_object: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Return what the network is shown, `(6, C, H, W)` uint8.

    pixels: `(C, H, W)` uint8; on_object: `(H, W)` bool; colour: `(C,)` uint8, which fills the background.
    The image; its objects filled with their surroundings; its background filled; its background blurred; noise on the
    objects; noise on the background.
    """
    noise = np.random.default_rng(SEED).normal(0, NOISE, pixels.shape)
    noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    sigma = BLUR * max(on_object.shape)
    blurred = gaussian_blur(pixels.astype(np.float64), sigma)
    return np.stack(
        [
            pixels,
            without_object(pixels, on_object),
            np.where(on_object, pixels, colour[:, None, None]),
            np.where(on_object, pixels, blurred.round().astype(np.uint8)),
            np.where(on_object, noisy, pixels),
            np.where(on_object, pixels, noisy),
        ]
    ).astype(np.uint8)


def without_object(pixels: np.ndarray, on_object: np.ndarray) -> np.ndarray:
    """Return the pixels `(C, H, W)` uint8 with the objects filled with a weighted mean of the pixels around them.

    The weights are those of a Gaussian with a quarter of the longer side as its standard deviation, so the fill is
    smooth: its outline may still be seen, but no texture. on_object: `(H, W)` bool, not everywhere True.
    """
    around, sigma = (~on_object).astype(np.float64), max(on_object.shape) / 4
    weight = gaussian_blur(around, sigma, mode="constant", truncate=6)
    filled = gaussian_blur(pixels * around, sigma, mode="constant", truncate=6) / weight
    found: np.ndarray = np.where(on_object, filled.round(), pixels).astype(np.uint8)
    return found


def is_testable(on_object: np.ndarray) -> bool:
    """Whether the objects cover neither too little nor too much of the input `(H, W)` bool for the test."""
    return bool(MIN_OBJECT <= on_object.mean() <= MAX_OBJECT)


@dataclass(frozen=True)
class BackgroundTest:
    """The predictions for m altered images.

    rows: `(m,)` of the images; correct: `(m, 6)` bool, whether the predicted class is the label, for each of `alter`.
    predicted: `(m, 6)` classes; groups: `(m,)` of images that are not independent.
    """

    rows: np.ndarray
    correct: np.ndarray
    predicted: np.ndarray
    groups: np.ndarray

    def accuracy(self, shown: int) -> Rate:
        """The share of right predictions for one of `alter`."""
        rate = Rate.of(self.correct[:, shown], self.groups)
        assert rate is not None, "there are images"
        return rate

    def change(self, shown: int) -> ErrorChange:
        """The error with an alteration compared with that of the same images as they are."""
        return compare_pair(self.correct[:, ORIGINAL], self.correct[:, shown], self.groups)

    @property
    def right_without_object(self) -> Rate | None:
        """Of the images that are right as they are, the share that is right with the objects filled; None of none."""
        right = self.correct[:, ORIGINAL]
        return Rate.of(self.correct[right, REMOVED], self.groups[right])

    @property
    def rows_without_object(self) -> np.ndarray:
        """The images that are right as they are, and without the objects."""
        found: np.ndarray = self.rows[self.correct[:, ORIGINAL] & self.correct[:, REMOVED]]
        return found

    @property
    def rows_wrong_alone(self) -> np.ndarray:
        """The images that are wrong as they are, and with the background blurred."""
        found: np.ndarray = self.rows[~self.correct[:, ORIGINAL] & ~self.correct[:, BLURRED]]
        return found

    @property
    def foreground_sensitivity(self) -> tuple[float, Interval] | None:
        """Relative foreground sensitivity (Moayeri et al., RIVAL10, CVPR 2022, section 4), with its bootstrap interval.

        (a_b − a_f) / (2 min(ā, 1 − ā)), where a_b and a_f are the accuracies with noise on background and objects, and
        ā is their mean: 1 if only the objects matter, −1 if only the background does, 0 if both alike. None if ā is
        0 or 1, where noise changes nothing or everything. The interval is that of a_b − a_f, in the same units.
        """
        both = self.correct[:, [BACKGROUND_NOISE, OBJECT_NOISE]]
        mean = float(both.mean())
        if not 0 < mean < 1:
            return None
        scale = 2 * min(mean, 1 - mean)
        difference = both[:, 0].astype(np.float64) - both[:, 1]
        ((low, high),) = intervals(difference[:, None], self.groups)
        return float(difference.mean()) / scale, (max(-1.0, low / scale), min(1.0, high / scale))
