"""Kernels of the convolutions after the first one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.draw.colormap import diverging
from reportgen.draw.mosaic import Sheet, draw_sheet
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page


@dataclass(frozen=True)
class DeeperFiltersPage:
    """The strongest kernels of each convolution."""

    section: Section


def has_deeper_kernels(audit: Audit) -> bool:
    """Whether the network has convolutions after the first one with kernels larger than 1 × 1."""
    return bool(audit.main.info.kernels)


@page(
    "filters/deeper.html",
    order=62,
    when=has_deeper_kernels,
    about="The strongest kernels of each deeper convolution.",
    multilabel=True,
)
def deeper_filters(audit: Audit, media: Media) -> DeeperFiltersPage:
    """The page."""
    figures = []
    for kernels in audit.main.info.kernels:
        limit = float(np.abs(kernels.tiles).max()) or 1.0
        columns = len(kernels.inputs) if kernels.shape[1] > 1 else max(1, round(len(kernels.outputs) ** 0.5))
        sheet = Sheet(columns, kernels.shape[3], kernels.shape[2], 1, len(kernels.tiles))
        picture = media.draw(draw_sheet, 0.5 + kernels.tiles / (2 * limit), diverging(), sheet)
        figures.append(
            Figure(
                picture,
                f"kernels of {kernels.layer}",
                (picture.width, picture.height),
                title=kernels.layer,
                value=f"±{limit:.2g}",
                caption=" × ".join(map(str, kernels.shape)),
            )
        )
    caption = (
        "Rows: output channels; columns: input channels; the strongest of both. For depthwise convolutions, whose "
        "kernels have one input channel, the strongest kernels. Orange: positive; blue: negative; black: 0; each layer "
        "normalized by its largest magnitude. Under each picture the shape of all weights: outputs × inputs × height × "
        "width. Kernels of 1 × 1 are left out."
    )
    return DeeperFiltersPage(Section("Strongest kernels of each layer", caption, figures, "four", id="kernels"))
