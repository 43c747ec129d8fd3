"""The test of background reliance: the network sees some images without their objects, and their objects alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reportgen.audit.model_audit import image_groups
from reportgen.data.masks import mask_in_window
from reportgen.data.sampling import evenly_spaced
from reportgen.metrics.background import BLUR, NOISE, SEED, BackgroundTest, alter, is_testable
from reportgen.metrics.localization.boxes import to_input
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import PerImageJob, PerImageMethod
from reportgen.pipeline.work import Work
from reportgen.store.per_image import PerImageResults

MAX_IMAGES = 128
"""Images that are tested, evenly over those with a label and boxes: a share of them is known to ± 9 points."""


def background_work(job: PerImageJob, judged: np.ndarray, annotations: str) -> Work:
    """Run the network on `metrics.background.alter` of some images.

    judged: `(n,)` rows of the images with a label and boxes; annotations: digest of the data set's. The work has no
    images where `select` is `none`.
    """
    preprocessing = job.run.classifier.preprocessing
    windows = np.asarray(job.table["samples/window"]).astype(np.float64)
    size = preprocessing.height, preprocessing.width
    possible = [int(i) for i in judged if is_testable(objects_in_input(job, int(i), windows[i], size))]
    rows = [] if job.run.settings.select == "none" else evenly_spaced(possible, MAX_IMAGES)
    colour = np.asarray(job.table["image/tiny"]).mean((0, 1, 2)).round().astype(np.uint8)
    settings = {"annotations": annotations, "colour": colour.tolist(), "alterations": [BLUR, NOISE, SEED]}

    def compute(row: int, image: NetworkInput, x: Tensor) -> Mapping[str, np.ndarray]:
        classifier = job.run.classifier_for(job.samples[row].name)
        shown = alter(image.pixels, objects_in_input(job, row, windows[row], size), colour[: len(image.pixels)])
        with torch.no_grad():
            altered = classifier.preprocessing.normalize(torch.from_numpy(shown).to(job.device))
            logits = classifier.head(job.without_gradients.trunk(altered))
        return {"background/class": logits.argmax(1).cpu().numpy().astype(np.int32)}

    def show(results: Sequence[PerImageResults]) -> Mapping[str, Any]:
        return {"background_test": _test(job, results[0])}

    def open_methods() -> list[PerImageMethod]:
        return [job.method("background", settings, lambda: compute)]

    return Work(["the test of background reliance"], rows, min(len(possible), MAX_IMAGES), open_methods, show, passes=6)


def objects_in_input(job: PerImageJob, row: int, window: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return where the network's input shows objects, `(H, W)` bool: their masks if it is square, else their boxes."""
    sample = job.samples[row]
    if sample.object_masks and size[0] == size[1]:
        return mask_in_window(sample.object_masks, window, size[0])
    found = np.zeros(size, bool)
    for box in sample.boxes.astype(np.float64):
        x0, y0, x1, y1 = to_input(box, window, size).clip(0).tolist()
        found[y0:y1, x0:x1] = True
    return found


def _test(job: PerImageJob, results: PerImageResults) -> BackgroundTest | None:
    """The test of the images that have results."""
    rows = np.array(sorted(results.rows), np.int64)
    if not len(rows):
        return None
    predicted = results.table["background/class"][[results.rows[int(i)] for i in rows]].astype(np.int64)
    labels = np.array([job.samples[int(i)].label for i in rows])
    return BackgroundTest(rows, predicted == labels[:, None], predicted, image_groups(job.table, job.samples)[rows])
