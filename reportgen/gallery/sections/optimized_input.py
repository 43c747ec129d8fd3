"""The input that maximizes a unit, found by optimization (Yosinski et al., Understanding Neural Networks Through Deep
Visualization, 2015; Olah et al., Feature Visualization, Distill 2017)."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.section import Section
from reportgen.gallery.components.unit_crops import crop, crop_figure
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section
from reportgen.gallery.core.urls import image_page
from reportgen.metrics.localization.boxes import to_image


@section(
    "unit",
    order=50,
    about="The input found by optimization for a unit of the setting `feature_visualization`.",
    multilabel=True,
)
def optimized_input(audit: Audit, media: Media, subject: tuple[LayerInfo, int]) -> Section | None:
    """The optimized input and the top patch; None for a unit that was not requested. subject: layer and unit."""
    layer, u = subject
    result = audit.main.feature_visualizations.get((layer.name, u))
    if result is None:
        return None
    unit = audit.main.units[layer.name][u]
    optimized = crop(media, result.picture, layer.box(result.where))
    figures = [
        crop_figure(
            optimized, f"optimized input of unit {u} of {layer.name}", "Optimized input", f"{result.reached:.3g}"
        )
    ]
    caption = (
        "The optimized input is not a photograph. Starting from grey noise, the network's input was changed step by "
        "step to raise the unit's value, in the frequencies and colours of photographs and under small random "
        "rotations, scalings and shifts (Olah et al., Distill 2017). Above each picture: the unit's value."
    )
    if len(unit.values):
        i = int(unit.images[0])
        model = audit.main
        box = to_image(layer.box(int(unit.where[0])), model.windows[i], model.info.input_size, model.sizes[i])
        with Image.open(io.BytesIO(model.jpeg(i))) as picture:
            scale = np.tile(np.array(picture.size) / model.sizes[i], 2)
            photo = np.asarray(picture.convert("RGB"))
        patch = crop(media, photo, box * scale)
        value, url = f"{unit.values[0]:.3g}", image_page(audit, i)
        figures.append(crop_figure(patch, f"top patch of unit {u}", "Top patch of the data set", value, url))
        caption += (
            " If the value of the optimized input is far higher, no image of the data set contains what the unit "
            "responds to most. If it is lower, the optimization did not converge."
        )
    return Section("Optimized input", caption, figures, "pair")
