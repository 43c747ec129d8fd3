"""The embedding map in small for the overview: a dot for each image, coloured by outcome, and class names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.data.sampling import evenly_spaced
from reportgen.gallery.components.name_places import NamePlaces
from reportgen.gallery.components.outcome_bar import BAR_ORDER
from reportgen.gallery.core.urls import class_page

SIZE = (560, 380)
"""Width and height of the drawing."""
MARGIN = 26
MAX_DOTS = 4_000
"""Dots of more images would make the overview large; a sample is drawn, and the page states its size."""
MAX_NAMES = 12
LINE, CHARACTER = 18, 7.5
"""Approximate height of a name and width of a character: names that would overlap are left out."""


@dataclass(frozen=True)
class MapName:
    """The name of a class above its images. x, y: centre of its text."""

    name: str
    url: str
    x: float
    y: float


@dataclass(frozen=True)
class SmallMap:
    """label: which map; dots: outcome → path with a point for each image; shown, total: number of dots and images."""

    label: str
    size: tuple[int, int]
    dots: Sequence[tuple[str, str]]
    names: Sequence[MapName]
    shown: int
    total: int


def small_map(audit: Audit) -> SmallMap | None:
    """The first embedding map; None where no image has a position."""
    layout = audit.embedding_maps.maps[0]
    unit = layout.unit_positions
    placed = np.flatnonzero(np.isfinite(unit).all(1))
    if not len(placed):
        return None
    points = MARGIN + unit * (np.array(SIZE) - 2 * MARGIN)
    images = np.array(evenly_spaced(placed.tolist(), MAX_DOTS))
    outcomes = np.array(audit.main.outcomes)[images]
    dots = [
        (outcome, "".join(f"M{x:.0f} {y:.0f}h0" for x, y in points[images[outcomes == outcome]]))
        for outcome in reversed(BAR_ORDER)
        if (outcomes == outcome).any()
    ]
    return SmallMap(layout.label, SIZE, dots, _names(audit, points, placed), len(images), len(placed))


def _names(audit: Audit, points: np.ndarray, placed: np.ndarray) -> list[MapName]:
    """The names of the most frequent labels, each above the median of its images, unless it would cover another."""
    labels = audit.labels[placed]
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    names: list[MapName] = []
    places = NamePlaces(CHARACTER, LINE)
    for k in classes[np.argsort(-counts, kind="stable")].tolist():
        name = audit.classes[k]
        x, y = np.median(points[placed[labels == k]], axis=0)
        half = places.half_width(name)
        at = round(float(np.clip(x, half, SIZE[0] - half))), round(float(y)) - 12
        if len(names) < MAX_NAMES and places.take(name, *at):
            names.append(MapName(name, class_page(audit, k), *at))
    return names
