"""The image viewer of an image page: the image with the activation map that decides its outcome, and its boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from reportgen.audit.model_audit import ModelAudit
from reportgen.gallery.components.class_rows import class_layers, map_columns, shared_maximum
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import figure_boxes, image_size, photograph
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.labels import TOKENS_NOTE, cam_name, cam_unit, reads_tokens
from reportgen.gallery.core.media import Media
from reportgen.metrics.formatting import iou_text
from reportgen.metrics.localization.ilsvrc import THRESHOLD


def image_viewer(model: ModelAudit, media: Media, i: int) -> Section:
    """The predicted class's map, its box and the ground-truth boxes; the browser gets all stored maps."""
    top = shared_maximum(model, i)
    predicted = model.classes[int(model.cam_classes[i, 0])]
    figure = Figure(
        picture=photograph(model, media, i),
        alt=f"{model.samples[i].name} with the activation map of {predicted}",
        size=image_size(model, i),
        boxes=figure_boxes(model, i, 0),
        outcome=model.outcomes[i],
        **class_layers(model, media, i)[0],
    )
    scale = ("0", f"{top:.1f}{cam_unit(model.info)}")
    caption = f"{cam_caption(model, predicted)}{box_caption(model, i)}"
    return Section("", caption, [figure], "large", scale, viewer_data(model, i), id="viewer")


def cam_caption(model: ModelAudit, name: str) -> str:
    """`Class activation map (CAM) of tabby: evidence for the class, in logit units. Transparent where it is ≤ 0.`"""
    if model.info.method == "files":
        return f"{cam_name(model.info)}, the same for every class. Transparent where it is ≤ 0."
    meaning = ": evidence for the class, in logit units" if cam_unit(model.info) else ""
    caption = f"{cam_name(model.info)} of {name}{meaning}. Transparent where it is ≤ 0."
    return f"{caption} {TOKENS_NOTE}" if reads_tokens(model.info) else caption


def box_caption(model: ModelAudit, i: int) -> str:
    """What is said of the boxes on the map of the predicted class; "" where it has none."""
    localization = model.localization
    if localization is None or np.isnan(localization.boxes[i, 0]).any():
        return ""
    text = f" Dashed: predicted box, around the largest region above {100 * THRESHOLD:.0f} % of the map's maximum"
    if not localization.judged[i]:
        return f"{text}."
    iou = iou_text(localization.best_iou[i, 0])
    return f"{text}; solid: ground-truth box. Intersection over union (IoU) of the two: {iou}."


def viewer_data(model: ModelAudit, i: int) -> dict[str, Any]:
    """The maps of image i as numbers for the browser: of the top classes, and of the label if it is not among them.

    Of several labels, the box that a map gives has no IoU here: the ground-truth boxes are of several classes.
    """
    columns, sample, is_multilabel = map_columns(model, i), model.samples[i], model.dataset.is_multilabel
    maps = np.where(np.isfinite(model.cams[i]), model.cams[i], 0).astype(np.float64).round(3)
    names = [model.classes[int(model.cam_classes[i, j])] for j in columns]
    return {
        "size": model.sizes[i].tolist(),
        "window": [round(float(v), 2) for v in model.windows[i]],
        "input": model.info.input_size[::-1],
        "threshold": THRESHOLD,
        "unit": cam_unit(model.info),
        "ground_truth": [] if is_multilabel else [[round(float(v), 1) for v in box] for box in sample.boxes],
        "cams": [
            {"name": name, "caption": cam_caption(model, name), "grid": maps[j].tolist()}
            for j, name in zip(columns, names, strict=True)
        ],
    }
