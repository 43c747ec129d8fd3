"""The maps of the most probable classes (Zhou et al. 2016, Figure 4)."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import figure_boxes, highest, image_size, photograph, top_layers
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.labels import cam_unit
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}


@section(
    "image",
    order=20,
    requires=("cam/map", "cam/class", "logits"),
    about="The activation maps of the five most probable classes, with their probabilities, on one scale.",
)
def top_classes(audit: Audit, media: Media, i: int) -> Section:
    """One figure a class, class and probability above it, all on one scale."""
    model = audit.main
    k = model.cam_classes.shape[1] - 1
    top = highest(model.cams[i])
    layers = top_layers(model, media, i, top)
    figures = []
    for column in range(k):
        name = audit.classes[int(model.cam_classes[i, column])]
        figures.append(
            Figure(
                picture=photograph(model, media, i),
                alt=f"activation map of {name}",
                size=image_size(model, i),
                boxes=[box for box in figure_boxes(model, i, column) if box.kind == "predicted"],
                title=name,
                value=f"{model.classification.scores[i, column]:.2f}",
                **layers[column],
            )
        )
    units = f", in{cam_unit(model.info)} units" if cam_unit(model.info) else ""
    boxes = " Dashed: predicted box of each map." if any(figure.boxes for figure in figures) else ""
    caption = (
        f"Class and probability above each map.{boxes} One scale for all{units}: a faint map is weak evidence. The map "
        "of an improbable class can still show where evidence for it is."
    )
    title = f"The {NUMBERS.get(k, str(k))} most probable classes" if k > 1 else "The most probable class"
    return Section(title, caption, figures, "five", ("0", f"{top:.1f}{cam_unit(model.info)}"))
