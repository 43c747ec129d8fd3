"""The classes that have labelled images, with their outcomes and errors, and those that are only predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.outcome_bar import OutcomeBar, outcome_bar
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link, links_to_parts
from reportgen.gallery.core.registry import PageDraft, pages
from reportgen.gallery.core.urls import class_page, image_list
from reportgen.metrics.intervals import Rate

CLASSES_PER_PAGE = 100
MAX_PREDICTED = 100
"""Classes without labelled images in the list: those that are predicted most often."""
MAX_TIED = 3
"""Classes that are named of those predicted instead equally often."""


@dataclass(frozen=True)
class ClassRow:
    """A class in a table. images_url: the list of its images; errors are None where they cannot be evaluated.

    outcomes: of the images with this label.
    wrong: images with any error, each counted once: a wrong class, or a wrong box of the label's map.
    top5: None for a network of few classes, where it is always 0.
    confused_with: the class most often predicted instead, with its count; several if they tie.
    """

    name: str
    url: str
    images_url: str
    images: int
    outcomes: OutcomeBar
    top1: Rate | None
    top5: Rate | None
    gt_known: Rate | None
    wrong: Rate | None
    confused_with: str


@dataclass(frozen=True)
class PredictedClass:
    """A class that no image has as its label. images: for which it is predicted; score: its mean probability there."""

    name: str
    url: str
    images: int
    images_url: str
    score: float


@dataclass(frozen=True)
class ClassListPage:
    """A part of the classes; `parts` links to the others. outcomes: of all images with a label.

    predicted: the classes without labelled images that are predicted most often, of `predicted_total`; on the first
    part only.
    """

    rows: Sequence[ClassRow]
    predicted: Sequence[PredictedClass]
    predicted_total: int
    outcomes: OutcomeBar
    unlabelled: int
    parts: Sequence[Link]


@pages(
    "classes/index.html",
    nav=("Classes", "Classes"),
    order=20,
    about="Every class that has labelled images, with its outcomes and errors; and classes that are only predicted.",
)
def class_list(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """The table of classes, in parts."""
    rows = class_rows(audit)
    unlabelled = int((audit.labels < 0).sum())
    predicted = predicted_classes(audit)
    outcomes = outcome_bar(outcome for outcome in audit.main.outcomes if outcome != "unlabelled")
    starts = range(0, max(1, len(rows)), CLASSES_PER_PAGE)
    urls = [f"classes/{f'page-{n}' if n > 1 else 'index'}.html" for n in range(1, len(starts) + 1)]
    for start, url in zip(starts, urls, strict=True):
        part = rows[start : start + CLASSES_PER_PAGE]
        listed = predicted[:MAX_PREDICTED] if start == 0 else []
        make = partial(ClassListPage, part, listed, len(predicted), outcomes, unlabelled, links_to_parts(urls, url))
        yield PageDraft(url, "class_list.html", make)


def class_rows(audit: Audit) -> list[ClassRow]:
    """The classes that have labelled images, in the network's order."""
    return [class_row(audit, int(k)) for k in np.unique(audit.labels[audit.labels >= 0])]


def predicted_classes(audit: Audit) -> list[PredictedClass]:
    """The classes that are predicted but that no image has as its label, the most frequent first."""
    predicted, scores = audit.main.classification.top_classes[:, 0], audit.main.classification.scores[:, 0]
    rows = []
    for k in sorted(set(audit.main.occurring_classes) - set(audit.labels.tolist())):
        own = predicted == k
        rows.append(
            PredictedClass(
                name=audit.classes[k],
                url=class_page(audit, k),
                images=int(own.sum()),
                images_url=image_list(predicted=k),
                score=float(scores[own].mean()),
            )
        )
    return sorted(rows, key=lambda row: -row.images)


def class_row(audit: Audit, k: int) -> ClassRow:
    """The row of class k."""
    images = audit.main.images_of_class(k)
    groups = audit.main.groups[images]
    classification, localization = audit.main.classification, audit.main.localization
    wrong = ~classification.top1_correct[images]
    gt_known = None
    if localization is not None:
        judged = images[localization.judged[images]]
        gt_known = Rate.of(~localization.gt_known_correct[judged], audit.main.groups[judged])
        wrong = wrong | (localization.judged[images] & ~localization.gt_known_correct[images])
    return ClassRow(
        name=audit.classes[k],
        url=class_page(audit, k),
        images_url=image_list(label=k),
        images=len(images),
        outcomes=outcome_bar((audit.main.outcomes[i] for i in images), label=k),
        top1=Rate.of(~classification.top1_correct[images], groups),
        top5=Rate.of(~classification.top5_correct[images], groups) if audit.main.has_top5 else None,
        gt_known=gt_known,
        wrong=Rate.of(wrong, groups),
        confused_with=_confused_with(
            audit, classification.top_classes[images, 0][~classification.top1_correct[images]]
        ),
    )


def _confused_with(audit: Audit, predicted: np.ndarray) -> str:
    """`tabby (3)`; `tabby, tiger cat (3 each)` if several tie. predicted: a class for each misclassified image."""
    if not len(predicted):
        return ""
    names, counts = np.unique(predicted, return_counts=True)
    tied = names[counts == counts.max()]
    listed = ", ".join(audit.classes[int(k)] for k in tied[:MAX_TIED]) + (", …" if len(tied) > MAX_TIED else "")
    return f"{listed} ({counts.max()}{' each' if len(tied) > 1 else ''})"
