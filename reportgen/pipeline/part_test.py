"""The causal test of *part only* failures: the network sees the image with parts of its box, or of the rest of the
object, occluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reportgen.data.samples import Dataset
from reportgen.metrics.failures import MIN_LEFT_OUT, PartOnlyTest, rank_part_failures
from reportgen.metrics.localization.boxes import iou, to_input
from reportgen.metrics.localization.ilsvrc import THRESHOLD, Localization
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import PerImageJob, PerImageMethod
from reportgen.pipeline.work import Work
from reportgen.store.per_image import PerImageResults

MAX_IMAGES = 200
"""*Part only* failures that are tested: the clearest."""
GRID = 14
"""The input is divided into so many squares along each axis; these are occluded."""
MIN_SQUARES = 4
"""Least number of squares in the box, and in the rest of the object, for a test."""
DRAWS = 10
"""Random choices of squares, of the box and of the rest."""
SEED = 0


def part_test_work(
    job: PerImageJob, dataset: Dataset, outcomes: Sequence[str], localization: Localization | None
) -> Work:
    """Occlude squares of the predicted box, and as many of the rest of the object; record the label's probability.

    The fill is the data set's mean colour. The work has no images where no *part only* failure leaves out enough of its
    object.
    """
    boxes = [sample.boxes.astype(np.float64) for sample in job.samples]
    rows, scores, left_out = rank_part_failures(outcomes, localization, boxes)
    n_failures = len(rows)
    rows, scores = (values[left_out >= MIN_LEFT_OUT][:MAX_IMAGES] for values in (rows, scores))
    colour = np.asarray(job.table["image/tiny"]).mean((0, 1, 2)).round().astype(np.uint8)
    predicted = {int(i): localization.boxes[i, 0] for i in rows} if localization else {}
    settings = {
        "annotations": dataset.annotation_digest,
        "colour": colour.tolist(),
        "threshold": THRESHOLD,
        "draws": [GRID, MIN_SQUARES, DRAWS, SEED],
    }

    def compute(row: int, image: NetworkInput, x: Tensor) -> Mapping[str, np.ndarray]:
        nearest = boxes[row][int(iou(predicted[row], boxes[row]).argmax())]
        window = job.table["samples/window"][row].astype(np.float64)
        _, height, width = image.pixels.shape
        found, true = (to_input(box, window, (height, width)) for box in (predicted[row], nearest))
        masks = occluding_masks(found, true, (height, width))
        return {"part/probability": _probabilities(job, row, image, masks, colour)}

    def show(results: Sequence[PerImageResults]) -> Mapping[str, Any]:
        return {"part_test": _part_only_test(results[0], rows, scores, n_failures)}

    def open_methods() -> list[PerImageMethod]:
        return [job.method("part test", settings, lambda: compute)]

    return Work(
        ["the causal test of part-only failures"], rows.tolist(), len(rows), open_methods, show, passes=1 + 2 * DRAWS
    )


def _part_only_test(
    results: PerImageResults, rows: np.ndarray, scores: np.ndarray, n_failures: int
) -> PartOnlyTest | None:
    """The test of those failures that have results. rows, scores: `(P,)`, see `rank_part_failures`."""
    computed = np.array([int(i) in results for i in rows])
    rows, scores = rows[computed], scores[computed]
    if not len(rows):
        return None
    probability = results.table["part/probability"][[results.rows[int(i)] for i in rows]].astype(np.float64)
    tested = np.isfinite(probability).all(1)
    if not tested.any():
        return None
    occluded = probability[tested, 1:].reshape(-1, 2, DRAWS)
    return PartOnlyTest(rows[tested], scores[tested], probability[tested, 0], occluded, n_failures)


def occluding_masks(predicted: np.ndarray, true: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Return `(2, DRAWS, H, W)` bool: squares of the predicted box, and of the object without it, to occlude.

    All masks have the same number of squares: half of those that the smaller of the two regions has. A square belongs
    to a region if its centre does, and to the predicted box only if it is on the object. None if a region has fewer
    than `MIN_SQUARES`.
    predicted, true: `(4,)` int boxes in the network's input; size: its height and width.
    """
    rows, columns = (np.linspace(0, side, GRID + 1).round().astype(int) for side in size)
    y, x = np.meshgrid((rows[1:] + rows[:-1]) / 2, (columns[1:] + columns[:-1]) / 2, indexing="ij")
    in_box, on_object = (
        (x >= x0) & (x < x1) & (y >= y0) & (y < y1) for x0, y0, x1, y1 in (predicted.tolist(), true.tolist())
    )
    regions = [np.flatnonzero(in_box & on_object), np.flatnonzero(on_object & ~in_box)]
    if min(map(len, regions)) < MIN_SQUARES:
        return None
    count, random = min(map(len, regions)) // 2, np.random.default_rng(SEED)
    cells = np.zeros((2, DRAWS, GRID * GRID), bool)
    for region, squares in enumerate(regions):
        for draw in range(DRAWS):
            cells[region, draw, random.choice(squares, count, replace=False)] = True
    return cells.reshape(2, DRAWS, GRID, GRID).repeat(np.diff(rows), 2).repeat(np.diff(columns), 3)


def _probabilities(
    job: PerImageJob, row: int, image: NetworkInput, masks: np.ndarray | None, colour: np.ndarray
) -> np.ndarray:
    """`(1 + 2 · DRAWS,)` float32 of the label: the image as it is, then with each mask; NaN without masks."""
    if masks is None:
        return np.full(1 + 2 * DRAWS, np.nan, np.float32)
    classifier = job.run.classifier_for(job.samples[row].name)
    fill = colour[: len(image.pixels), None, None]
    each = [image.pixels, *(np.where(mask, fill, image.pixels) for half in masks for mask in half)]
    with torch.no_grad():
        x = classifier.preprocessing.normalize(torch.from_numpy(np.stack(each).astype(np.uint8)).to(job.device))
        logits = classifier.head(job.without_gradients.trunk(x)).cpu().double()
    return torch.softmax(logits, 1)[:, image.label or 0].float().numpy()
