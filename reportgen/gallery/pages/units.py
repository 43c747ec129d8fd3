"""The units of the layers that were looked at: an index a layer, and a page a unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerCard
from reportgen.gallery.components.figure import Page, Section, View
from reportgen.gallery.components.image_figures import photograph
from reportgen.gallery.core.media import Album, Media
from reportgen.gallery.core.urls import class_page, image_page, layer_page, unit_page
from reportgen.gallery.sections.feature_visualization import sections
from reportgen.metrics.localization.boxes import to_image
from reportgen.metrics.top_patches import Unit

MARGIN = 1.5
"""Side of the part of the image that a patch shows, relative to the receptive field's."""
LEAST = 48
"""That part's least side in pixels of the image: a patch of a first layer is a few pixels, and nothing without its
surroundings."""


@dataclass(frozen=True)
class Patch:
    """The part of a photograph around a unit's receptive field; lengths are pixels of the image.

    part: x, y, width, height that is shown; field: x, y, width, height, drawn in white; value: of the unit, in white.
    """

    picture: Media
    size: tuple[int, int]
    part: tuple[float, float, float, float]
    field: tuple[float, float, float, float]
    value: str
    title: str
    href: str
    wrong: bool


@dataclass(frozen=True)
class LayerRow:
    """A layer in the list of layers."""

    name: str
    url: str
    shape: str
    field: str
    stride: str
    units: int
    dead: int
    effective: bool


@dataclass(frozen=True)
class UnitRow:
    """A unit in its layer's table. prefers, share: class of most of its top patches; None without labels."""

    number: int
    url: str
    strongest: float
    active: float
    prefers: str
    share: float | None
    selectivity: float | None
    dead: bool


@dataclass(frozen=True)
class UnitsPage:
    """All layers."""

    layers: Sequence[LayerRow]
    k: int
    wrong: int


@dataclass(frozen=True)
class LayerPage:
    """The units of one layer."""

    layer: LayerRow
    rows: Sequence[UnitRow]
    previous: tuple[str, str] | None
    next: tuple[str, str] | None


@dataclass(frozen=True)
class UnitPage:
    """One unit: its top patches, and the histogram of its maxima as bars (x, height, from, to, count)."""

    number: int
    layer: LayerRow
    patches: Sequence[Patch]
    bars: Sequence[tuple[float, float, float, float, int]]
    facts: Sequence[tuple[str, str, str]]
    dead: bool
    previous: tuple[str, str] | None
    next: tuple[str, str] | None
    sections: Sequence[Section]


def pages(audit: Audit, album: Album) -> Iterator[Page]:
    """Every page of the units."""
    cards = audit.card.layers
    rows = [_layer_row(audit, layer) for layer in cards]
    yield "units/index.html", "units.html", lambda: UnitsPage(rows, _most(audit), len(audit.unconfirmed))
    for n, (layer, row) in enumerate(zip(cards, rows, strict=True)):
        around = [(r.name, r.url) for r in rows]
        table = [_unit_row(audit, layer, u, unit) for u, unit in enumerate(audit.units[layer.name])]
        yield row.url, "layer.html", partial(LayerPage, row, table, *_neighbours(around, n))
        around = [(f"unit {u}", r.url) for u, r in enumerate(table)]
        for u, unit in enumerate(table):
            yield unit.url, "unit.html", partial(_unit_page, audit, album, layer, row, u, around)


def _unit_page(
    audit: Audit, album: Album, layer: LayerCard, row: LayerRow, u: int, around: Sequence[tuple[str, str]]
) -> UnitPage:
    unit = audit.units[layer.name][u]
    patches = [patch(audit, album, layer, u, j) for j in range(len(unit.images))]
    shown = sections(audit, album, layer, u)
    return UnitPage(u, row, patches, _bars(unit), _facts(audit, unit), unit.dead, *_neighbours(around, u), shown)


def _most(audit: Audit) -> int:
    return max((len(unit.images) for units in audit.units.values() for unit in units), default=0)


def _neighbours(items: Sequence[tuple[str, str]], n: int) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    return items[n - 1] if n else None, items[n + 1] if n + 1 < len(items) else None


def _layer_row(audit: Audit, layer: LayerCard) -> LayerRow:
    units = audit.units[layer.name]
    return LayerRow(
        layer.name,
        layer_page(layer),
        "{} × {} × {}".format(*layer.shape),
        _field(layer),
        sides(layer.stride),
        len(units),
        sum(unit.dead for unit in units),
        layer.effective is not None,
    )


def _field(layer: LayerCard) -> str:
    if layer.effective is None:
        return sides(layer.field)
    (top, bottom), (left, right) = layer.effective
    return f"{sides((bottom - top, right - left))} of {sides(layer.field)}"


def sides(pair: tuple[float, float] | None) -> str:
    """`11` or `11 × 7` pixels; `whole image`."""
    if pair is None:
        return "whole image"
    return f"{pair[0]:g}" if pair[0] == pair[1] else f"{pair[0]:g} × {pair[1]:g}"


def _unit_row(audit: Audit, layer: LayerCard, u: int, unit: Unit) -> UnitRow:
    return UnitRow(
        u,
        unit_page(layer, u),
        float(unit.values[0]) if len(unit.values) else 0.0,
        unit.active,
        audit.classes[unit.preferred[0]] if unit.preferred else "",
        unit.preferred[1] if unit.preferred else None,
        unit.selectivity,
        unit.dead,
    )


def patch(audit: Audit, album: Album, layer: LayerCard, u: int, j: int) -> Patch:
    """The j-th top patch of a unit."""
    unit = audit.units[layer.name][u]
    i = int(unit.images[j])
    width, height = (int(v) for v in audit.sizes[i])
    box = to_image(layer.box(int(unit.where[j])), audit.windows[i], audit.card.input_size, audit.sizes[i])
    sample = audit.samples[i]
    return Patch(
        photograph(audit, album, i),
        (width, height),
        _part(box, width, height),
        _corner_and_size(box),
        f"{unit.values[j]:.3g}",
        audit.classes[sample.label] if sample.label is not None else sample.name.rsplit("/", 1)[-1],
        image_page(audit, i),
        (layer.name, u, i) in audit.unconfirmed,
    )


def _part(box: np.ndarray, width: int, height: int) -> tuple[float, float, float, float]:
    """A square around the field, inside the image where it fits."""
    side = min(max(MARGIN * float((box[2:] - box[:2]).max()), LEAST), max(width, height))
    x, y = (box[:2] + box[2:]) / 2 - side / 2
    x, y = (
        (extent - side) / 2 if side > extent else min(max(v, 0.0), extent - side)
        for v, extent in ((x, width), (y, height))
    )
    return round(float(x), 1), round(float(y), 1), round(side, 1), round(side, 1)


def _corner_and_size(box: np.ndarray) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in box)
    return round(x0, 1), round(y0, 1), round(x1 - x0, 1), round(y1 - y0, 1)


def _bars(unit: Unit) -> list[tuple[float, float, float, float, int]]:
    top = max(1, int(unit.counts.max()))
    width = 100 / len(unit.counts)
    return [
        (
            round(b * width, 2),
            round(60 * int(count) / top, 2),
            float(unit.edges[b]),
            float(unit.edges[b + 1]),
            int(count),
        )
        for b, count in enumerate(unit.counts)
    ]


def _facts(audit: Audit, unit: Unit) -> list[tuple[str, str, str]]:
    """Name, value and link."""
    facts = [("Fires in", f"{unit.active:.0%} of the images", "")]
    if len(unit.values):
        facts.insert(0, ("Largest value", f"{unit.values[0]:.3g}", ""))
    if unit.preferred:
        k, share = unit.preferred
        facts.append(("Prefers", f"{audit.classes[k]}, {share:.0%} of its top images", class_page(audit, k)))
    if unit.selectivity is not None:
        facts.append(("Selectivity", f"{unit.selectivity:.2f}", ""))
    return facts


VIEW = View(
    name="units",
    label="Units",
    scope="model",
    order=20,
    about="For every unit of every chosen layer the images that make it fire most, with its receptive field and value.",
    needs=("units/<layer>/max", "units/<layer>/where"),
    pages=pages,
)
