"""Where the maps of a class are high on average."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import LABEL
from reportgen.draw.overlay import draw_map
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section
from reportgen.metrics.failures import mean_class_maps


@section(
    "class",
    order=5,
    requires=("cam/map", "cam/class"),
    about="The mean of a class's own activation maps, each divided by its maximum.",
)
def class_mean_map(audit: Audit, media: Media, k: int) -> Section | None:
    """The mean of the class's own maps, in the frame of the network's input."""
    images = audit.main.images_of_class(k)
    if not len(images):
        return None
    maps = mean_class_maps(audit.main.cams[images, LABEL], audit.labels[images])
    if not maps:
        return None
    map_ = maps[k]
    picture = media.draw(draw_map, map_, float(map_.max()))
    size = (picture.width, picture.height)
    figure = Figure(picture, f"mean map of {audit.classes[k]}", size, caption="In the frame of the network's input.")
    caption = (
        f"Mean of the class's own maps, each divided by its maximum, over the images with this label: {len(images):,}. "
        "A blob in the middle is what centred photographs give. The same blob in other classes, away from the middle, "
        "is a sign that the maps do not follow the objects."
    )
    return Section("Mean map", caption, [figure], "five", ("0", f"{map_.max():.2f}"))
