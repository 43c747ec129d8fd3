"""Saliency: which pixels the predicted class's logit depends on, and how much of that map the weights determine."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.draw.raster import GridPlacement, draw_values
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.grid_values import cell_centres, cells, magnitudes
from reportgen.gallery.components.image_figures import image_size, photograph
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section
from reportgen.metrics.formatting import minus_signs

TITLES = ("Input gradient", "Guided backpropagation", "Input gradient, random weights", "SmoothGrad")
GUIDED = 1
"""Position of guided backpropagation among the stored maps."""
CLIP_QUANTILE = 0.995
"""Quantile of a map that gets the last colour: a few pixels are far larger than all others."""


@section(
    "image",
    order=35,
    requires=("saliency/map",),
    layer="Saliency",
    about="Gradient of the predicted class's logit with respect to the pixels, with variants and random weights.",
    multilabel=True,
)
def saliency(audit: Audit, media: Media, i: int) -> Section | None:
    """The maps, each normalized, and the rank correlation of the gradient with that of random weights."""
    if i not in audit.main.selected_images("saliency"):
        return None
    arrays = audit.main.selected["saliency"].of_image(i)
    maps = arrays["saliency/map"]
    if not np.isfinite(maps).all():
        return None
    name = audit.classes[int(arrays["saliency/class"])]
    centres = cell_centres(maps[0], audit.main.info.input_size)
    place = GridPlacement(*centres, audit.main.info.input_size, audit.main.windows[i], audit.main.sizes[i])
    captions = (
        f"Of the logit of {name}.",
        "Shows edges that pass the network; hardly depends on the class.",
        _resemblance(maps[0], maps[2]),
        f"Mean gradient over {audit.main.selected['saliency'].table.settings['copies']} copies with noise.",
    )
    equals_gradient = np.allclose(maps[GUIDED], maps[0], rtol=1e-4, atol=0)  # no ReLU that guiding would change
    used = [n for n in range(len(maps)) if not (n == GUIDED and equals_gradient)]
    figures = []
    for n in used:
        top = float(np.quantile(maps[n], CLIP_QUANTILE))
        figures.append(
            Figure(
                picture=photograph(audit.main, media, i),
                alt=f"{TITLES[n].lower()} of {name}",
                size=image_size(audit.main, i),
                overlay=media.draw(draw_values, maps[n], 0, top, place),
                title=TITLES[n],
                caption=captions[n],
            )
        )
    caption = (
        "For each pixel the largest magnitude over the colours of the gradient of the logit. Each map is normalized: "
        f"its {100 * CLIP_QUANTILE:.1f} % quantile gets the last colour. Random weights: the same network with "
        "randomly drawn weights. A map that resembles it (correlation near 1) shows the image and the architecture, "
        "not what the network has learned."
    )
    if equals_gradient:
        caption += " Guided backpropagation is left out: it equals the gradient, because no ReLU was found."
    data = {"cells": cells(*centres, audit.main.info.input_size, [magnitudes(maps[n]) for n in used])}
    return Section("Saliency (input gradient)", caption, figures, "four", data=data)


def _resemblance(gradient: np.ndarray, of_random_weights: np.ndarray) -> str:
    """How much two maps `(h, w)` resemble each other, in words."""
    from scipy.stats import spearmanr

    if min(np.ptp(gradient), np.ptp(of_random_weights)) == 0:
        return "No rank correlation with the input gradient: one of the two is the same everywhere."
    correlation = float(spearmanr(gradient.ravel(), of_random_weights.ravel()).statistic)
    return minus_signs(f"Rank correlation with the input gradient: {correlation:.2f}.")
