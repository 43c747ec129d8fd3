"""A confusion as a card: an image with the evidence for both classes, and an image of the predicted class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import LABEL
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import figure_boxes, highest, image_size, map_layer, photograph
from reportgen.gallery.components.photo_cards import photo_card
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.urls import class_page, image_list, image_page
from reportgen.metrics.confusion import Confusion

MAX_MORE = 6
"""Further images of a confusion, as thumbnails."""


@dataclass(frozen=True)
class ConfusionRow:
    """A label with a wrong prediction. count: images with both, which `url` lists; of: images with the label."""

    label: str
    label_url: str
    predicted: str
    predicted_url: str
    count: int
    of: int
    url: str


@dataclass(frozen=True)
class ConfusionPair:
    """A confusion with pictures.

    maps: the most confident mistake, with the map of the predicted class and with that of the label, on one scale.
    reference: an image with the predicted class as its label, or None if there is none.
    more: further images of the confusion.
    """

    row: ConfusionRow
    maps: Sequence[Figure]
    reference: Figure | None
    more: Sequence[Figure]


def confusion_row(audit: Audit, confusion: Confusion) -> ConfusionRow:
    """The texts and links of a confusion."""
    label, predicted = confusion.label, confusion.predicted
    return ConfusionRow(
        label=audit.classes[label],
        label_url=class_page(audit, label),
        predicted=audit.classes[predicted],
        predicted_url=class_page(audit, predicted),
        count=confusion.count,
        of=len(audit.main.images_of_class(label)),
        url=image_list(label=label, predicted=predicted),
    )


def confusion_pair(audit: Audit, media: Media, confusion: Confusion) -> ConfusionPair:
    """The card of a confusion. Its images are in the order of their confidence, the surest mistake first."""
    classification = audit.main.classification
    images = np.flatnonzero(
        (audit.labels == confusion.label) & (classification.top_classes[:, 0] == confusion.predicted)
    )
    images = classification.surest_first(images)
    first = int(images[0])
    return ConfusionPair(
        row=confusion_row(audit, confusion),
        maps=_both_maps(audit, media, first),
        reference=_reference(audit, media, first, confusion.predicted),
        more=[
            photo_card(audit, media, int(i), value=f"{classification.scores[i, 0]:.2f}")
            for i in images[1 : 1 + MAX_MORE]
        ],
    )


def _both_maps(audit: Audit, media: Media, i: int) -> list[Figure]:
    """Image i with the map and box of its predicted class, then with those of its label."""
    model = audit.main
    top = highest(model.cams[i, [0, LABEL]])
    probabilities = model.probabilities(i)
    figures = []
    for column, what in ((0, "predicted"), (LABEL, "label")):
        k = int(model.cam_classes[i, column])
        figures.append(
            Figure(
                picture=photograph(model, media, i),
                alt=f"{audit.samples[i].name} with the activation map of {audit.classes[k]}",
                size=image_size(model, i),
                overlay=map_layer(model, media, i, column, top),
                boxes=figure_boxes(model, i, column),
                title=audit.classes[k],
                value=f"{what}, {probabilities[k]:.2f}",
                href=image_page(audit, i),
            )
        )
    return figures


def _reference(audit: Audit, media: Media, i: int, predicted: int) -> Figure | None:
    """The image with the label `predicted` that is nearest to image i by features."""
    images = audit.main.images_of_class(predicted)
    if not len(images):
        return None
    found = audit.feature_space.nearest_of(i, images)
    figure = photo_card(audit, media, found[0] if found else int(images[0]))
    return replace(figure, value="nearest image with this label")
