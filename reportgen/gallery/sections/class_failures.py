"""The worst images of a class: its surest wrong predictions, then its worst boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.image_figures import figure_boxes, image_card
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section

MAX_IMAGES = 6


@section(
    "class",
    order=1,
    requires=("cam/map", "cam/class"),
    about="The worst images of a class: the most confident wrong predictions, then the boxes with the lowest IoU.",
)
def class_failures(audit: Audit, media: Media, k: int) -> Section | None:
    """The images with label k that are not right, with map and box of the predicted class."""
    model = audit.main
    images = worst_images(audit, k)
    if not len(images):
        return None
    figures = [
        replace(
            image_card(audit, media, int(i)),
            title=audit.samples[i].name.rsplit("/", 1)[-1],
            boxes=figure_boxes(model, int(i), 0),
            caption=f"{audit.classes[model.classification.top_classes[i, 0]]}, {model.classification.scores[i, 0]:.2f}",
        )
        for i in images[:MAX_IMAGES]
    ]
    caption = (
        "Wrong predictions, the most confident first; then wrong boxes, the lowest IoU first. Each image has the map "
        "of its predicted class, normalized per image, with that class and its probability below it. Dashed: box of "
        "the map; solid: ground truth."
    )
    return Section("Worst images", caption, figures, "cards")


def worst_images(audit: Audit, k: int) -> np.ndarray:
    """The images with label k and another outcome than `right`, in the order of the section."""
    model = audit.main
    failed = np.array([i for i in model.images_of_class(k).tolist() if model.outcomes[i] != "right"], np.int64)
    is_wrong_class = ~model.classification.top1_correct[failed]
    confidence = model.classification.scores[failed, 0]
    iou = np.zeros(len(failed)) if model.localization is None else model.localization.best_iou[failed, 0]
    order = np.lexsort((np.where(is_wrong_class, -confidence, iou), ~is_wrong_class))
    return failed[order]
