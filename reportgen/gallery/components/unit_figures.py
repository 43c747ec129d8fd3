"""The units that are unusually active in an image or a class, each as a figure with its receptive field."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import figure_box, image_size, photograph
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.urls import unit_page
from reportgen.metrics.localization.boxes import to_image
from reportgen.metrics.top_patches import BASELINE_IMAGES, DEAD_RANGE

UNITS_PER_LAYER = 2


def strongest_units(maxima: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> list[int]:
    """The units whose maxima `(U,)` are the most standard deviations above their mean over the data set.

    A unit that is constant in the images of the mean comes first where it is above it by more than rounding.
    """
    above, rounding = maxima - mean, DEAD_RANGE * np.abs(mean)
    unusual = np.where(above > rounding, np.inf, -np.inf)
    score = np.divide(above, deviation, out=unusual, where=deviation > rounding)
    order = np.lexsort((-above, -score))[:UNITS_PER_LAYER]
    return [int(u) for u in order if score[u] > -np.inf]


def baseline_text(audit: Audit) -> str:
    """The images that the mean and the standard deviation are taken over."""
    return f"{BASELINE_IMAGES} images of the data set" if len(audit.samples) > BASELINE_IMAGES else "all images"


def unit_figure(audit: Audit, media: Media, i: int, layer: LayerInfo, u: int) -> Figure:
    """Image i with the receptive field of a unit's maximum in it; links to the unit's page."""
    model = audit.main
    where = int(model.unit_positions(layer)[i, u])
    box = to_image(layer.box(where), model.windows[i], model.info.input_size, model.sizes[i])
    return Figure(
        picture=photograph(model, media, i),
        alt=f"receptive field of unit {u} of {layer.name}",
        size=image_size(model, i),
        boxes=[figure_box("ground-truth", box)],
        title=f"{layer.name} · {u}",
        value=f"{model.unit_maxima(layer)[i, u]:.3g}",
        href=unit_page(layer, u),
    )
