"""Neighbours in a multi-label data set: the labels that images and their neighbours have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.embedding.label_sets import (
    LabelSets,
    mean_overlap,
    neighbours_with_label,
    random_overlap,
    without_common_label,
)
from reportgen.embedding.space import N_SHOWN
from reportgen.gallery.components.label_figures import shown_labels
from reportgen.gallery.core.urls import label_page


@dataclass(frozen=True)
class LabelNeighbours:
    """A label in a table. images: with it; features, pixels: share of their neighbours that have it, too; others: share
    of all other images that have it. None where no image or neighbour has known labels."""

    name: str
    url: str
    images: int
    features: float | None
    pixels: float | None
    others: float | None


def label_neighbours(audit: Audit) -> Sequence[LabelNeighbours]:
    """The labels that an image has, those with the lowest share by features first."""
    table, known = _sets(audit)
    shares = [neighbours_with_label(index, table, known) for index in _nearest(audit)]
    rows = []
    for k in shown_labels(audit):
        images = int(table[known, k].sum())
        if images:
            features, pixels = (None if np.isnan(share[k]) else float(share[k]) for share in shares)
            others = (images - 1) / (known.sum() - 1) if known.sum() > 1 else None
            rows.append(LabelNeighbours(audit.classes[k], label_page(audit, k), images, features, pixels, others))
    return sorted(rows, key=lambda row: 2.0 if row.features is None else row.features)


def images_without_common_label(audit: Audit) -> np.ndarray:
    """The images none of whose neighbours by features has one of their labels."""
    return without_common_label(_nearest(audit)[0], *_sets(audit))


def label_lead(audit: Audit) -> str:
    """How much of the labels neighbours have in common; "" without annotated images."""
    features, pixels = (mean_overlap(index, _sets(audit)) for index in _nearest(audit))
    if features is None or pixels is None:
        return ""
    return (
        f"The labels of an image and of one of its {_nearest(audit)[0].shape[1]} nearest neighbours by features have "
        f"{100 * features:.0f} % in common on average (Jaccard index: labels of both ÷ labels of "
        f"either), by pixels {100 * pixels:.0f} %, two images at random "
        f"{100 * random_overlap(*_sets(audit)):.0f} %. "
    )


def _sets(audit: Audit) -> LabelSets:
    """All labels of each image."""
    assert audit.label_sets is not None, "pages with one label an image do not ask"
    return audit.label_sets


def _nearest(audit: Audit) -> list[np.ndarray]:
    """By features and by pixels, `(N, k)`."""
    return [space.neighbours.index[:, :N_SHOWN] for space in (audit.feature_space, audit.pixel_space)]
