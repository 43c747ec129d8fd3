"""Images for which a class is predicted although they have another label, or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.image_figures import highest, image_card
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.labels import cam_unit
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section

MAX_IMAGES = 12


@section(
    "class",
    order=2,
    requires=("cam/map", "cam/class"),
    about="The images for which a class is predicted although they have another label or none, with its map.",
)
def class_false_predictions(audit: Audit, media: Media, k: int) -> Section | None:
    """The most confident of these images with their maps of class k, on one scale."""
    classification = audit.main.classification
    images = np.flatnonzero((classification.top_classes[:, 0] == k) & (audit.labels != k))
    if not len(images):
        return None
    shown = classification.surest_first(images)[:MAX_IMAGES]
    top = highest(audit.main.cams[shown, 0])
    figures = [
        replace(
            image_card(audit, media, int(i), top),
            title="no label" if audit.labels[i] < 0 else audit.classes[audit.labels[i]],
            value=f"{classification.scores[i, 0]:.2f}",
            caption="",
        )
        for i in shown
    ]
    which = f"The {MAX_IMAGES} most confident of {len(images):,}" if len(images) > MAX_IMAGES else "All"
    caption = (
        f"{which} images that the network predicts as {audit.classes[k]} and that have another label or none, under "
        f"their label, with the probability of {audit.classes[k]} and its map. One scale for all."
    )
    return Section(
        f"Other images predicted as {audit.classes[k]}",
        caption,
        figures,
        "cards",
        ("0", f"{top:.1f}{cam_unit(audit.main.info)}"),
    )
