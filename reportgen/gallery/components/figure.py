"""Figures: a picture with what lies over it, in plain data that templates turn into markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reportgen.gallery.core.media import MediaFile


@dataclass(frozen=True)
class FigureBox:
    """A box on a figure, in the figure's own pixels. kind: `ground-truth` (solid) or `predicted` (dashed)."""

    kind: Literal["ground-truth", "predicted"]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Figure:
    """A picture with what lies over it.

    picture:  the file; alt: what it shows, for people who do not see it.
    overlay:  a transparent picture of the same frame, or None; part: x, y, width and height of the part of it that
        belongs to this figure, or None for all.
    size:     width and height that the boxes are measured in.
    title, value: above the picture (below it on a card), such as a class and its score; caption: below it.
    href:     where a click leads, relative to the site's root, or "".
    outcome:  outcome whose chip is shown below, or "".
    relation: in strips, `first` of a row, or whether the label is the `same` as the first one's or an `other`, or "".
    """

    picture: MediaFile
    alt: str
    size: tuple[int, int]
    overlay: MediaFile | None = None
    part: tuple[int, int, int, int] | None = None
    boxes: Sequence[FigureBox] = ()
    title: str = ""
    value: str = ""
    caption: str = ""
    href: str = ""
    outcome: str = ""
    relation: Literal["", "first", "same", "other"] = ""
