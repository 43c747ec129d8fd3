"""One page a layer: its units as a grid of top patches and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.unit_sheet import UnitSheet, unit_sheet
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, pages
from reportgen.gallery.core.urls import layer_page
from reportgen.gallery.pages.units import LayerRow, layer_row
from reportgen.metrics.top_patches import Unit
from reportgen.metrics.unit_classes import MAX_Q, MIN_CLASS_SIZE


@dataclass(frozen=True)
class UnitRow:
    """A unit in its layer's table.

    maximum: the largest value in any image; active: share of images with a value above 0.
    top_class, share: the class that its top images prefer, with its share of those with a label; "" and None if
        that is not clearly above chance. selectivity: None if it is not.
    """

    number: int
    maximum: float
    active: float
    top_class: str
    share: float | None
    selectivity: float | None
    is_dead: bool


@dataclass(frozen=True)
class LayerDetailPage:
    """The units of one layer."""

    layer: LayerRow
    sheet: UnitSheet | None
    rows: Sequence[UnitRow]
    class_note: str
    previous: Link | None
    next: Link | None


@pages(
    "units/",
    order=56,
    requires=("units/<layer>/max", "units/<layer>/where"),
    about="One page a layer: its units with top patch, maximum, activity, preferred class and selectivity.",
    multilabel=True,
)
def layer_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each layer."""
    links = [Link(layer.name, layer_page(layer)) for layer in audit.main.info.layers]
    for n, layer in enumerate(audit.main.info.layers):
        make = partial(_layer_detail, audit, media, layer, *previous_and_next(links, n))
        yield PageDraft(links[n].url, "layer_detail.html", make)


def _layer_detail(
    audit: Audit, media: Media, layer: LayerInfo, previous: Link | None, following: Link | None
) -> LayerDetailPage:
    units = audit.main.units[layer.name]
    rows = [
        UnitRow(
            number=u,
            maximum=float(unit.values[0]) if len(unit.values) else 0.0,
            active=unit.active_share,
            top_class=audit.classes[preference.label] if preference else "",
            share=preference.count / preference.labelled if preference else None,
            selectivity=unit.selectivity.value if unit.selectivity and unit.selectivity.is_clear else None,
            is_dead=unit.is_dead,
        )
        for u, unit in enumerate(units)
        for preference in [unit.preference if unit.preference and unit.preference.is_clear else None]
    ]
    sheet = unit_sheet(audit, media, layer)
    return LayerDetailPage(layer_row(audit, layer), sheet, rows, _class_note(units), previous, following)


def _class_note(units: Sequence[Unit]) -> str:
    """How many units prefer a class or are selective, beyond chance."""
    preferences = [unit.preference for unit in units if unit.preference]
    selective = [unit.selectivity for unit in units if unit.selectivity]
    if not preferences and not selective:
        return f"Preferred class and selectivity need two classes with at least {MIN_CLASS_SIZE} images."
    n_clear = sum(one.is_clear for one in preferences), sum(one.is_clear for one in selective)
    return (
        f"{n_clear[0]:,} of {len(preferences):,} units prefer a class and {n_clear[1]:,} of {len(selective):,} are "
        f"selective, compared with permuted labels (false discovery rate {100 * MAX_Q:.0f} %, Benjamini–Hochberg)."
    )
