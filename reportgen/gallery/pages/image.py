"""The pages of images: the wall of all of them, and one page for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from reportgen.audit.audit import LABEL, Audit
from reportgen.gallery.components.figure import Figure, Page
from reportgen.gallery.components.page_data import Fact, ImagePage, ImagesPage, Link
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.urls import class_page, image_page
from reportgen.gallery.pages.activations import first_page
from reportgen.gallery.sections import views_of
from reportgen.metrics.localization.ilsvrc import IOU

WALL = 96
"""Images on one page of the wall."""


def images_pages(audit: Audit, cards: Sequence[Figure]) -> Iterator[Page]:
    """The wall of images in parts."""
    total = len(audit.samples)
    starts = range(0, total, WALL)
    urls = ["images/index.html" if not start else f"images/page-{1 + start // WALL}.html" for start in starts]
    bad = len(audit.unreadable)
    for start, url in zip(starts, urls, strict=True):
        stop = min(start + WALL, total)
        links = [Link(str(1 + j), u, u == url) for j, u in enumerate(urls)] if len(urls) > 1 else []
        yield url, "images.html", partial(ImagesPage, cards[start:stop], start + 1, stop, total, links, bad)


def image_pages(audit: Audit, album: Album) -> Iterator[Page]:
    """One page an image."""
    items = [(sample.name, image_page(audit, i)) for i, sample in enumerate(audit.samples)]
    for i, (_, url) in enumerate(items):
        yield url, "image.html", partial(_image_page, audit, album, i, *around(items, i))


def _image_page(audit: Audit, album: Album, i: int, before: Link | None, after: Link | None) -> ImagePage:
    hero, *others = views_of("image")
    first = hero.draw(audit, album, i)
    assert first is not None
    label = audit.samples[i].label
    return ImagePage(
        identity(audit, i)[:16],
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
        provenance(audit, i),
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
    span = f"{map_.min():.1f} to {map_.max():.1f}{audit.card.unit}" if np.isfinite(map_).all() else "not finite"
    facts.append(Fact("Map's range", span))
    if (url := first_page(audit, i)) is not None:
        facts.append(Fact("Activations", f"{len(audit.card.layers)} layers", url))
    return facts


def identity(audit: Audit, i: int) -> str:
    """SHA-256 of the file of image i, in hex."""
    found: bytes = np.asarray(audit.store["samples/id"][i]).item()
    return found.decode()


def provenance(audit: Audit, i: int) -> list[Fact]:
    """What the page's figures rest on: the file, what the network saw of it, the network."""
    card, seen = audit.card, ", ".join(f"{v:.0f}" for v in audit.windows[i])
    maps = "class activation maps, exact" if card.method == "cam" else "Grad-CAM, through the head"
    return [
        Fact("File, SHA-256", identity(audit, i)[:16]),
        Fact("Seen by the network", f"x0 y0 x1 y1 = {seen} of {audit.sizes[i, 0]} × {audit.sizes[i, 1]} pixels"),
        Fact("Preprocessing", card.preprocessing),
        Fact("Network", f"{card.name} ({card.source})"),
        Fact("Weights, SHA-256", card.weights_digest[:16]),
        Fact("Maps", f"{maps}; {card.maps_layer}, {' × '.join(map(str, card.maps_shape))}; {card.precision}"),
        Fact("Store", audit.store.fingerprint[:16]),
    ]


def around(items: list[tuple[str, str]], position: int) -> tuple[Link | None, Link | None]:
    """What stands before and after a place in a list of (label, URL)."""
    before = Link(*items[position - 1]) if position > 0 else None
    after = Link(*items[position + 1]) if position + 1 < len(items) else None
    return before, after
