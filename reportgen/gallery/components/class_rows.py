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
from reportgen.metrics.multilabel import THRESHOLD as LABEL_THRESHOLD


@dataclass(frozen=True)
class ClassRow:
    """A class of an image. score: its probability; role: `predicted`, `label`, both or none, for a person to read;
    figure: its map, or None for a row without one.

    In a multi-label data set, mark: `hit`, `missed` or `false alarm`, or "", and threshold: that of predicted labels.
    """

    name: str
    score: float
    role: str
    figure: Figure | None = None
    mark: str = ""
    threshold: float | None = None


def map_columns(model: ModelAudit, i: int) -> list[int]:
    """The columns of `cam/map` that image i's page shows: of the top classes, and of the label if it is not one.

    In a multi-label data set: of the five most probable labels, the predicted ones, and those of the image.
    """
    classes = model.cam_classes[i]
    if model.dataset.is_multilabel:
        wanted = shown_labels(model, i)
        return [column for column, k in enumerate(classes[:LABEL].tolist()) if k in wanted]
    columns = list(range(len(classes) - 1))
    if classes[LABEL] >= 0 and classes[LABEL] not in classes[:-1]:
        columns.append(len(classes) - 1)
    return columns


def shown_labels(model: ModelAudit, i: int) -> set[int]:
    """The classes that the page of image i of a multi-label data set shows."""
    top = model.classification.top_classes[i].tolist()
    return {*top, *model.predicted_labels(i), *(model.samples[i].labels or ())}


def shared_maximum(model: ModelAudit, i: int) -> float:
    """The end of the scale of the maps of image i: the highest value of those that its page shows."""
    return highest(model.cams[i, map_columns(model, i)])


def label_column(model: ModelAudit, i: int) -> int:
    """The column of `cam/map` with the map of image i's label: one of the top classes, if it is among them."""
    places = np.flatnonzero(model.cam_classes[i, :-1] == model.cam_classes[i, LABEL])
    return int(places[0]) if len(places) else len(model.cam_classes[i]) - 1


def probabilities(model: ModelAudit, i: int) -> np.ndarray:
    """`(K,)` float64, the probability of each class for image i; 0 where a logit is not a number."""
    return np.asarray(np.nan_to_num(model.probabilities(i)))


def class_layers(model: ModelAudit, media: Media, i: int) -> dict[int, dict[str, Any]]:
    """Column of `cam/map` → `overlay` and `part` of a figure, all on the scale of the image viewer."""
    top, last = shared_maximum(model, i), len(model.cam_classes[i]) - 1
    layers = top_layers(model, media, i, top, [j for j in map_columns(model, i) if j != last])
    return {**layers, last: {"overlay": map_layer(model, media, i, last, top)}}


def class_rows(model: ModelAudit, media: Media, i: int) -> Sequence[ClassRow]:
    """A row for each map of the image viewer, in its order; then, of several labels, one for each without a map."""
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
    if model.dataset.is_multilabel:
        scores, mapped = probabilities(model, i), model.cam_classes[i].tolist()
        without_map = sorted(shown_labels(model, i).difference(mapped), key=lambda k: -scores[k])
        role = f"no map: not among the {len(mapped) - 1} most probable"
        rows += [_label_row(model, i, k, float(scores[k]), role) for k in without_map]
    return rows


def mapped_classes(model: ModelAudit, i: int) -> dict[int, ClassRow]:
    """Column of `cam/map` → the row of its class, without the figure, in the order of the image viewer."""
    scores, rows = probabilities(model, i), {}
    for column in map_columns(model, i):
        k = int(model.cam_classes[i, column])
        if model.dataset.is_multilabel:
            rows[column] = _label_row(model, i, k, float(scores[k]))
            continue
        roles = [("predicted", column == 0), ("label", k == model.cam_classes[i, LABEL])]
        role = ", ".join(name for name, holds in roles if holds)
        rows[column] = ClassRow(model.classes[k], float(scores[k]), role)
    return rows


def _label_row(model: ModelAudit, i: int, k: int, score: float, role: str = "") -> ClassRow:
    """The row of one of several labels: whether the image has it, and whether it is predicted."""
    labels, is_predicted = model.samples[i].labels, score >= LABEL_THRESHOLD
    marks = {(True, True): "hit", (True, False): "missed", (False, True): "false alarm"}
    mark = "" if labels is None else marks.get((k in labels, is_predicted), "")
    return ClassRow(model.classes[k], score, role, None, mark, LABEL_THRESHOLD)
