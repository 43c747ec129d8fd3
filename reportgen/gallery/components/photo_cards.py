"""Photographs under their label, without a map: neighbours, duplicates, confusions."""

from __future__ import annotations

from typing import Literal

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.data.samples import Sample
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import card_photograph, image_size, photograph
from reportgen.gallery.core.labels import label_text
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.urls import image_page

Relation = Literal["", "first", "same", "other"]
"""Of an image in a row of neighbours: the first one, one with the same label as the first or with another, or ""."""


def label_relation(sample: Sample, other: Sample) -> Relation:
    """Whether another image has the same label or labels, or none in common; "" where one of them is not annotated, and
    where they have some labels in common."""
    if not sample.is_annotated or not other.is_annotated:
        return ""
    if not sample.differs_in_label(other):
        return "same"
    return "" if set(sample.labels or ()) & set(other.labels or ()) else "other"


def photo_card(
    audit: Audit, media: Media, i: int, caption: str = "", value: str = "", relation: Relation = ""
) -> Figure:
    """The photograph of image i under its label, with a link to its page."""
    return Figure(
        picture=card_photograph(audit.main, media, i),
        alt=audit.samples[i].name,
        size=image_size(audit.main, i),
        title=label_text(audit.samples[i], audit.classes),
        value=value,
        caption=caption,
        href=image_page(audit, i),
        relation=relation,
    )


def reference_photo_card(
    audit: Audit, media: Media, j: int, caption: str = "", value: str = "", relation: Relation = ""
) -> Figure:
    """The photograph of image j of the reference under its label. It has no page, so it links to the picture."""
    assert audit.reference is not None
    sample, picture = audit.reference.samples[j], photograph(audit.reference, media, j)
    width, height = np.asarray(audit.reference.table["samples/size"][j]).tolist()
    return Figure(
        picture=picture,
        alt=sample.name,
        size=(width, height),
        title=label_text(sample, audit.classes),
        value=value,
        caption=caption,
        href=picture.url,
        relation=relation,
    )
