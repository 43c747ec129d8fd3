"""The pages Failures: class-right × box-right, the kinds and what they mean, the test of the *part* failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from reportgen.audit.audit import LABEL, Audit
from reportgen.draw.overlay import draw_map
from reportgen.gallery.components.figure import Figure, Page
from reportgen.gallery.components.image_figures import card, marks
from reportgen.gallery.components.page_data import Link
from reportgen.gallery.core import labels as words
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.urls import class_page
from reportgen.gallery.pages.overview import spread
from reportgen.metrics.failures import KINDS, QUADRANTS, mean_maps, quadrants

SHOWN = 6
"""Cards of a kind on the first page."""
MOST = 120
"""Cards on a kind's own page."""
MEANS = 24
"""Classes whose mean map is drawn: those with the most images."""

KINDS_EXPLAINED = {
    "right": (
        "The class is the label, and the box shares at least half of its union with a true box.",
        "Nothing to mend; look here for what the network needs to see, and whether it is the object.",
    ),
    "class": (
        "The network names another class, so its map shows the evidence for that one, and its box counts as wrong "
        "wherever it is.",
        "Look at what it was taken for: a label that fits as well calls for a second label, a real mistake for more "
        "images of the pair; the box of the label's own map is judged by the error with the class given.",
    ),
    "part": (
        "The box sits on the object but holds only the part that tells the class apart, such as a head or a wheel: the "
        "known weakness of class activation maps, which are trained to classify and not to cover.",
        "People lower the threshold, hide the found part in training (Hide-and-Seek, ACoL, CutMix), drop features at "
        "random (ADL), or combine maps of several layers and views.",
    ),
    "more": (
        "The box holds most of the object and much beside it: background that goes with the class, or a map too coarse "
        "for a small object.",
        "People raise the threshold, take maps of a finer layer or a larger input, and look for context that the "
        "classes share (rails for trains, water for ships).",
    ),
    "multi-instance": (
        "Several objects of the class stand in the image, and one box goes round them.",
        "The map is right and the box is not: people split the map at its peaks, or judge such images by pixels.",
    ),
    "other": (
        "The class is right, but the box is neither on the object nor around it: the network reads the class from "
        "somewhere else, or the map shows nothing.",
        "These are the ones to look at first: a caption, a border or a background that gives the class away is mended "
        "in the data, not in the network.",
    ),
}
"""Kind → what it means, and what people do about it."""

QUADRANT_WORDS = {
    "right-right": "Right class, right place",
    "right-wrong": "Right class, wrong place",
    "wrong-right": "Wrong class, right place",
    "wrong-wrong": "Wrong class, wrong place",
}


@dataclass(frozen=True)
class Cell:
    """One of the four: its words, how many, and the page of its images."""

    title: str
    count: int
    share: str
    url: str
    good: bool


@dataclass(frozen=True)
class KindPart:
    """One kind on the first page."""

    kind: str
    count: int
    share: str
    url: str
    meaning: str
    cards: Sequence[Figure]


@dataclass(frozen=True)
class FailuresPage:
    """cells: the four quadrants in the order of `QUADRANTS`; means: mean maps by class; alarm: "" or a sentence.

    networks: the first page of each; none where there is only one.
    """

    heading: str
    networks: Sequence[Link]
    lead: str
    alarm: str
    cells: Sequence[Cell]
    kinds: Sequence[KindPart]
    parts: str
    means: Sequence[Figure]
    means_about: str


@dataclass(frozen=True)
class GalleryPage:
    """The images of one kind or quadrant. said: sentences above the images; home: the page that leads here."""

    heading: str
    home: Link
    count: int
    said: Sequence[str]
    cards: Sequence[Figure]
    others: Sequence[Link]


def failure_pages(audit: Audit, album: Album) -> Iterator[Page]:
    """The first page and every gallery, of each network of the audit."""
    if audit.localization is None:
        yield "failures/index.html", "failures.html", lambda: None
        return
    folders = ["failures", *(f"failures/{m}" for m in range(2, 1 + len(audit.models)))]
    networks = [Link(m.card.name, f"{f}/index.html") for m, f in zip(audit.models, folders, strict=True)]
    for model, folder in zip(audit.models, folders, strict=True):
        yield from _pages_of(model, album, folder, networks if audit.beside else [])


def _pages_of(audit: Audit, album: Album, folder: str, networks: Sequence[Link]) -> Iterator[Page]:
    """Those of one network, in its folder."""
    if audit.localization is None:
        return
    judged = np.flatnonzero(audit.localization.judged)
    by_kind = {kind: [i for i in map(int, judged) if audit.kinds[i] == kind] for kind in KINDS}
    if audit.parts is not None:  # the clearest first, then those that were not put to the test
        tested = audit.parts.rows.tolist()
        by_kind["part"] = [*tested, *(i for i in by_kind["part"] if i not in set(tested))]
    by_cell = quadrants(audit.classification.right1, audit.localization)
    first = f"{folder}/index.html"
    here = [replace(link, current=link.url == first) for link in networks]
    yield first, "failures.html", partial(_first, audit, album, folder, here, judged, by_kind, by_cell)
    links = [Link(words.KIND_WORDS[kind], f"{folder}/{kind}.html") for kind in KINDS if by_kind[kind]]

    def gallery(title: str, name: str, rows: list[int], said: Sequence[str]) -> Page:
        url = f"{folder}/{name}.html"
        home = Link(f"Failures of {audit.card.name}" if networks else "Failures", first)
        others = [replace(link, current=link.url == url) for link in links]
        return url, "failure.html", partial(_gallery, audit, album, title, home, rows, said, others)

    for kind, rows in by_kind.items():
        said = [*KINDS_EXPLAINED[kind], *([_tested(audit)] if kind == "part" and audit.parts else [])]
        yield gallery(words.KIND_WORDS[kind].capitalize(), kind, rows, said)
    for name, found in by_cell.items():
        said = ["The box is that of the top class's map; the dashed one is the map's, the solid ones are true."]
        yield gallery(QUADRANT_WORDS[name], name, found.tolist(), said)


def _first(
    audit: Audit,
    album: Album,
    folder: str,
    networks: Sequence[Link],
    judged: np.ndarray,
    by_kind: dict[str, list[int]],
    by_cell: dict[str, np.ndarray],
) -> FailuresPage:
    n = len(judged)
    wrong = n - len(by_kind["right"])
    place, total = len(by_cell["right-wrong"]), len(by_cell["right-wrong"]) + len(by_cell["right-right"])
    means = _means(audit, album)
    return FailuresPage(
        networks=networks,
        heading=f"{wrong:,} of {n:,} images with boxes fail: {len(by_kind['class']):,} by class, {place:,} by place",
        lead=(
            f"Of the {total:,} images whose class is right, the box of the map misses {place:,}. Each failure is of "
            "one kind, the first that fits, in the order wrong class, right, several as one, part only, spills over, "
            "elsewhere (after the released code of TS-CAM)."
        ),
        alarm=words.peak_alarm(audit),
        cells=[
            Cell(
                QUADRANT_WORDS[q], len(by_cell[q]), _share(len(by_cell[q]), n), f"{folder}/{q}.html", q == "right-right"
            )
            for q in QUADRANTS
        ],
        kinds=[
            KindPart(
                kind,
                len(rows),
                _share(len(rows), n),
                f"{folder}/{kind}.html",
                KINDS_EXPLAINED[kind][0],
                [_card(audit, album, i) for i in (rows[:SHOWN] if kind == "part" else spread(rows, SHOWN))],
            )
            for kind, rows in sorted(by_kind.items(), key=lambda item: (item[0] == "right", -len(item[1])))
        ],
        parts=_tested(audit) if audit.parts else "",
        means=means,
        means_about=(
            f"The mean of the own maps of a class's images, each ÷ its maximum first, in the {len(means)} classes with "
            "the most images. A blob in the middle is what centred photographs give; the same sharp blob in every "
            "class, or one at a border, is a sign of a map that does not look."
        ),
    )


def _share(count: int, n: int) -> str:
    return f"{100 * count / n:.0f} %"


def _tested(audit: Audit) -> str:
    """The outcome of the causal test, in words."""
    if audit.parts is None:
        return ""
    n, yes = len(audit.parts.rows), int(audit.parts.confirmed.sum())
    return (
        f"The causal test: the box of the map was hidden, and then the rest of the object. In {yes:,} of {n:,} hiding "
        "the box cost the label 0.1 of probability or more, and more than hiding all the rest: there the network lives "
        "on the part, and the map says the truth about it."
    )


def _card(audit: Audit, album: Album, i: int) -> Figure:
    figure = replace(card(audit, album, i), marks=marks(audit, i, 0))
    if audit.parts is None or i not in audit.parts.rows:
        return figure
    at = int(np.flatnonzero(audit.parts.rows == i)[0])
    box, rest = audit.parts.drops[at]
    verdict = "confirmed" if audit.parts.confirmed[at] else "not confirmed"
    return replace(figure, caption=f"{verdict}: without the box {-box:+.2f}, without the rest {-rest:+.2f}")


def _gallery(
    audit: Audit, album: Album, title: str, home: Link, rows: list[int], said: Sequence[str], others: Sequence[Link]
) -> GalleryPage:
    cards = [_card(audit, album, i) for i in rows[:MOST]]
    more = [f"Shown are {MOST} of {len(rows):,}."] if len(rows) > MOST else []
    return GalleryPage(title, home, len(rows), [*said, *more], cards, others)


def _means(audit: Audit, album: Album) -> list[Figure]:
    maps = mean_maps(audit.cams[:, LABEL], audit.labels)
    often = sorted(maps, key=lambda k: (-len(audit.of_class(k)), k))[:MEANS]
    top = max((float(maps[k].max()) for k in often), default=1.0)
    return [
        Figure(
            picture=(picture := album.draw(draw_map, maps[k], top)),
            alt=f"mean map of {audit.classes[k]}",
            size=(picture.width, picture.height),
            title=audit.classes[k],
            value=f"{len(audit.of_class(k))}",
            href=class_page(audit, k),
        )
        for k in sorted(often, key=lambda k: audit.classes[k])
    ]
