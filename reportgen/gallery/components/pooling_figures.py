"""An image with its map under average pooling (GAP), and under max pooling (GMP)."""

from __future__ import annotations

from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import figure_boxes, highest, image_size, map_layer, photograph
from reportgen.gallery.core.media import Media


def pooling_figure(model: ModelAudit, media: Media, i: int, title: str, href: str = "") -> Figure:
    """Image i with the map of its label, or of the predicted class if it has none, normalized, and the boxes."""
    column = map_column(model, i)
    study, value = model.localization_study, ""
    if study is not None and i in study.images:
        row = int((study.images == i).argmax())
        covered, outside = study.label_map.completeness[row], 1 - study.label_map.energy_in_boxes[row]
        value = f"covers {100 * covered:.0f} %, {100 * outside:.0f} % outside"
    return Figure(
        picture=photograph(model, media, i),
        alt=f"{model.samples[i].name} with the {title} map of {model.classes[int(model.cam_classes[i, column])]}",
        size=image_size(model, i),
        overlay=map_layer(model, media, i, column, highest(model.cams[i, column])),
        boxes=figure_boxes(model, i, column),
        title=title,
        value=value,
        href=href,
    )


def map_column(model: ModelAudit, i: int) -> int:
    """The column of the label's map, or of the predicted class's if the image has no label."""
    return LABEL if model.cam_classes[i, LABEL] >= 0 else 0
