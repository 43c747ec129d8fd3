"""Figures that many pages share: a photograph, an activation map over it, boxes on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.audit.reference import Reference
from reportgen.draw.overlay import CARD_OVERLAY_SIDE, OVERLAY_SIDE, draw_overlay, draw_strip, strip_rectangle
from reportgen.draw.tiles import card_picture
from reportgen.gallery.components.figure import Figure, FigureBox
from reportgen.gallery.core.labels import label_text, prediction_text
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.gallery.core.urls import image_page
from reportgen.metrics.formatting import iou_text


def highest(maps: np.ndarray) -> float:
    """The largest finite value of some maps, for the end of their scale; 0 where none is positive."""
    return float(np.max(maps, initial=0, where=np.isfinite(maps)))


def image_size(model: ModelAudit, i: int) -> tuple[int, int]:
    """Width and height of image i in pixels."""
    return int(model.sizes[i, 0]), int(model.sizes[i, 1])


def photograph(of: ModelAudit | Reference, media: Media, i: int) -> MediaFile:
    """The picture of image i."""
    return media.add_once((of.table.fingerprint, of.table.keys[i]), lambda: of.jpeg(i))


def card_photograph(of: ModelAudit, media: Media, i: int) -> MediaFile:
    """The picture of image i at the size of cards."""
    return media.draw(card_picture, of.jpeg(i))


def map_layer(
    model: ModelAudit, media: Media, i: int, column: int, top: float, side: int = OVERLAY_SIDE
) -> MediaFile | None:
    """The map in a column of `cam/map` as a layer over image i, with `top` at the end of the colour scale.

    None where it is no evidence: no positive value, or a value that is not finite.
    """
    if model.cam_classes[i, column] < 0:
        return None
    return layer_over(media, model.cams[i, column], top, image_size(model, i), model.windows[i].tolist(), side)


def top_layers(
    model: ModelAudit, media: Media, i: int, top: float, columns: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Column → `overlay` and `part` of a figure for its map over image i, all in one picture file.

    columns: of `cam/map`, those of top classes. Empty where a map is no evidence.
    """
    maps = model.cams[i]
    shown = [j for j in columns if _is_evidence(maps[j])]
    if not shown:
        return {j: {} for j in columns}
    size = image_size(model, i)
    strip = media.draw(draw_strip, maps[shown], top, size, model.windows[i].tolist())
    return {j: {"overlay": strip, "part": strip_rectangle(shown.index(j), size)} if j in shown else {} for j in columns}


def _is_evidence(map_: np.ndarray) -> bool:
    return bool(np.isfinite(map_).all() and map_.max() > 0)


def layer_over(
    media: Media,
    map_: np.ndarray,
    top: float,
    size: tuple[int, int],
    window: Sequence[float],
    side: int = OVERLAY_SIDE,
) -> MediaFile | None:
    """A map `(h, w)` as a layer over an image of this size, of which the network saw the window; side: of the file."""
    if not _is_evidence(map_):
        return None
    return media.draw(draw_overlay, map_, top, size, window, side)


def figure_box(kind: Literal["ground-truth", "predicted"], box: np.ndarray) -> FigureBox:
    """A box x0 y0 x1 y1 to be drawn."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return FigureBox(kind, round(x0, 1), round(y0, 1), round(x1 - x0, 1), round(y1 - y0, 1))


def figure_boxes(model: ModelAudit, i: int, column: int) -> list[FigureBox]:
    """The ground-truth boxes of image i, and the predicted box of one of its maps."""
    boxes = [figure_box("ground-truth", box) for box in model.samples[i].boxes]
    if model.localization is not None and not np.isnan(model.localization.boxes[i, column]).any():
        boxes.append(figure_box("predicted", model.localization.boxes[i, column]))
    return boxes


def image_figure(model: ModelAudit, media: Media, i: int) -> Figure:
    """Image i itself, to compare with what is drawn of it."""
    return Figure(photograph(model, media, i), model.samples[i].name, image_size(model, i), title="The image")


def image_card(
    audit: Audit, media: Media, i: int, top: float | None = None, column: int = 0, model: ModelAudit | None = None
) -> Figure:
    """A small figure of image i that links to its page. Without `top` the map is normalized by itself.

    model: the network whose map it shows; without it, the first one.
    """
    model = model or audit.main
    k = int(model.cam_classes[i, column])
    if column == LABEL and k < 0:
        column, k = 0, int(model.cam_classes[i, 0])
    top = highest(model.cams[i, column]) if top is None else top
    sample, predicted = model.samples[i], prediction_text(model, i)
    is_labelled = sample.label is not None or sample.labels is not None
    value = ""
    if model.localization is not None and model.localization.judged[i]:
        value = f"IoU {iou_text(model.localization.best_iou[i, column])}"
    return Figure(
        picture=card_photograph(model, media, i),
        alt=f"{sample.name} with the activation map of {model.classes[k]}",
        size=image_size(model, i),
        overlay=map_layer(model, media, i, column, top, CARD_OVERLAY_SIDE),
        title=label_text(sample, model.classes) if is_labelled else predicted,
        value=value,
        caption=f"predicted: {predicted}" if model.outcomes[i] in ("class", "inexact") else "",
        href=image_page(audit, i),
        outcome=model.outcomes[i],
    )
