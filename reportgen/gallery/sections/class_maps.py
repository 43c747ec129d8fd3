"""The images of a class with the class's own map (Zhou et al. 2016, Figure 3)."""

from __future__ import annotations

from reportgen.audit.audit import LABEL, Audit
from reportgen.gallery.components.figure import Section, View
from reportgen.gallery.components.image_figures import card, highest
from reportgen.gallery.core.media import Album

MOST = 120
"""Images on a class page; the rest are on the images pages."""


def draw(audit: Audit, album: Album, k: int | None) -> Section | None:
    """The images with label k, all their maps of class k on one scale."""
    assert k is not None
    images = audit.of_class(k)
    if not len(images):
        return None
    maps = audit.cams[images, LABEL]
    top = highest(maps)
    figures = [card(audit, album, int(i), top, LABEL) for i in images[:MOST]]
    shown = f"The first {MOST} of its {len(images):,} images" if len(images) > MOST else "All its images"
    caption = f"{shown} with the map of this class, whatever was predicted; one scale for all."
    return Section(
        "class_maps", "Its images and its map", caption, figures, "cards", ("0", f"{top:.1f}{audit.card.unit}")
    )


VIEW = View(
    name="class_maps",
    label="Class maps",
    scope="class",
    order=10,
    about="The images of a class, each with that class's activation map, all on one scale.",
    needs=("cam/map", "cam/class"),
    draw=draw,
)
