"""Figures and links that both the full and the short page of an image show."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import LABEL
from reportgen.gallery.core.labels import cam_unit
from reportgen.gallery.core.page import Fact, Link
from reportgen.gallery.core.urls import activation_page, class_page, image_page
from reportgen.metrics.formatting import iou_text, minus_signs
from reportgen.metrics.localization.ilsvrc import IOU


def image_heading(audit: Audit, i: int) -> str:
    """The label of image i, or `predicted: tabby`."""
    label = audit.samples[i].label
    predicted = int(audit.main.classification.top_classes[i, 0])
    return audit.classes[label] if label is not None else f"predicted: {audit.classes[predicted]}"


def images_around(audit: Audit, i: int) -> tuple[Link | None, Link | None]:
    """Links to the images before and after image i in the order of the data set."""
    previous, following = (
        Link(audit.samples[j].name, image_page(audit, j)) if 0 <= j < len(audit.samples) else None
        for j in (i - 1, i + 1)
    )
    return previous, following


def image_facts(audit: Audit, i: int) -> list[Fact]:
    """Label, prediction and localization of image i."""
    model, label = audit.main, audit.samples[i].label
    classification, localization, layers = model.classification, model.localization, model.info.layers
    predicted = int(classification.top_classes[i, 0])
    facts = [
        Fact("Label", audit.classes[label], class_page(audit, label)) if label is not None else Fact("Label", "none"),
        Fact(
            "Predicted class",
            f"{audit.classes[predicted]}, {classification.scores[i, 0]:.2f}",
            class_page(audit, predicted),
        ),
    ]
    if localization is not None and localization.judged[i]:
        facts += [
            Fact("Ground-truth boxes", str(len(audit.samples[i].boxes))),
            Fact(
                "IoU, map of the predicted class",
                f"{iou_text(localization.best_iou[i, 0])} (≥ {IOU:.2f} counts as right)",
            ),
            Fact("IoU, map of the label (GT-known)", iou_text(localization.best_iou[i, LABEL])),
        ]
    map_ = model.cams[i, 0]
    span = minus_signs(f"{map_.min():z.1f} to {map_.max():z.1f}{cam_unit(model.info)}")
    facts.append(Fact("Range of the map", span if np.isfinite(map_).all() else "not finite"))
    if layers and audit.full_pages.has[i] and i in model.selected_images("activations"):
        facts.append(Fact("Activations", f"{len(layers)} layers", activation_page(audit, i, layers[0])))
    return facts
