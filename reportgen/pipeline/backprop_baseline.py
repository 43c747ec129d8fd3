"""The backprop baseline of the CAM paper's Table 2: boxes of the label's saliency map, measured on some images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from reportgen.audit.audit import Audit
from reportgen.methods.saliency import saliency
from reportgen.metrics.localization.boxes import paper_box, to_image
from reportgen.metrics.localization.evaluation import Measured, Place, hold_box, measured
from reportgen.metrics.localization.graph_cut import graphcut_box
from reportgen.metrics.localization.ilsvrc import THRESHOLD
from reportgen.metrics.localization.study import label_rank, with_intervals
from reportgen.models.classifier import Classifier
from reportgen.models.heads import with_head
from reportgen.pipeline.extraction import Look, Progress
from reportgen.pipeline.image_loader import Framed
from reportgen.pipeline.selected_images import Arrays, Subject, look_at
from reportgen.pipeline.selection import of_each_class, spread

AT_MOST = 128
"""Images that get it, evenly over those with a label and boxes: a gradient and a minimum cut take half a second."""
SIDE = 112
"""Side of the square in which the cut is made: its time grows faster than the pixels."""
PIPELINES = {"paper": "the CAM box recipe on the saliency map", "graphcut": "GraphCut on colours, seeded by saliency"}


def backprop(audit: Audit, look: Look, device: torch.device, progress: Progress) -> dict[str, Measured]:
    """Both boxes (Zhou et al. 2016, Table 2; Simonyan et al. 2014, section 3.2), by name of `PIPELINES`.

    A guess counts only where its class is the label, so the label's map alone decides all three errors. Nothing where
    no image has a label and boxes, or where `select` asks for no costly looks, or for images by their names.
    """
    select = look.network.select
    if audit.study is None or not (select in ("auto", "all", "failures") or select.isdecimal()):
        return {}
    images = audit.study.images  # failures alone would say nothing of the error
    rows = of_each_class(audit.labels[images], int(select)) if select.isdecimal() else range(len(images))
    chosen = spread(images[list(rows)].tolist(), AT_MOST)
    boxes: dict[int, np.ndarray] = {}
    with progress("Boxes by backprop", len(chosen), "images") as tick:
        for judge, rows in judges(audit, look, chosen):
            subject = Subject(judge, look.network, device, audit, look.network.out)
            settings = {"threshold": THRESHOLD, "side": SIDE}
            store, there = look_at(subject, "backprop", settings, rows, both_boxes(judge), tick)
            boxes |= dict(zip(there, np.asarray(store["backprop/box"], np.float64), strict=True)) if there else {}
    return held(audit, audit.study.images, boxes) if boxes else {}


def held(audit: Audit, judged: np.ndarray, boxes: dict[int, np.ndarray]) -> dict[str, Measured]:
    """The figures of both boxes. judged: `(n,)` images with a label and boxes; boxes: of some of them, in the input."""
    images, side = sorted(boxes), audit.card.input_size
    rank, top = label_rank(audit.cam_classes[judged]), audit.cam_classes.shape[1] - 1
    found = {}
    for j, (name, about) in enumerate(PIPELINES.items()):
        each = []
        for i in images:
            place = Place(audit.samples[i].boxes.astype(np.float64), audit.sizes[i], audit.windows[i], side)
            each.append(hold_box(to_image(boxes[i][j], place.window, side, place.size), place))
        found[name] = with_intervals(measured(about, np.searchsorted(judged, images), each, rank, top), rank, top)
    return found


def judges(audit: Audit, look: Look, rows: Sequence[int]) -> Iterator[tuple[Classifier, list[int]]]:
    """The network with the images that it judges: where heads were fitted in folds, each with those it never saw."""
    if not look.heads or look.classifier.own is None:
        yield look.classifier, list(rows)
        return
    for fold, head in enumerate(look.heads):
        judged = [i for i in rows if look.fold[audit.samples[i].name] == fold]
        yield with_head(look.classifier, look.classifier.own.pooling, head, audit.classes), judged


def both_boxes(classifier: Classifier) -> Callable[[Framed, Tensor], Arrays]:
    """Of an image `backprop/box` `(2, 4)` float32, in pixels of the network's input; NaN for none."""

    def see(image: Framed, x: Tensor) -> Arrays:
        label = torch.tensor([[image.label]], device=x.device)
        map_ = saliency(classifier.trunk, classifier.head, x, label)[0].detach().float()
        side = min(SIDE, map_.shape[-1])
        small = F.adaptive_avg_pool2d(map_, side)[0].cpu().numpy().astype(np.float64)
        picture = Image.fromarray(image.pixels.transpose(1, 2, 0)).resize((side, side), Image.Resampling.BOX)
        cut = graphcut_box(small, np.asarray(picture)) * map_.shape[-1] / side
        return {"backprop/box": np.stack((paper_box(map_[0].cpu().numpy(), THRESHOLD), cut)).astype(np.float32)}

    return see
