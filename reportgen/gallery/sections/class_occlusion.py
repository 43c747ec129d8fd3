"""Occlusion sensitivity of a class, over its images."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.draw.raster import draw_values
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import image_size, photograph
from reportgen.gallery.components.occlusion_maps import occlusion_of_image, occlusion_place
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section
from reportgen.gallery.core.urls import image_page

MAX_IMAGES = 12


@section(
    "class",
    order=20,
    requires=("occlusion/probability",),
    about="The class's probability in its selected images, by the position of an occluding square.",
)
def class_occlusion(audit: Audit, media: Media, k: int) -> Section | None:
    """The selected images of the class with the map of its probability, on one scale."""
    selected = set(audit.main.selected_images("occlusion"))
    images = [int(i) for i in audit.main.images_of_class(k) if int(i) in selected][:MAX_IMAGES]
    results = [(i, arrays) for i in images if (arrays := occlusion_of_image(audit, i)) is not None]
    if not results:
        return None
    high = max(float(max(arrays["probability"].max(), arrays["clean"][0])) for _, arrays in results)
    figures = [
        Figure(
            picture=photograph(audit.main, media, i),
            alt=f"probability of {audit.classes[k]} with a part of {audit.samples[i].name} occluded",
            size=image_size(audit.main, i),
            overlay=media.draw(draw_values, arrays["probability"], 0, high, occlusion_place(audit, i)),
            title=audit.samples[i].name.rsplit("/", 1)[-1],
            value=f"minimum {arrays['probability'].min():.2f}, without square {arrays['clean'][0]:.2f}",
            href=image_page(audit, i),
        )
        for i, arrays in results
    ]
    caption = (
        f"Probability of {audit.classes[k]} by the position of an occluding square, one scale for all. Dark: occluding "
        "that position lowers the probability. Below each image the lowest probability, and the probability without "
        "the square. If all maps are dark at the same part of the object, the class depends on that part."
    )
    return Section("Occlusion sensitivity", caption, figures, "cards", ("0", f"{high:.2f}"))
