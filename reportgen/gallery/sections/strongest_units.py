"""The units of each layer that are unusually active in an image."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.gallery.components.section import Section
from reportgen.gallery.components.unit_figures import baseline_text, unit_figure
from reportgen.gallery.components.unit_figures import strongest_units as strongest
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section


@section(
    "image",
    order=40,
    requires=("units/<layer>/max", "units/<layer>/where"),
    about="The units of each layer that are unusually active in an image, with their receptive fields.",
    multilabel=True,
)
def strongest_units(audit: Audit, media: Media, i: int) -> Section | None:
    """The image once for each of them, with the receptive field of the unit's maximum."""
    figures = [
        unit_figure(audit, media, i, layer, u)
        for layer in audit.main.info.layers
        for u in strongest(audit.main.unit_maxima(layer)[i], *audit.main.unit_baselines[layer.name])
    ]
    if not figures:
        return None
    caption = (
        "For each layer the units whose largest value in this image is the most standard deviations above their mean "
        f"over {baseline_text(audit)}. White: receptive field of the position with that value. Each figure links to "
        "the unit."
    )
    return Section("Strongest units", caption, figures, "five")
