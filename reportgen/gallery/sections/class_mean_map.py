"""Where the maps of a class are high on the whole: their mean over its images."""

from __future__ import annotations

from reportgen.audit.audit import LABEL, Audit
from reportgen.draw.overlay import draw_map
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.core.media import Album
from reportgen.metrics.failures import mean_maps


def draw(audit: Audit, album: Album, k: int | None) -> Section | None:
    """The mean of the class's own maps in the network's input, each divided by its maximum first."""
    assert k is not None
    images = audit.of_class(k)
    found = mean_maps(audit.cams[images, LABEL], audit.labels[images])
    if not found:
        return None
    map_ = found[k]
    picture = album.draw(draw_map, map_, float(map_.max()))
    figure = Figure(
        picture,
        f"mean map of {audit.classes[k]}",
        (picture.width, picture.height),
        caption="In the frame that the network sees.",
    )
    caption = (
        "Each map counts alike: it is divided by its maximum first. A spot in the middle is how photographs are "
        "framed; a spot elsewhere, the same in other classes, is a habit of the network."
    )
    return Section("class_mean", "Mean of its maps", caption, [figure], "five", ("0", f"{map_.max():.2f}"))


VIEW = View(
    name="class_mean",
    label="Class mean",
    scope="class",
    order=5,
    about="The mean of a class's own activation maps, each divided by its maximum first.",
    needs=("cam/map", "cam/class"),
    draw=draw,
)
