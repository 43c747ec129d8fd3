"""The backprop baseline of the CAM paper's Table 2: boxes of the label's saliency map, on some of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from reportgen.audit.model_audit import image_groups
from reportgen.data.sampling import evenly_spaced, evenly_spaced_per_class
from reportgen.methods.saliency import saliency
from reportgen.metrics.localization.boxes import paper_box, to_image
from reportgen.metrics.localization.evaluation import Evaluation, summarize
from reportgen.metrics.localization.graph_cut import graphcut_box
from reportgen.metrics.localization.ilsvrc import THRESHOLD
from reportgen.metrics.localization.image_evaluation import ImageGroundTruth, evaluate_box
from reportgen.metrics.localization.study import add_intervals, label_rank
from reportgen.models.classifier import Classifier
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import PerImageJob, PerImageMethod
from reportgen.pipeline.work import Work
from reportgen.store.per_image import PerImageResults

MAX_IMAGES = 128
"""Images that get it, evenly over those with a label and boxes: a gradient and a minimum cut take half a second."""
CUT_SIDE = 112
"""Longer side of the picture in which the cut is made: its time grows faster than the number of pixels."""
PIPELINES = {"paper": "the CAM box recipe on the saliency map", "graphcut": "GraphCut on colours, seeded by saliency"}


def backprop_work(job: PerImageJob, judged: np.ndarray, labels: np.ndarray) -> Work:
    """Figures of both boxes (Zhou et al. 2016, Table 2; Simonyan et al. 2014, section 3.2), by name of `PIPELINES`.

    A guess counts only if its class is the label, so the label's map alone decides all three errors. The work has no
    images where none has a label and boxes, or where `select` asks for no expensive methods, or for images by names.
    judged: `(n,)` rows of the images with a label and boxes; labels: `(N,)`.
    """
    possible = evenly_spaced(judged.tolist(), MAX_IMAGES)
    chosen = _chosen(job.run.settings.select, judged, labels)

    def compute(row: int, image: NetworkInput, x: Tensor) -> Mapping[str, np.ndarray]:
        return {"backprop/box": backprop_boxes(job.run.classifier_for(job.samples[row].name), image, x)}

    def open_methods() -> list[PerImageMethod]:
        return [job.method("backprop", {"threshold": THRESHOLD, "side": CUT_SIDE}, lambda: compute)]

    def show(results: Sequence[PerImageResults]) -> Mapping[str, Any]:
        (found,) = results
        boxes = {row: found.table["backprop/box"][place].astype(np.float64) for row, place in found.rows.items()}
        return {"backprop": evaluate_boxes(job, judged, boxes) if boxes else {}}

    return Work(["the backprop baseline"], chosen, max(len(chosen), len(possible)), open_methods, show)


def _chosen(select: str, judged: np.ndarray, labels: np.ndarray) -> list[int]:
    """The rows of the images that get the baseline, in an order of which every beginning is spread over all of them.

    `failures` selects none by itself: failures alone are no sample of the error.
    """
    if not len(judged) or not (select in ("auto", "all", "failures") or select.isdecimal()):
        return []
    rows = evenly_spaced_per_class(labels[judged], int(select)) if select.isdecimal() else range(len(judged))
    chosen = evenly_spaced(judged[list(rows)].tolist(), MAX_IMAGES)
    return [chosen[i] for i in np.random.default_rng(0).permutation(len(chosen))]


def evaluate_boxes(job: PerImageJob, judged: np.ndarray, boxes: Mapping[int, np.ndarray]) -> dict[str, Evaluation]:
    """The figures of both boxes. judged: `(n,)` rows; boxes: of some of them `(2, 4)`, in the network's input."""
    images, preprocessing = sorted(boxes), job.run.classifier.preprocessing
    input_size = (preprocessing.height, preprocessing.width)
    sizes, windows = np.asarray(job.table["samples/size"]), np.asarray(job.table["samples/window"])
    classes = np.asarray(job.table["cam/class"], np.int64)
    rank, top = label_rank(classes[judged]), classes.shape[1] - 1
    places = [
        ImageGroundTruth(job.samples[i].boxes.astype(np.float64), sizes[i], windows[i], input_size) for i in images
    ]
    groups, evaluations = image_groups(job.table, job.samples)[judged], {}
    for j, (name, about) in enumerate(PIPELINES.items()):
        each = [
            evaluate_box(to_image(boxes[i][j], place.window, input_size, place.size), place)
            for i, place in zip(images, places, strict=True)
        ]
        evaluations[name] = add_intervals(summarize(about, np.searchsorted(judged, images), each, rank, top, groups))
    return evaluations


def backprop_boxes(classifier: Classifier, image: NetworkInput, x: Tensor) -> np.ndarray:
    """`(2, 4)` float32 boxes of `PIPELINES`, in pixels of the network's input; NaN for none."""
    label = torch.tensor([[image.label]], device=x.device)
    map_ = saliency(classifier.trunk, classifier.head, x, label)[0].detach().float()
    height, width = map_.shape[1:]
    share = min(1, CUT_SIDE / max(height, width))
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    small = F.adaptive_avg_pool2d(map_, (rows, columns))[0].cpu().numpy().astype(np.float64)
    rgb = np.broadcast_to(image.pixels, (3, height, width)).transpose(1, 2, 0)
    picture = Image.fromarray(rgb).resize((columns, rows), Image.Resampling.BOX)
    cut = graphcut_box(small, np.asarray(picture)) * np.array([width, height] * 2) / [columns, rows, columns, rows]
    return np.stack((paper_box(map_[0].cpu().numpy(), THRESHOLD), cut)).astype(np.float32)
