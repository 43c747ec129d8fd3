"""Background reliance: accuracy without the objects, and with the objects alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.data.sampling import evenly_spaced
from reportgen.draw.altered import altered_photograph
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import image_size
from reportgen.gallery.components.image_links import chosen_images
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.urls import image_page
from reportgen.metrics.background import (
    BACKGROUND_NOISE,
    BLURRED,
    FILLED,
    OBJECT_NOISE,
    ORIGINAL,
    REMOVED,
    BackgroundTest,
)
from reportgen.metrics.formatting import between, count_of, interval, p_text, percent, signed

MAX_CARDS = 12
MAX_LISTED = 200
"""Images that a link lists one by one."""
SHOWN = {
    ORIGINAL: "the image as it is",
    REMOVED: "objects filled with their surroundings",
    FILLED: "background filled with the mean colour",
    BLURRED: "background blurred",
    OBJECT_NOISE: "noise on the objects",
    BACKGROUND_NOISE: "noise on the background",
}

ABOUT = {
    REMOVED: "The class is right on the image as it is, and on the picture that is shown here.",
    BLURRED: "The class is wrong on the image as it is, and on the picture that is shown here.",
}


@dataclass(frozen=True)
class AccuracyRow:
    """The accuracy with one alteration; texts. change, p: of the accuracy, compared with the images as they are."""

    shown: str
    accuracy: str
    interval: str
    change: str
    p: str


@dataclass(frozen=True)
class Examples:
    """Altered images. url: all of them on the page Images, or "" for too many."""

    title: str
    about: str
    count: int
    figures: Sequence[Figure]
    url: str


@dataclass(frozen=True)
class BackgroundPage:
    """energy: share of the map's positive values outside of the boxes, over the right images, or None."""

    heading: str
    images: int
    rows: Sequence[AccuracyRow]
    sensitivity: str
    energy: str
    examples: Sequence[Examples]


@page(
    "background/index.html",
    nav=("Method", "Background"),
    order=72,
    when=lambda audit: audit.main.background_test is not None,
    about="Whether the network is right without the objects, and wrong although the objects are alone, on some images.",
)
def background(audit: Audit, media: Media) -> BackgroundPage:
    """The page of the first network."""
    test = audit.main.background_test
    assert test is not None, "`when`"
    return BackgroundPage(
        heading=_heading(test),
        images=len(test.rows),
        rows=[_row(test, shown) for shown in SHOWN],
        sensitivity=_sensitivity(test),
        energy=_energy(audit),
        examples=[
            _examples(audit, media, "Right without the object", test, test.rows_without_object, REMOVED),
            _examples(audit, media, "Wrong although the object is alone", test, test.rows_wrong_alone, BLURRED),
        ],
    )


def _heading(test: BackgroundTest) -> str:
    rate = test.right_without_object
    if rate is None:
        return "No tested image is right"
    return f"Without the objects, {count_of(rate)} right images stay right"


def _row(test: BackgroundTest, shown: int) -> AccuracyRow:
    rate, change = test.accuracy(shown), test.change(shown)
    low, high = change.ci95
    return AccuracyRow(
        shown=SHOWN[shown],
        accuracy=f"{percent(rate)}",
        interval=interval(rate.interval),
        change="" if shown == ORIGINAL else f"{signed(-change.difference)} ({between((-high, -low))})",
        p="" if shown == ORIGINAL else p_text(change.p),
    )


def _sensitivity(test: BackgroundTest) -> str:
    if (found := test.foreground_sensitivity) is None:
        return ""
    value, (low, high) = found
    return f"{value:+.2f} (95 % interval {low:+.2f} to {high:+.2f})".replace("-", "−")


def _energy(audit: Audit) -> str:
    study = audit.main.localization_study
    right = audit.main.classification.top1_correct[study.images] if study else None
    if study is None or right is None or not right.any():
        return ""
    return f"{100 * (1 - float(study.label_map.energy_in_boxes[right].mean())):.1f} %"


def _examples(audit: Audit, media: Media, title: str, test: BackgroundTest, images: np.ndarray, shown: int) -> Examples:
    place = {row: n for n, row in enumerate(test.rows.tolist())}
    figures = []
    for i in evenly_spaced(images.tolist(), MAX_CARDS):
        boxes, size = audit.samples[i].boxes.astype(np.float64).tolist(), image_size(audit.main, i)
        picture = media.draw(altered_photograph, audit.main.jpeg(i), boxes, size, shown)
        predicted = audit.classes[int(test.predicted[place[i], shown])]
        figures.append(
            Figure(
                picture,
                f"{audit.samples[i].name}, {SHOWN[shown]}",
                (picture.width, picture.height),
                title=audit.classes[int(audit.labels[i])],
                value=f"predicted: {predicted}",
                href=image_page(audit, i),
            )
        )
    return Examples(title, ABOUT[shown], len(images), figures, chosen_images(audit, images, MAX_LISTED))
