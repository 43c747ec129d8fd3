"""The maps of the five most probable classes (Zhou et al. 2016, Figure 4)."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.components.image_figures import highest, marks, photograph, top_layers
from reportgen.gallery.core.media import Album


def draw(audit: Audit, album: Album, i: int | None) -> Section:
    """One figure a class, class and probability above it, all on one scale."""
    assert i is not None
    k = audit.cam_classes.shape[1] - 1
    top = highest(audit.cams[i])
    layers = top_layers(audit, album, i, top)
    figures = [
        Figure(
            picture=photograph(audit, album, i),
            alt=f"activation map of {audit.classes[c]}",
            size=(int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
            marks=[mark for mark in marks(audit, i, column) if mark.kind == "found"],
            title=audit.classes[c],
            value=f"{audit.classification.scores[i, column]:.2f}",
            **layers[column],
        )
        for column in range(k)
        for c in [int(audit.cam_classes[i, column])]
    ]
    units = ", in logit units" if audit.card.unit else ""
    caption = (
        "Class and probability above each map; dashed, the map's own box where the report has boxes. One scale for "
        f"all{units}: a faint map is weak evidence. A class of little probability can still have a place."
    )
    title = f"The {'five' if k == 5 else k} most probable classes"
    return Section("top_five", title, caption, figures, "five", ("0", f"{top:.1f}{audit.card.unit}"))


VIEW = View(
    name="top_five",
    label="Top five",
    scope="image",
    order=20,
    about="The activation maps of the five most probable classes, class and probability above each, on one scale.",
    needs=("cam/map", "cam/class", "logits"),
    draw=draw,
)
