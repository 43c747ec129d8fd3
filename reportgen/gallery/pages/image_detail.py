"""One page an image: the image viewer, its facts and its sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.class_comparison import ClassComparison, class_comparison
from reportgen.gallery.components.class_rows import ClassRow, class_rows
from reportgen.gallery.components.coverage_notice import Notice, image_notice
from reportgen.gallery.components.image_facts import image_facts, image_heading, images_around
from reportgen.gallery.components.image_figures import image_size
from reportgen.gallery.components.image_inputs import page_inputs
from reportgen.gallery.components.image_viewer import image_viewer
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.labels import feature_maps_label, method_label, precision_label, preprocessing
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact, Link
from reportgen.gallery.core.registry import PageDraft, draw_sections, pages
from reportgen.gallery.core.urls import image_page


@dataclass(frozen=True)
class ImageDetailPage:
    """One image.

    id: in URLs; report: the network's weights, whose reviews concern it; heading: its label or predicted class;
    comparison: of predicted class and label, if they differ; viewer: the large figure; classes: those that it has maps
    of; is_live: whether the live page offers it; columns: the further ones of the annotations; sections: the rest.
    """

    id: str
    report: str
    heading: str
    outcome: str
    name: str
    position: int
    total: int
    size: tuple[int, int]
    comparison: ClassComparison | None
    viewer: Section
    classes: Sequence[ClassRow]
    sections: Sequence[Section]
    coverage: Notice | None
    facts: Sequence[Fact]
    columns: Sequence[Fact]
    provenance: Sequence[Fact]
    is_live: bool
    previous: Link | None
    next: Link | None


@pages(
    "images/",
    order=11,
    requires=("cam/map", "cam/class", "logits"),
    about="One page an image: predicted class and label compared if they differ, image viewer, the maps of the most "
    "probable classes, localization, and sections of all methods.",
    multilabel=True,
)
def image_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each image, if there are not very many."""
    inputs = page_inputs(audit, media.image_format)
    for i in np.flatnonzero(audit.full_pages.has).tolist():
        make = partial(_image_detail, audit, media, i)
        yield PageDraft(image_page(audit, i), "image_detail.html", make, inputs[i])


def _image_detail(audit: Audit, media: Media, i: int) -> ImageDetailPage:
    previous, following = images_around(audit, i)
    return ImageDetailPage(
        id=digest_of_image(audit, i)[:16],
        report=audit.main.info.weights_digest[:16],
        heading=image_heading(audit, i),
        outcome=audit.main.outcomes[i],
        name=audit.samples[i].name,
        position=i + 1,
        total=len(audit.samples),
        size=image_size(audit.main, i),
        comparison=class_comparison(audit, media, i),
        viewer=image_viewer(audit.main, media, i),
        classes=class_rows(audit.main, media, i),
        sections=draw_sections("image", audit, media, i),
        coverage=image_notice(audit, i),
        facts=image_facts(audit, i),
        columns=[Fact(name, text) for name, text in audit.samples[i].columns.items()],
        provenance=_provenance(audit, i),
        is_live=audit.live is not None and i in audit.live.inputs,
        previous=previous,
        next=following,
    )


def digest_of_image(audit: Audit, i: int) -> str:
    """SHA-256 of the file of image i, in hex."""
    return audit.main.table.keys[i][0]


def _provenance(audit: Audit, i: int) -> list[Fact]:
    """The file, the part of it that the network saw, and the network."""
    model, info = audit.main, audit.main.info
    window = ", ".join(f"{v:.0f}" for v in model.windows[i])
    width, height = image_size(model, i)
    return [
        Fact("File, SHA-256", digest_of_image(audit, i)[:16]),
        Fact("Input of the network", f"x0, y0, x1, y1 = {window} of {width} × {height} pixels"),
        Fact("Preprocessing", preprocessing(info)),
        Fact("Network", f"{info.name} ({info.source})"),
        Fact("Weights, SHA-256", info.weights_digest[:16]),
        Fact("Activation maps", f"{method_label(info)}; {feature_maps_label(info)}; {precision_label(info)}"),
        Fact("Store", model.table.fingerprint[:16]),
    ]
