"""The units of each layer that an image makes fire most, beside what else makes them fire."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerCard
from reportgen.gallery.components.figure import Figure, Mark, Section, View
from reportgen.gallery.components.image_figures import photograph
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.urls import unit_page
from reportgen.metrics.localization.boxes import to_image
from reportgen.metrics.top_patches import USUAL

EACH = 2
"""Units a layer."""


def draw(audit: Audit, album: Album, i: int | None) -> Section | None:
    """The image once for each of them, with the receptive field of where the unit fires most."""
    assert i is not None
    figures = [
        figure
        for layer in audit.card.layers
        for u in strongest(audit.maxima(layer)[i], *audit.usual[layer.name])
        for figure in [unit_figure(audit, album, i, layer, u)]
    ]
    if not figures:
        return None
    images = usual_images(audit)
    caption = (
        f"Of each layer the units whose largest value in this image stands out most from their values in {images}, in "
        "standard deviations; white, what the unit sees where it fires most. A click leads to what else makes it fire."
    )
    return Section("strongest_units", "Its strongest units", caption, figures, "five")


def usual_images(audit: Audit) -> str:
    """The images that say what is usual, in words."""
    return f"{USUAL} images of the data set" if len(audit.samples) > USUAL else "all images"


def strongest(found: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> list[int]:
    """The units whose values `(U,)` lie the most standard deviations above the mean.

    A unit that is usually the same stands out most where it is above that.
    """
    above = found - mean
    score = np.divide(above, deviation, out=np.where(above > 0, np.inf, -np.inf), where=deviation > 0)
    order = np.lexsort((-above, -score))[:EACH]
    return [int(u) for u in order if score[u] > -np.inf]


def unit_figure(audit: Audit, album: Album, i: int, layer: LayerCard, u: int) -> Figure:
    """Image i with what unit u of a layer sees of it where it fires most; leads to the unit's page."""
    size = (int(audit.sizes[i, 0]), int(audit.sizes[i, 1]))
    where = int(audit.places(layer)[i, u])
    x0, y0, x1, y1 = to_image(layer.box(where), audit.windows[i], audit.card.input_size, audit.sizes[i])
    return Figure(
        picture=photograph(audit, album, i),
        alt=f"receptive field of unit {u} of {layer.name}",
        size=size,
        marks=[Mark("true", *(round(float(v), 1) for v in (x0, y0, x1 - x0, y1 - y0)))],
        title=f"{layer.name} · {u}",
        value=f"{audit.maxima(layer)[i, u]:.3g}",
        href=unit_page(layer, u),
    )


VIEW = View(
    name="strongest_units",
    label="Strongest units",
    scope="image",
    order=40,
    about="The units of each layer that an image makes fire most, with what they see of it.",
    needs=("units/<layer>/max", "units/<layer>/where"),
    draw=draw,
)
