"""The causal test of *part only* failures: the network sees the image again with its box, or the rest, occluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from reportgen.data.samples import Dataset
from reportgen.metrics.failures import PartOnlyTest, rank_part_failures
from reportgen.metrics.localization.boxes import iou, to_input
from reportgen.metrics.localization.ilsvrc import THRESHOLD, Localization
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import PerImageJob
from reportgen.pipeline.progress import Progress

MAX_IMAGES = 200
"""*Part only* failures that are tested: the clearest."""


def part_test(
    job: PerImageJob, dataset: Dataset, outcomes: Sequence[str], localization: Localization | None, progress: Progress
) -> PartOnlyTest | None:
    """Occlude the predicted box, then the rest of the object, and record the label's probability each time.

    The fill is the data set's mean colour. None where there are no *part only* failures.
    """
    boxes = [sample.boxes.astype(np.float64) for sample in job.samples]
    rows, scores = rank_part_failures(outcomes, localization, boxes)
    rows, scores = rows[:MAX_IMAGES], scores[:MAX_IMAGES]
    if not len(rows) or localization is None:
        return None
    colour = np.asarray(job.table["image/tiny"]).mean((0, 1, 2)).round().astype(np.uint8)
    predicted = {int(i): localization.boxes[i, 0] for i in rows}
    settings = {
        "annotations": dataset.annotation_digest,
        "colour": colour.tolist(),
        "threshold": THRESHOLD,
    }

    def compute(row: int, image: NetworkInput, x: Tensor) -> Mapping[str, np.ndarray]:
        nearest = boxes[row][int(iou(predicted[row], boxes[row]).argmax())]
        window = job.table["samples/window"][row].astype(np.float64)
        return {"part/probability": _probabilities(job, row, image, predicted[row], nearest, window, colour)}

    with progress("Testing part-only failures", len(rows), "images") as tick:
        results = job.compute("part test", settings, rows.tolist(), compute, tick)
    tested = np.array([int(i) in results for i in rows])
    if not tested.any():
        return None
    probability = results.table["part/probability"][[results.rows[int(i)] for i in rows[tested]]]
    return PartOnlyTest(rows[tested], scores[tested], probability.astype(np.float64))


def _probabilities(
    job: PerImageJob,
    row: int,
    image: NetworkInput,
    predicted: np.ndarray,
    true: np.ndarray,
    window: np.ndarray,
    colour: np.ndarray,
) -> np.ndarray:
    """`(3,)` float32 of the label: the image as it is, without the predicted box, without the rest of the object."""
    classifier = job.run.classifier_for(job.samples[row].name)
    side = classifier.preprocessing.size
    part, whole = (_mask(to_input(box, window, side), side) for box in (predicted, true))
    masks = (np.zeros_like(part), part, whole & ~part)
    images = np.stack([np.where(mask, colour[:, None, None], image.pixels) for mask in masks]).astype(np.uint8)
    with torch.no_grad():
        x = classifier.preprocessing.normalize(torch.from_numpy(images).to(job.device))
        logits = classifier.head(classifier.trunk(x)).cpu().double()
    return torch.softmax(logits, 1)[:, image.label or 0].float().numpy()


def _mask(box: np.ndarray, side: int) -> np.ndarray:
    """`(side, side)` bool, True inside an int box."""
    mask = np.zeros((side, side), bool)
    x0, y0, x1, y1 = np.clip(box, 0, side)
    mask[y0:y1, x0:x1] = True
    return mask
