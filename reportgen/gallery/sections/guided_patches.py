"""Guided backpropagation of a unit in its top patches (Springenberg et al., Striving for Simplicity, 2015)."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.section import Section
from reportgen.gallery.components.unit_crops import crop, crop_figure
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section
from reportgen.gallery.core.urls import image_page


@section(
    "unit",
    order=51,
    about="Guided backpropagation of a unit's value in each of its top patches.",
    multilabel=True,
)
def guided_patches(audit: Audit, media: Media, subject: tuple[LayerInfo, int]) -> Section | None:
    """The guided gradient of each top patch; None for a unit that was not requested. subject: layer and unit."""
    layer, u = subject
    result = audit.main.feature_visualizations.get((layer.name, u))
    if result is None:
        return None
    unit, figures = audit.main.units[layer.name][u], []
    for i, where, value, gradient in zip(
        unit.images.tolist(), unit.where.tolist(), unit.values, result.gradients, strict=True
    ):
        name = audit.samples[i].name
        picture = crop(media, gradient, layer.box(where))
        title, url = name.rsplit("/", 1)[-1], image_page(audit, i)
        figures.append(crop_figure(picture, f"guided gradient in {name}", title, f"{value:.3g}", url))
    caption = (
        "Guided backpropagation (Springenberg et al. 2015) of the unit's value, cropped to the receptive field; each "
        "picture is normalized, and grey is zero. It mostly restores the edges of the image and hardly depends on the "
        "trained weights (Adebayo et al., NeurIPS 2018), so it is no evidence of what the unit detects."
    )
    return Section("Guided backpropagation of its top patches", caption, figures, "cards")
