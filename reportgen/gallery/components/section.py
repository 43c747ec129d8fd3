"""Sections: parts of a page with a title, figures and a caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from reportgen.gallery.components.figure import Figure

Layout = Literal["large", "three", "four", "five", "cards", "strips", "pair", "wide"]


@dataclass(frozen=True)
class Section:
    """A part of a page.

    layout: `large` (one large figure), `three`, `four`, `five` (so many in a row), `cards` (a wall), `strips` (rows
        that scroll), `pair` (two in a row), or `wide` (as large as drawn).
    scale:  labels of the two ends of the colour scale, or None.
    colours: of the scale: `inferno` for magnitudes, `diverging` for signed values.
    data:   small numbers that let the browser redraw the figures; for a layer of the image viewer its `cells`.
    legend: (colour, name) of pictures whose colours are categories.
    id: anchor on the page; layer: group of layers in the image viewer, or "". The registry fills them in.
    """

    title: str
    caption: str
    figures: Sequence[Figure]
    layout: Layout
    scale: tuple[str, str] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    legend: Sequence[tuple[str, str]] = ()
    colours: Literal["inferno", "diverging"] = "inferno"
    id: str = ""
    layer: str = ""
