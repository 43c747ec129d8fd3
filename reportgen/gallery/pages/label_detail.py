"""One page a label of a multi-label data set: its precision–recall curve, and images where it is wrong and right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.data.sampling import evenly_spaced
from reportgen.draw.overlay import CARD_OVERLAY_SIDE
from reportgen.gallery.components.chart import Annotation, Chart, ReferenceLine, Series, percent_axis
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import card_photograph, highest, image_size, layer_over
from reportgen.gallery.components.label_figures import LabelImages, decimals, shown_labels
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.labels import cam_unit, label_text
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact, Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, pages
from reportgen.gallery.core.urls import image_page, label_page
from reportgen.metrics.formatting import NONE, counted, interval, rate_with_count, slug
from reportgen.metrics.intervals import Rate
from reportgen.metrics.multilabel import THRESHOLD, LabelFigures

MAX_IMAGES = 24
"""Images of a section."""
MAX_STEPS = 300
"""Steps of a curve: more would not be seen."""


@dataclass(frozen=True)
class LabelDetailPage:
    """One label. chart: its precision–recall curve, or None without an image that has it."""

    name: str
    lead: str
    facts: Sequence[Fact]
    chart: Chart | None
    sections: Sequence[Section]
    previous: Link | None
    next: Link | None


@pages(
    "labels/",
    order=21,
    requires=("cam/map", "cam/class"),
    when=lambda audit: audit.is_multilabel,
    multilabel=True,
    about="One page a label of a multi-label data set: its precision–recall curve, and its missed images, false alarms "
    "and hits with its activation maps.",
)
def label_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each label that an image has or that is predicted."""
    shown = shown_labels(audit)
    links = [Link(audit.classes[k], label_page(audit, k)) for k in shown]
    images = LabelImages.of(audit)
    for position, k in enumerate(shown):
        make = partial(_label_detail, audit, media, k, images, *previous_and_next(links, position))
        yield PageDraft(links[position].url, "label_detail.html", make)


def _label_detail(
    audit: Audit, media: Media, k: int, images: LabelImages, previous: Link | None, following: Link | None
) -> LabelDetailPage:
    figures = audit.main.multilabel
    assert figures is not None, "see `shown_labels`"
    label = figures.labels[k]
    groups = (
        ("Missed", "with the label, for which it is not predicted; the least probable first", images.missed(k)),
        ("False alarms", "without the label, for which it is predicted; the surest first", images.false_alarms(k)),
        ("Hits", "with the label, for which it is predicted; the surest first", images.hits(k)),
    )
    top = highest(np.concatenate([_maps(audit, k, rows[:MAX_IMAGES]) for *_, rows in groups]))
    return LabelDetailPage(
        name=audit.classes[k],
        lead=f"{label.positives:,} of {figures.images:,} annotated images have this label; it is predicted for "
        f"{label.predicted:,}, {label.hits:,} of which have it.",
        facts=_facts(label),
        chart=_chart(label, label.positives / figures.images) if label.curve else None,
        sections=[_section(audit, media, k, images, top, *group) for group in groups if len(group[2])],
        previous=previous,
        next=following,
    )


def _facts(label: LabelFigures) -> list[Fact]:
    def shown(rate: Rate | None) -> str:
        return f"{rate_with_count(rate)} (95 % interval {interval(rate.interval)})" if rate else NONE

    precision = NONE
    if label.average_precision is not None:
        precision = f"{label.average_precision:.3f} (95 % interval {decimals(label.interval)})"
    return [
        Fact("Average precision", precision),
        Fact("Precision", shown(label.precision)),
        Fact("Recall", shown(label.recall)),
        Fact("F1", NONE if label.f1 is None else f"{label.f1:.3f}"),
    ]


def _chart(label: LabelFigures, share: float) -> Chart:
    """The curve as the steps whose area is the average precision, with the threshold's point."""
    curve = label.curve
    assert curve is not None
    steps = np.flatnonzero(np.diff(curve.recall, prepend=0) > 0)
    steps = steps[evenly_spaced(range(len(steps)), MAX_STEPS)]
    x = np.append(0.0, np.repeat(curve.recall[steps], 2)[:-1])
    y = np.repeat(curve.precision[steps], 2)
    points = []
    if label.recall and label.precision:
        text = f"threshold {THRESHOLD}"
        points = [Annotation(label.recall.value, label.precision.value, text)]
    return Chart(
        "Precision–recall curve",
        percent_axis("recall"),
        percent_axis("precision"),
        [Series("precision", "line", x.tolist(), y.tolist())],
        "A step for each image with the label, the most probable on the left: recall and precision if all that are "
        "at least as probable were predicted. The area under the steps is the average precision."
        + (f" {MAX_STEPS} of the {label.positives:,} steps are drawn." if label.positives > MAX_STEPS else ""),
        [ReferenceLine(share, f"{100 * share:.0f} % of the images have the label")],
        points,
    )


def _maps(audit: Audit, k: int, rows: np.ndarray) -> np.ndarray:
    """The maps `(n, h, w)` of label k of those of the images that have one."""
    columns = [(int(i), audit.main.map_column(int(i), k)) for i in rows]
    found = [audit.main.cams[i, column] for i, column in columns if column is not None]
    return np.stack(found) if found else np.zeros((0, *audit.main.cams.shape[2:]), np.float32)


def _section(
    audit: Audit,
    media: Media,
    k: int,
    images: LabelImages,
    top: float,
    title: str,
    what: str,
    rows: np.ndarray,
) -> Section:
    shown = f"The first {MAX_IMAGES} of " if len(rows) > MAX_IMAGES else ""
    number = counted(len(rows), "image", "images")
    caption = f"{shown}{number} {what}. Each has the activation map of the label, on one scale for the page."
    figures = [_card(audit, media, int(i), k, float(images.probability[i, k]), top) for i in rows[:MAX_IMAGES]]
    scale = ("0", f"{top:.1f}{cam_unit(audit.main.info)}")
    return Section(title, caption, figures, "cards", scale, id=slug(title))


def _card(audit: Audit, media: Media, i: int, k: int, probability: float, top: float) -> Figure:
    model, column = audit.main, audit.main.map_column(i, k)
    size, window, overlay = image_size(model, i), model.windows[i].tolist(), None
    if column is not None:
        overlay = layer_over(media, model.cams[i, column], top, size, window, CARD_OVERLAY_SIDE)
    return Figure(
        picture=card_photograph(model, media, i),
        alt=f"{audit.samples[i].name} with the activation map of {audit.classes[k]}",
        size=size,
        overlay=overlay,
        title=label_text(audit.samples[i], audit.classes),
        value=f"{audit.classes[k]} {max(probability, 0):.2f}" + ("" if column is not None else ", no map"),
        href=image_page(audit, i),
    )
