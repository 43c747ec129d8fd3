"""Figures and links that both the full and the short page of an image show."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import LABEL
from reportgen.gallery.core.labels import cam_unit, label_text, prediction_text
from reportgen.gallery.core.page import Fact, Link
from reportgen.gallery.core.urls import activation_page, class_page, image_page
from reportgen.metrics.formatting import iou_text, minus_signs
from reportgen.metrics.localization.ilsvrc import IOU
from reportgen.metrics.multilabel import THRESHOLD as LABEL_THRESHOLD


def image_heading(audit: Audit, i: int) -> str:
    """The label of image i, or all of its labels, or `predicted: tabby`."""
    sample = audit.samples[i]
    is_labelled = sample.label is not None or sample.labels is not None
    return label_text(sample, audit.classes) if is_labelled else f"predicted: {prediction_text(audit.main, i)}"


def images_around(audit: Audit, i: int) -> tuple[Link | None, Link | None]:
    """Links to the images before and after image i in the order of the data set."""
    previous, following = (
        Link(audit.samples[j].name, image_page(audit, j)) if 0 <= j < len(audit.samples) else None
        for j in (i - 1, i + 1)
    )
    return previous, following


def image_facts(audit: Audit, i: int) -> list[Fact]:
    """Label, prediction and localization of image i."""
    model = audit.main
    localization, layers = model.localization, model.info.layers
    facts = _multilabel_facts(audit, i) if audit.is_multilabel else _class_facts(audit, i)
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
    which = f" of {audit.classes[int(model.cam_classes[i, 0])]}" if audit.is_multilabel else ""
    facts.append(Fact(f"Range of the map{which}", span if np.isfinite(map_).all() else "not finite"))
    if layers and audit.full_pages.has[i] and i in model.selected_images("activations"):
        facts.append(Fact("Activations", f"{len(layers)} layers", activation_page(audit, i, layers[0])))
    return facts


def _class_facts(audit: Audit, i: int) -> list[Fact]:
    """The one label of image i, and its predicted class."""
    label, classification = audit.samples[i].label, audit.main.classification
    predicted = int(classification.top_classes[i, 0])
    return [
        Fact("Label", audit.classes[label], class_page(audit, label)) if label is not None else Fact("Label", "none"),
        Fact(
            "Predicted class",
            f"{audit.classes[predicted]}, {classification.scores[i, 0]:.2f}",
            class_page(audit, predicted),
        ),
    ]


def _multilabel_facts(audit: Audit, i: int) -> list[Fact]:
    """The labels and the predicted labels of image i."""
    sample = audit.samples[i]
    facts = [
        Fact("Labels", "no annotation" if sample.labels is None else label_text(sample, audit.classes)),
        Fact(f"Predicted, probability ≥ {LABEL_THRESHOLD}", prediction_text(audit.main, i)),
    ]
    if len(sample.boxes):
        facts.append(
            Fact("Ground-truth boxes", f"{len(sample.boxes)}, of all labels; the maps are not compared with them")
        )
    return facts
