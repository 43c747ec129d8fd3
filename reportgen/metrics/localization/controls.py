"""Controls: boxes that do not depend on the image, and maps that do not depend on training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reportgen.metrics.localization.boxes import iou
from reportgen.metrics.localization.ilsvrc import IOU
from reportgen.metrics.localization.image_evaluation import (
    RECIPE_INDEX,
    ImageEvaluation,
    ImageGroundTruth,
    boxes_of_map,
    evaluate_box,
    evaluate_map,
    evaluate_maps,
)
from reportgen.parallel import parallel_map
from reportgen.store.results_cache import ResultsCache

CENTRED_BOX_SIDES = np.arange(1, 21) / 20
"""Widths and heights of centred boxes that are tried, as shares of the image's."""
CONTROL_LABELS = {
    "whole_image": "whole image",
    "centre": "centred box, best size",
    "mean_map": "mean map",
    "random_weights": "random weights",
}
"""Control → its name in tables and sentences."""
Control = tuple[str, np.ndarray, list[ImageEvaluation]]
"""Description, rows `(m,)` of the images that it was evaluated on, and the evaluation of each of them."""


def whole_image(truths: Sequence[ImageGroundTruth]) -> Control:
    """Evaluate a box around the whole image."""
    images = parallel_map(lambda truth: evaluate_box(np.array([0.0, 0.0, *truth.size]), truth), truths)
    return "a box around the whole image", np.arange(len(truths)), images


def centred_box(truths: Sequence[ImageGroundTruth]) -> Control:
    """Evaluate a centred box; its size, as shares of the image's sides, is the best one on these images."""
    width, height = (side.ravel() for side in np.meshgrid(CENTRED_BOX_SIDES, CENTRED_BOX_SIDES))
    relative = np.stack((0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2), 1)
    n_correct = np.zeros(len(relative), int)
    for truth in truths:
        n_correct += (iou((relative * np.tile(truth.size, 2))[:, None], truth.boxes) >= IOU).any(1)
    best = int(n_correct.argmax())
    size = f"{100 * width[best]:.0f} % × {100 * height[best]:.0f} %"
    images = parallel_map(lambda truth: evaluate_box(relative[best] * np.tile(truth.size, 2), truth), truths)
    return f"a centred box, {size} of the image: the size that is best on these images", np.arange(len(truths)), images


def mean_map(maps: np.ndarray, truths: Sequence[ImageGroundTruth]) -> Control:
    """Evaluate the mean of all maps `(n, h, w)`, each divided by its maximum: the same map for every image."""
    peaks = maps.max((1, 2))
    usable = np.isfinite(maps).all((1, 2)) & (peaks > 0)
    scaled = maps[usable].astype(np.float64) / peaks[usable, None, None]
    mean = scaled.mean(0) if usable.any() else np.zeros(maps.shape[1:])
    boxes = boxes_of_map(mean, truths[0].input_size)
    images = parallel_map(lambda truth: evaluate_map(boxes, truth), truths)
    return "the data set's mean map", np.arange(len(truths)), images


def random_weights(
    draws: Sequence[Mapping[int, np.ndarray]], truths: Sequence[ImageGroundTruth], cache: ResultsCache | None = None
) -> Control:
    """Evaluate the label's maps of the same network with random weights.

    draws: for each draw of the weights, row → map `(h, w)`. Every row is in one draw. cache: see `evaluate_maps`.
    """
    maps = {row: map_ for draw in draws for row, map_ in draw.items()}
    rows = np.array(sorted(maps), int)
    images = evaluate_maps([maps[i] for i in rows], [truths[i] for i in rows], cache)
    correct = {row: image.correct_by_threshold[RECIPE_INDEX] for row, image in zip(rows.tolist(), images, strict=True)}
    errors = [100 * (1 - np.mean([correct[row] for row in draw])) for draw in draws if draw]
    by_draw = ", ".join(f"{error:.1f} %" for error in errors)
    coverage = "" if len(rows) == len(truths) else f", on {len(rows):,} of the images"
    about = (
        f"the map of the same network with random weights{coverage}; each image has one of {len(errors)} draws of the "
        f"weights, whose GT-known errors are {by_draw}"
    )
    return about, rows, images
