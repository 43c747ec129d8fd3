"""The audit as pages: what each of them says, in plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from reportgen.analysis.audit import LABEL, Audit
from reportgen.analysis.failures import KINDS
from reportgen.analysis.interval import Rate
from reportgen.analysis.localization import IOU, RECIPE, THRESHOLD
from reportgen.gallery import words
from reportgen.gallery.pages import (
    AboutPage,
    Answer,
    ClassesPage,
    ClassPage,
    ClassRow,
    Fact,
    Group,
    Headline,
    ImagePage,
    ImagesPage,
    IndexPage,
    Link,
    ModelRow,
)
from reportgen.gallery.training import learning_curves
from reportgen.views import views_of
from reportgen.views.activations import first_page
from reportgen.views.album import Album
from reportgen.views.links import class_page, image_page
from reportgen.views.panel import Figure, Page
from reportgen.views.photo import card

SHOWN = 6
"""Cards of each outcome on the overview."""
ROWS = 20
"""Classes in the overview's table: those with the most images wrong."""
WALL = 96
"""Images on one page of the wall."""


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
        alerts=words.alerts(audit),
        models=model_rows(audit),
    )


def answers(audit: Audit) -> list[Answer]:
    """The classes that the network answers most often."""
    top, scores = audit.classification.top[:, 0], audit.classification.scores[:, 0]
    classes, counts = np.unique(top, return_counts=True)
    often = np.argsort(-counts, kind="stable")[:ROWS]
    return [
        Answer(audit.classes[int(classes[j])], int(counts[j]), float(scores[top == classes[j]].mean())) for j in often
    ]


def model_rows(audit: Audit) -> list[ModelRow]:
    """The networks beside each other; none where there is only one."""
    if not audit.beside:
        return []
    return [
        ModelRow(
            model.card.name,
            words.HEAD_WORDS[model.card.head],
            model.classification.top1,
            model.classification.top5,
            model.localization.top1 if model.localization else None,
            model.localization.top5 if model.localization else None,
        )
        for model in audit.models
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
        Headline("Top-5 error", c.top5, "classes/index.html", "no labels"),
    ]
    top1, known, control = (where.top1, where.gt_known, where.whole) if where else (None, None, None)
    missed = ",".join(kind for kind in KINDS if kind != "right")
    for label, rate, url in (
        ("Localization error, top-1", top1, f"images/index.html#kind={missed}"),
        ("Localization error, class given", known, "classes/index.html"),
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
    around = [(row.name, row.url) for row in rows]
    for position, (k, row) in enumerate(zip(np.unique(audit.labels[audit.labels >= 0]), rows, strict=True)):
        yield row.url, "class.html", partial(_class_page, audit, album, int(k), row, *_neighbours(around, position))


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


def _neighbours(items: list[tuple[str, str]], position: int) -> tuple[Link | None, Link | None]:
    before = Link(*items[position - 1]) if position > 0 else None
    after = Link(*items[position + 1]) if position + 1 < len(items) else None
    return before, after


def classes_page(audit: Audit, rows: list[ClassRow]) -> ClassesPage:
    """The list of classes."""
    return ClassesPage(rows, int((audit.labels < 0).sum()))


def images_pages(audit: Audit, cards: Sequence[Figure]) -> Iterator[Page]:
    """The wall of images in parts."""
    total = len(audit.samples)
    starts = range(0, total, WALL)
    urls = ["images/index.html" if not start else f"images/page-{1 + start // WALL}.html" for start in starts]
    unreadable = [Fact(name, reason) for name, reason in audit.unreadable]
    for start, url in zip(starts, urls, strict=True):
        stop = min(start + WALL, total)
        links = [Link(str(1 + j), u, u == url) for j, u in enumerate(urls)] if len(urls) > 1 else []
        yield url, "images.html", partial(ImagesPage, cards[start:stop], start + 1, stop, total, links, unreadable)


def image_pages(audit: Audit, album: Album) -> Iterator[Page]:
    """One page an image."""
    items = [(sample.name, image_page(audit, i)) for i, sample in enumerate(audit.samples)]
    for i, (_, url) in enumerate(items):
        yield url, "image.html", partial(_image_page, audit, album, i, *_neighbours(items, i))


def _image_page(audit: Audit, album: Album, i: int, before: Link | None, after: Link | None) -> ImagePage:
    hero, *others = views_of("image")
    first = hero.draw(audit, album, i)
    assert first is not None
    label = audit.samples[i].label
    return ImagePage(
        audit.classes[label]
        if label is not None
        else f"looks like {audit.classes[int(audit.classification.top[i, 0])]}",
        audit.kinds[i],
        audit.samples[i].name,
        i + 1,
        len(audit.samples),
        (int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
        first,
        [s for view in others if (s := view.draw(audit, album, i)) is not None],
        image_facts(audit, i),
        before,
        after,
    )


def image_facts(audit: Audit, i: int) -> list[Fact]:
    """What is known of image i, beside its picture."""
    c, where, label = audit.classification, audit.localization, audit.samples[i].label
    top = int(c.top[i, 0])
    facts = [
        Fact("Label", audit.classes[label], class_page(audit, label)) if label is not None else Fact("Label", "none"),
        Fact(
            "Prediction",
            f"{audit.classes[top]}, {c.scores[i, 0]:.2f}",
            class_page(audit, top) if len(audit.of_class(top)) else "",
        ),
    ]
    if where is not None and where.judged[i]:
        facts += [
            Fact("True boxes", str(len(audit.samples[i].boxes))),
            Fact("IoU, predicted class", f"{where.best[i, 0]:.2f} ({IOU:.2f} counts)"),
            Fact("IoU, label's map", f"{where.best[i, LABEL]:.2f}"),
        ]
    map_ = audit.cams[i, 0]
    span = f"{map_.min():.1f} to {map_.max():.1f} logit" if np.isfinite(map_).all() else "not finite"
    facts.append(Fact("Map's range", span))
    if (url := first_page(audit, i)) is not None:
        facts.append(Fact("Activations", f"{len(audit.card.layers)} layers", url))
    return facts


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
    identity = "does not apply: the maps are Grad-CAM's" if audit.cam_identity is None else f"{audit.cam_identity:.1e}"
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
                Fact("Maps", "class activation maps, exact" if card_.method == "cam" else "Grad-CAM, through the head"),
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
        [Fact(name, reason) for name, reason in audit.unreadable],
        [Fact(refused.where, refused.reason) for refused in dataset.refused],
        learning_curves(audit),
    )
