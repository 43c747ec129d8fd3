"""The images of a class with the class's own map (Zhou et al. 2016, Figure 3)."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import LABEL
from reportgen.gallery.components.image_figures import highest, image_card
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.labels import cam_unit
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section

MAX_IMAGES = 120


@section(
    "class",
    order=10,
    requires=("cam/map", "cam/class"),
    about="The images of a class, each with that class's activation map, all on one scale.",
)
def class_maps(audit: Audit, media: Media, k: int) -> Section | None:
    """The images with label k and their maps of class k."""
    images = audit.main.images_of_class(k)
    if not len(images):
        return None
    top = highest(audit.main.cams[images, LABEL])
    figures = [image_card(audit, media, int(i), top, LABEL) for i in images[:MAX_IMAGES]]
    which = f"The first {MAX_IMAGES} of the {len(images):,} images" if len(images) > MAX_IMAGES else "All images"
    caption = f"{which} of this class with the map of this class, whatever class was predicted. One scale for all."
    return Section(
        "Images with the class's map", caption, figures, "cards", ("0", f"{top:.1f}{cam_unit(audit.main.info)}")
    )
