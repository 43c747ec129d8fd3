"""The units of each layer that fire for a class's images more than for the others."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.core.media import Album
from reportgen.gallery.sections.strongest_units import strongest, unit_figure, usual_images


def draw(audit: Audit, album: Album, k: int | None) -> Section | None:
    """Of each layer the units that stand out most, in the class's image in which each fires most."""
    assert k is not None
    images = audit.of_class(k)
    figures: list[Figure] = []
    for layer in audit.card.layers:
        maxima = audit.maxima(layer)
        for u in strongest(maxima[images].mean(0), *audit.usual[layer.name]):
            figures.append(unit_figure(audit, album, int(images[maxima[images, u].argmax()]), layer, u))
    if not figures:
        return None
    caption = (
        "Of each layer the units whose largest values in the class's images lie furthest above those in "
        f"{usual_images(audit)}, on average and in standard deviations; each in the image in which it fires "
        "most, with what it sees there. A click leads to what else makes it fire."
    )
    return Section("class_units", "Its strongest units", caption, figures, "five")


VIEW = View(
    name="class_units",
    label="Class units",
    scope="class",
    order=15,
    about="The units of each layer that fire for a class's images more than for the others.",
    needs=("units/<layer>/max", "units/<layer>/where"),
    draw=draw,
)
