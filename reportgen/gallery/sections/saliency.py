"""Which pixels the top class's logit depends on most, and whether that map needs the network to have learned."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from reportgen.audit.audit import Audit
from reportgen.draw.raster import Place, draw_values
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.components.grid_values import cells, magnitudes
from reportgen.gallery.components.image_figures import the_image
from reportgen.gallery.core.media import Album

TITLES = ("Gradient", "Guided backpropagation", "Gradient, random weights", "SmoothGrad")
CLIP = 0.995
"""Quantile of a map that gets the last colour: single pixels outshine all others by far."""


def draw(audit: Audit, album: Album, i: int | None) -> Section | None:
    """The maps, each on its own scale, and how much the first resembles the third."""
    assert i is not None
    look = audit.looks.get("saliency")
    if look is None or i not in look.rows:
        return None
    maps = np.asarray(look.store["saliency/map"][look.rows[i]])
    if not np.isfinite(maps).all():
        return None
    name = audit.classes[int(look.store["saliency/class"][look.rows[i]])]
    centres = (np.arange(maps.shape[1]) + 0.5) * audit.card.input_size / maps.shape[1]
    place = Place(centres, centres, audit.card.input_size, audit.windows[i], audit.sizes[i])
    likeness = float(spearmanr(maps[0].ravel(), maps[2].ravel()).statistic)
    notes = (
        f"Logit of {name}.",
        "Edges of what passed the network; hardly depends on the class.",
        f"Rank correlation with the first: {likeness:.2f}.",
        f"Mean gradient over {look.store.settings['copies']} copies with noise.",
    )
    figures = [the_image(audit, album, i)]
    unguided = np.allclose(maps[1], maps[0], rtol=1e-4, atol=0)  # no ReLU that guiding would change
    shown = [n for n in range(len(maps)) if not (n == 1 and unguided)]
    for map_, title, note in ((maps[n], TITLES[n], notes[n]) for n in shown):
        top = float(np.quantile(map_, CLIP))
        figures.append(
            Figure(
                picture=figures[0].picture,
                alt=f"{title.lower()} of {name}",
                size=figures[0].size,
                overlay=album.draw(draw_values, map_, 0, top, place),
                title=title,
                caption=note,
            )
        )
    caption = (
        "For every pixel the largest magnitude over the colours of the logit's gradient, each map on its own scale. "
        "The one with random weights is of the same network with weights drawn at random: a map that looks like "
        "it (a correlation near 1) shows the picture and the architecture, not what was learned."
    )
    if unguided:
        caption += " Guided backpropagation is left out: no ReLU was found that it would change."
    data = {"cells": cells(centres, centres, audit.card.input_size, [magnitudes(maps[n]) for n in shown])}
    return Section("saliency", "What the answer depends on, pixel by pixel", caption, figures, "four", data=data)


VIEW = View(
    name="saliency",
    label="Saliency",
    scope="image",
    order=35,
    about="The gradient of the top class's logit by the pixels, its guided variant, and the same with random weights.",
    needs=("saliency/map",),
    draw=draw,
)
