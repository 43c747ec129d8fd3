"""The audit as pages: what each of them says, in plain data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.figure import Page
from reportgen.gallery.components.image_figures import card
from reportgen.gallery.components.learning_curves import learning_curves
from reportgen.gallery.components.page_data import (
    AboutPage,
    Answer,
    ClassesPage,
    ClassPage,
    ClassRow,
    Fact,
    Group,
    Headline,
    IndexPage,
    LeftOut,
    Link,
)
from reportgen.gallery.core import labels as words
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.urls import class_page
from reportgen.gallery.findings import alerts
from reportgen.gallery.pages.image import around
from reportgen.gallery.sections import views_of
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.ilsvrc import IOU, RECIPE, THRESHOLD
from reportgen.results.tables import Table, classification_table, localization_table

SHOWN = 6
"""Cards of each outcome on the overview."""
ROWS = 20
"""Classes in the overview's table: those with the most images wrong."""
LISTED = 100
"""Classes on one page of their list."""
NAMED = 100
"""Files and rows of each kind that were left out and that *About* names."""


def index_page(audit: Audit, album: Album, rows: list[ClassRow]) -> IndexPage:
    """The overview."""
    worst = sorted(rows, key=lambda r: -(r.gt_known.count if r.gt_known else 0) - (r.top1.count if r.top1 else 0))
    groups = []
    for kind in words.KIND_WORDS:
        images = [i for i, k in enumerate(audit.kinds) if k == kind]
        if images:
            groups.append(Group(kind, len(images), [card(audit, album, i) for i in spread(images, SHOWN)]))
    groups.sort(key=lambda group: group.kind in ("right", "unlabelled"))
    return IndexPage(
        heading=words.heading(audit),
        lead=words.lead(audit),
        note=audit.dataset.note,
        headlines=headlines(audit),
        groups=groups,
        rows=worst[:ROWS],
        rows_total=len(rows),
        answers=[] if rows else answers(audit),
        facts=run_facts(audit),
        alerts=alerts(audit),
        tables=tables(audit),
        networks=len(audit.models),
    )


def tables(audit: Audit) -> list[Table]:
    """What the figures are held against: controls, other networks, published rows."""
    found = [localization_table(audit)] if audit.study else []
    return [classification_table(audit), *found] if audit.classification.top1 else found


def answers(audit: Audit) -> list[Answer]:
    """The classes that the network answers most often."""
    top, scores = audit.classification.top[:, 0], audit.classification.scores[:, 0]
    classes, counts = np.unique(top, return_counts=True)
    often = np.argsort(-counts, kind="stable")[:ROWS]
    return [
        Answer(
            audit.classes[int(classes[j])],
            f"images/index.html#predicted={classes[j]}",
            int(counts[j]),
            float(scores[top == classes[j]].mean()),
        )
        for j in often
    ]


def spread(images: list[int], most: int) -> list[int]:
    """`most` of the images, evenly over the data set, so that neighbours in it do not crowd out the rest."""
    if len(images) <= most:
        return images
    return [images[round(j * (len(images) - 1) / (most - 1))] for j in range(most)]


def headlines(audit: Audit) -> list[Headline]:
    """The four figures that the overview opens with."""
    c, where = audit.classification, audit.localization
    found = [
        Headline("Top-1 error", c.top1, "images/index.html#kind=class", "no labels"),
        Headline("Top-5 error", c.top5, "images/index.html#mark=top5", "no labels"),
    ]
    top1, known, control = (where.top1, where.gt_known, where.whole) if where else (None, None, None)
    for label, rate, url in (
        ("Localization error, top-1", top1, "images/index.html#mark=place1"),
        ("Localization error, class given", known, "images/index.html#mark=known"),
    ):
        found.append(Headline(label, rate, url, "no boxes", control, "whole image"))
    return found


def class_rows(audit: Audit) -> list[ClassRow]:
    """The classes that the labels name, in the classifier's order."""
    rows = []
    for k in np.unique(audit.labels[audit.labels >= 0]):
        images = audit.of_class(int(k))
        c, where = audit.classification, audit.localization
        judged = images[where.judged[images]] if where else images[:0]
        wrong = c.top[images, 0][~c.right1[images]]
        names, counts = np.unique(wrong, return_counts=True)
        taken = audit.classes[int(names[counts.argmax()])] if len(wrong) else ""
        rows.append(
            ClassRow(
                audit.classes[int(k)],
                class_page(audit, int(k)),
                f"images/index.html#label={k}",
                len(images),
                Rate.of(~c.right1[images]),
                Rate.of(~c.right5[images]),
                Rate.of(~where.known[judged]) if where else None,
                f"{taken} ({counts.max()})" if taken else "",
            )
        )
    return rows


def class_pages(audit: Audit, album: Album, rows: list[ClassRow]) -> Iterator[Page]:
    """One page a class."""
    places = [(row.name, row.url) for row in rows]
    for position, (k, row) in enumerate(zip(np.unique(audit.labels[audit.labels >= 0]), rows, strict=True)):
        yield row.url, "class.html", partial(_class_page, audit, album, int(k), row, *around(places, position))


def _class_page(
    audit: Audit, album: Album, k: int, row: ClassRow, before: Link | None, after: Link | None
) -> ClassPage:
    sections = [s for view in views_of("class") if (s := view.draw(audit, album, k)) is not None]
    facts = [
        Fact("Images", f"{row.images:,}"),
        Fact("Top-1 error", rate_text(row.top1)),
        Fact("Top-5 error", rate_text(row.top5)),
    ]
    if audit.localization is not None:
        facts.append(Fact("Localization error, class given", rate_text(row.gt_known)))
    if row.taken_for:
        facts.append(Fact("Most often taken for", row.taken_for))
    return ClassPage(row.name, row, sections, before, after, facts)


def rate_text(rate: Rate | None) -> str:
    """`33.3 %, 10 of 30`."""
    return "–" if rate is None else f"{words.percent(rate)}, {words.of(rate)}"


def classes_pages(audit: Audit, rows: list[ClassRow]) -> Iterator[Page]:
    """The list of classes in parts."""
    unlabelled = int((audit.labels < 0).sum())
    starts = range(0, max(1, len(rows)), LISTED)
    urls = ["classes/index.html" if not start else f"classes/page-{1 + start // LISTED}.html" for start in starts]
    for start, url in zip(starts, urls, strict=True):
        links = [Link(str(1 + j), u, u == url) for j, u in enumerate(urls)] if len(urls) > 1 else []
        yield url, "classes.html", partial(ClassesPage, rows[start : start + LISTED], unlabelled, links)


def run_facts(audit: Audit) -> list[Fact]:
    """What was run with what: the short form for the overview."""
    return [
        Fact("Images", f"{len(audit.samples):,}, {int((audit.labels >= 0).sum()):,} with a label"),
        Fact("Network", audit.card.name),
        Fact("Head", words.HEAD_WORDS[audit.card.head]),
        Fact("Input", f"{audit.card.input_size} × {audit.card.input_size}, {audit.card.resize}"),
        Fact(
            "Boxes",
            f"recipe “{RECIPE}”, threshold {THRESHOLD:.0%}, IoU ≥ {IOU}" if audit.localization else "none given",
        ),
    ]


def about_page(audit: Audit, version: str) -> AboutPage:
    """Provenance: nothing of the machine or of the day, so that the same inputs give the same page."""
    card_, dataset = audit.card, audit.dataset
    identity = (
        "does not apply: the maps are no exact CAM" if audit.cam_identity is None else f"{audit.cam_identity:.1e}"
    )
    groups = [
        (
            "Data",
            [
                Fact("Data set", dataset.name),
                Fact("Images", f"{len(audit.samples):,} read, {len(audit.unreadable):,} unreadable"),
                Fact("With a label", f"{int((audit.labels >= 0).sum()):,}"),
                Fact("With boxes", f"{int(audit.localization.judged.sum()) if audit.localization else 0:,}"),
                Fact("Annotations, SHA-256", dataset.annotation_digest[:16]),
            ],
        ),
        (
            "Network",
            [
                Fact("Model", f"{card_.name} ({card_.source})"),
                Fact("Parameters", f"{card_.parameters:,}"),
                Fact("Last maps", f"{card_.maps_layer}, {' × '.join(map(str, card_.maps_shape))}"),
                Fact("Maps", words.METHOD_WORDS.get(card_.method, card_.method)),
                Fact("mean(CAM) + bias − logit, largest", identity),
                Fact("Preprocessing", card_.preprocessing),
                *([Fact("Head", card_.fit)] if card_.fit else []),
                Fact("Precision", card_.precision + (f"; {card_.agreement}" if card_.agreement else "")),
                Fact("Weights, SHA-256", card_.weights_digest[:16]),
            ],
        ),
        (
            "Judging",
            [
                Fact("Class errors", "share of labelled images; ties go to the lower class index"),
                Fact("Box recipe", f"{RECIPE}: largest region above {THRESHOLD:.0%} of the map's maximum"),
                Fact("A box counts", f"from IoU {IOU} with any true box on"),
                Fact("Intervals", "95 %, Wilson; each image counts as independent"),
                Fact("reportgen", version),
                Fact("Store", audit.store.fingerprint[:16]),
            ],
        ),
    ]
    return AboutPage(
        "What the figures rest on. The same inputs give the same pages, byte for byte; times and machine are in "
        "report.json beside the site, which is not published.",
        groups,
        [
            LeftOut(heading, [Fact(*row) for row in rows[:NAMED]], len(rows))
            for heading, rows in (
                ("Left out of the data set", [(refused.where, refused.reason) for refused in dataset.refused]),
                ("Could not be read", audit.unreadable),
            )
            if rows
        ],
        learning_curves(audit),
    )
