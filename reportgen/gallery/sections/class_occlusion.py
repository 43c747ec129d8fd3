"""What hiding a part takes from a class's probability, over its images."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.draw.raster import draw_values
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.components.image_figures import photograph
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.urls import image_page
from reportgen.gallery.sections.occlusion import place_of, row_of

MOST = 12
"""Images shown."""


def draw(audit: Audit, album: Album, k: int | None) -> Section | None:
    """The class's images that were looked at, with the map of its probability, on one scale."""
    assert k is not None
    looked_at = audit.looks["occlusion"].rows if "occlusion" in audit.looks else {}
    images = [int(i) for i in audit.of_class(k) if int(i) in looked_at][:MOST]
    rows = [(i, row) for i in images if (row := row_of(audit, i)) is not None]
    if not rows:
        return None
    high = max(float(max(row["probability"].max(), row["clean"][0])) for _, row in rows)
    figures = [
        Figure(
            picture=photograph(audit, album, i),
            alt=f"probability of {audit.classes[k]} with a part of {audit.samples[i].name} hidden",
            size=(int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
            overlay=album.draw(draw_values, row["probability"], 0, high, place_of(audit, i)),
            title=audit.samples[i].name.rsplit("/", 1)[-1],
            value=f"{row['probability'].min():.2f} of {row['clean'][0]:.2f} left",
            href=image_page(audit, i),
        )
        for i, row in rows
    ]
    caption = (
        f"The probability of {audit.classes[k]} by the place of a square that hides a part; under each image the "
        "least that is left of the whole image's. One scale for all. A map that is dark in one spot: the class rests "
        "on one part."
    )
    return Section("class_occlusion", "With a part hidden", caption, figures, "cards", ("0", f"{high:.2f}"))


VIEW = View(
    name="class_occlusion",
    label="Class occlusion",
    scope="class",
    order=20,
    about="The images of a class with the class's probability by the place of a square that hides a part.",
    needs=("occlusion/probability",),
    draw=draw,
)
