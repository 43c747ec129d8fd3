"""The units of each layer that are unusually active in the images of a class."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.section import Section
from reportgen.gallery.components.unit_figures import baseline_text, strongest_units, unit_figure
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section


@section(
    "class",
    order=15,
    requires=("units/<layer>/max", "units/<layer>/where"),
    about="The units of each layer that are unusually active in the images of a class.",
)
def class_units(audit: Audit, media: Media, k: int) -> Section | None:
    """The strongest units of each layer, each in the image of the class with its largest value."""
    images = audit.main.images_of_class(k)
    if not len(images):
        return None
    figures: list[Figure] = []
    for layer in audit.main.info.layers:
        maxima = audit.main.unit_maxima(layer)
        for u in strongest_units(maxima[images].mean(0), *audit.main.unit_baselines[layer.name]):
            figures.append(unit_figure(audit, media, int(images[maxima[images, u].argmax()]), layer, u))
    if not figures:
        return None
    caption = (
        "For each layer the units whose mean over the images of this class is the most standard deviations above their "
        f"mean over {baseline_text(audit)}. Each is shown in the image of the class with its largest value. White: "
        "receptive field. Each figure links to the unit."
    )
    return Section("Strongest units", caption, figures, "five")
