"""What each template is given: one dataclass a page. Templates are strict: a field that is not here is an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.gallery.components.figure import Figure, Section
from reportgen.gallery.components.learning_curves import LearningCurve
from reportgen.gallery.findings import Alert
from reportgen.metrics.intervals import Rate
from reportgen.results.tables import Table


@dataclass(frozen=True)
class Link:
    """A place to go: label, URL relative to the site's root, and whether the page shown belongs to it."""

    label: str
    url: str
    current: bool = False


@dataclass(frozen=True)
class Frame:
    """What stands around every page. root: "" or "../", what leads from the page to the site's root."""

    title: str
    root: str
    nav: Sequence[Link]
    footer: str


@dataclass(frozen=True)
class Headline:
    """One of the large figures. control: a value to compare with (drawn dashed) and its name, or None."""

    label: str
    rate: Rate | None
    url: str
    missing: str = ""
    control: Rate | None = None
    control_name: str = ""


@dataclass(frozen=True)
class Group:
    """Images of one outcome: its kind, how many there are, and some of them."""

    kind: str
    count: int
    cards: Sequence[Figure]


@dataclass(frozen=True)
class ClassRow:
    """A class in a table. images_url: the table of its images; the errors are None where nothing can be judged."""

    name: str
    url: str
    images_url: str
    images: int
    top1: Rate | None
    top5: Rate | None
    gt_known: Rate | None
    taken_for: str


@dataclass(frozen=True)
class Answer:
    """A class that the network answered: on how many images (url: which), and with which mean probability."""

    name: str
    url: str
    images: int
    score: float


@dataclass(frozen=True)
class Fact:
    """A line of a list of facts."""

    name: str
    value: str
    url: str = ""


@dataclass(frozen=True)
class IndexPage:
    """The overview. rows: where there are labels; answers: where there are none."""

    heading: str
    lead: str
    note: str
    headlines: Sequence[Headline]
    groups: Sequence[Group]
    rows: Sequence[ClassRow]
    rows_total: int
    answers: Sequence[Answer]
    facts: Sequence[Fact]
    alerts: Sequence[Alert]
    tables: Sequence[Table]
    networks: int


@dataclass(frozen=True)
class ClassesPage:
    """A part of the classes that the data set shows; `pages` leads to the others."""

    rows: Sequence[ClassRow]
    unlabelled: int
    pages: Sequence[Link]


@dataclass(frozen=True)
class ClassPage:
    """One class: its figures and its sections."""

    name: str
    row: ClassRow
    sections: Sequence[Section]
    previous: Link | None
    next: Link | None
    facts: Sequence[Fact]


@dataclass(frozen=True)
class ImagesPage:
    """A wall of images; `pages` leads to the other parts of a long one; unreadable: how many files have no card."""

    cards: Sequence[Figure]
    first: int
    last: int
    total: int
    pages: Sequence[Link]
    unreadable: int


@dataclass(frozen=True)
class ImagePage:
    """One image. id: in addresses; hero: the large figure; sections: the rest."""

    id: str
    heading: str
    kind: str
    name: str
    position: int
    total: int
    size: tuple[int, int]
    hero: Section
    sections: Sequence[Section]
    facts: Sequence[Fact]
    provenance: Sequence[Fact]
    previous: Link | None
    next: Link | None


@dataclass(frozen=True)
class ViewPage:
    """A view of the model or the data set as a page of its own."""

    heading: str
    about: str
    section: Section | None


@dataclass(frozen=True)
class LeftOut:
    """What the audit could not use, by name with the reason: the first of `total`; `left_out.csv` has all."""

    heading: str
    rows: Sequence[Fact]
    total: int


@dataclass(frozen=True)
class AboutPage:
    """Where the figures come from: groups of facts, what was left out, and how networks were trained."""

    lead: str
    groups: Sequence[tuple[str, Sequence[Fact]]]
    left_out: Sequence[LeftOut]
    curves: Sequence[LearningCurve]
