"""The classes of an image page: each with its activation map, its probability, and whether it is the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import highest, image_size, map_layer, photograph, top_layers
from reportgen.gallery.core.media import Media


@dataclass(frozen=True)
class ClassRow:
    """A class of an image. score: its probability; role: `predicted`, `label`, both or none, for a person to read;
    figure: its map, or None for a row without one."""

    name: str
    score: float
    role: str
    figure: Figure | None = None


def map_columns(model: ModelAudit, i: int) -> list[int]:
    """The columns of `cam/map` that image i's page shows: of the top classes, and of the label if it is not one."""
    classes = model.cam_classes[i]
    columns = list(range(len(classes) - 1))
    if classes[LABEL] >= 0 and classes[LABEL] not in classes[:-1]:
        columns.append(len(classes) - 1)
    return columns


def label_column(model: ModelAudit, i: int) -> int:
    """The column of `cam/map` with the map of image i's label: one of the top classes, if it is among them."""
    places = np.flatnonzero(model.cam_classes[i, :-1] == model.cam_classes[i, LABEL])
    return int(places[0]) if len(places) else len(model.cam_classes[i]) - 1


def probabilities(model: ModelAudit, i: int) -> np.ndarray:
    """`(K,)` float64, the probability of each class for image i; 0 where a logit is not a number."""
    return np.asarray(np.nan_to_num(model.probabilities(i)))


def class_layers(model: ModelAudit, media: Media, i: int) -> dict[int, dict[str, Any]]:
    """Column of `cam/map` → `overlay` and `part` of a figure, all on the scale of the image viewer."""
    top = highest(model.cams[i])
    layers = dict(enumerate(top_layers(model, media, i, top)))
    last = len(model.cam_classes[i]) - 1
    return {**layers, last: {"overlay": map_layer(model, media, i, last, top)}}


def class_rows(model: ModelAudit, media: Media, i: int) -> Sequence[ClassRow]:
    """A row for each map of the image viewer, in its order."""
    layers = class_layers(model, media, i)
    rows = []
    for column, row in mapped_classes(model, i).items():
        figure = Figure(
            picture=photograph(model, media, i),
            alt=f"activation map of {row.name}",
            size=image_size(model, i),
            **layers[column],
        )
        rows.append(replace(row, figure=figure))
    return rows


def mapped_classes(model: ModelAudit, i: int) -> dict[int, ClassRow]:
    """Column of `cam/map` → the row of its class, without the figure, in the order of the image viewer."""
    scores, rows = probabilities(model, i), {}
    for column in map_columns(model, i):
        k = int(model.cam_classes[i, column])
        roles = [("predicted", column == 0), ("label", k == model.cam_classes[i, LABEL])]
        role = ", ".join(name for name, holds in roles if holds)
        rows[column] = ClassRow(model.classes[k], float(scores[k]), role)
    return rows
