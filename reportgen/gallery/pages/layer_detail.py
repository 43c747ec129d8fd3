"""One page a layer: a table of its units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, pages
from reportgen.gallery.core.urls import layer_page
from reportgen.gallery.pages.units import LayerRow, layer_row


@dataclass(frozen=True)
class UnitRow:
    """A unit in its layer's table.

    maximum: the largest value in any image; active: share of images with a value above 0.
    top_label, top_label_share: the most frequent label of its top patches; "" and None without labels.
    """

    number: int
    maximum: float
    active: float
    top_label: str
    top_label_share: float | None
    selectivity: float | None
    is_dead: bool


@dataclass(frozen=True)
class LayerDetailPage:
    """The units of one layer."""

    layer: LayerRow
    rows: Sequence[UnitRow]
    previous: Link | None
    next: Link | None


@pages(
    "units/",
    order=56,
    requires=("units/<layer>/max", "units/<layer>/where"),
    about="One page a layer: its units with their maximum, activity, most frequent label and selectivity.",
)
def layer_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each layer."""
    links = [Link(layer.name, layer_page(layer)) for layer in audit.main.info.layers]
    for n, layer in enumerate(audit.main.info.layers):
        make = partial(_layer_detail, audit, layer, *previous_and_next(links, n))
        yield PageDraft(links[n].url, "layer_detail.html", make)


def _layer_detail(audit: Audit, layer: LayerInfo, previous: Link | None, following: Link | None) -> LayerDetailPage:
    rows = [
        UnitRow(
            number=u,
            maximum=float(unit.values[0]) if len(unit.values) else 0.0,
            active=unit.active_share,
            top_label=audit.classes[unit.top_label[0]] if unit.top_label else "",
            top_label_share=unit.top_label[1] if unit.top_label else None,
            selectivity=unit.selectivity,
            is_dead=unit.is_dead,
        )
        for u, unit in enumerate(audit.main.units[layer.name])
    ]
    return LayerDetailPage(layer_row(audit, layer), rows, previous, following)
