"""What a view hands to a page: sections of figures, plain data that templates turn into markup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from reportgen.audit.audit import Audit
from reportgen.gallery.core.media import Album, Media

Scope = Literal["model", "class", "image", "unit", "dataset"]


@dataclass(frozen=True)
class Mark:
    """A box on a figure, in the figure's own pixels. kind: `true` (solid) or `found` (dashed)."""

    kind: Literal["true", "found"]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Figure:
    """A picture with what lies over it.

    picture:  the file; alt: what it shows, for those who do not see it.
    overlay:  a transparent picture of the same frame, or None; part: x, y, width and height of what of it, or None for
        all.
    size:     width and height that the marks are measured in.
    title, value: above the picture (beneath it on a card), such as a class and its score; caption: beneath it.
    href:     where a click leads, relative to the site's root, or "".
    kind:     outcome whose chip is shown beneath, or "".
    relation: in strips, `first` of a row, or whether the label is the `same` as the first one's or an `other`, or "".
    """

    picture: Media
    alt: str
    size: tuple[int, int]
    overlay: Media | None = None
    part: tuple[int, int, int, int] | None = None
    marks: Sequence[Mark] = ()
    title: str = ""
    value: str = ""
    caption: str = ""
    href: str = ""
    kind: str = ""
    relation: Literal["", "first", "same", "other"] = ""


@dataclass(frozen=True)
class Section:
    """One view on a page.

    layout: `hero` (one large figure), `four`, `five`, `cards` (a wall), `strips` (rows), `pair` (two beside each
        other), or `wide` (as large as drawn).

    scale: label of the colour scale's two ends, or None; data: small numbers that let the browser redraw the figure.
    legend: (colour, what it stands for) of pictures whose colours are kinds.
    """

    view: str
    title: str
    caption: str
    figures: Sequence[Figure]
    layout: Literal["hero", "four", "five", "cards", "strips", "pair", "wide"]
    scale: tuple[str, str] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    legend: Sequence[tuple[str, str]] = ()


def nothing(audit: Audit, album: Album, subject: int | None) -> Section | None:
    """The section of a view that has pages only."""
    return None


Page = tuple[str, str, Callable[[], object]]
"""URL, template, and what makes the template's context when the page's turn comes."""


@dataclass(frozen=True)
class View:
    """One visualization.

    scope: what one of its sections is about; `draw(audit, album, subject)` gets the index of that image or class (or
        None for `model` and `dataset`) and returns its section, or None where there is nothing to show.
    needs: slash paths of the store's arrays that it reads.
    order: where it stands among the others.
    about: one sentence for the manual and `reportgen views`.
    pages: for a view that is more than a section: its pages, the first `<name>/index.html`.
    """

    name: str
    label: str
    scope: Scope
    order: int
    about: str
    needs: Sequence[str]
    draw: Callable[[Audit, Album, int | None], Section | None] = nothing
    pages: Callable[[Audit, Album], Iterable[Page]] | None = None
