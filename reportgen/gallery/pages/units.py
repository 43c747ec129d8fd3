"""The layers whose units were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.patch import receptive_field_text, side_text
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.urls import layer_page


@dataclass(frozen=True)
class LayerRow:
    """A layer in the list. is_effective: its receptive field was measured."""

    name: str
    url: str
    shape: str
    receptive_field: str
    stride: str
    units: int
    dead: int
    is_effective: bool


@dataclass(frozen=True)
class UnitsPage:
    """top_patches: most images that any unit has; unconfirmed: patches whose value differs for the image alone."""

    layers: Sequence[LayerRow]
    top_patches: int
    unconfirmed: int


@page(
    "units/index.html",
    nav=("Internals", "Units"),
    order=55,
    requires=("units/<layer>/max", "units/<layer>/where"),
    about="The layers whose units were recorded, with receptive field, stride and number of dead units.",
    multilabel=True,
)
def units(audit: Audit, media: Media) -> UnitsPage:
    """The list of layers."""
    top_patches = max((len(unit.images) for layer in audit.main.units.values() for unit in layer), default=0)
    rows = [layer_row(audit, layer) for layer in audit.main.info.layers]
    return UnitsPage(rows, top_patches, len(audit.main.unconfirmed_patches))


def layer_row(audit: Audit, layer: LayerInfo) -> LayerRow:
    """The row of a layer."""
    units = audit.main.units[layer.name]
    return LayerRow(
        name=layer.name,
        url=layer_page(layer),
        shape=" × ".join(map(str, layer.shape)),
        receptive_field=receptive_field_text(layer),
        stride=side_text(layer.stride),
        units=len(units),
        dead=sum(unit.is_dead for unit in units),
        is_effective=layer.effective_field is not None,
    )
