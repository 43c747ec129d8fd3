"""One page a unit: its top patches and the distribution of its maxima."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.chart import Axis, Chart, Series, count_axis, round_ticks
from reportgen.gallery.components.patch import Patch, unit_patch
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact, Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, draw_sections, pages
from reportgen.gallery.core.urls import class_page, unit_page
from reportgen.gallery.pages.units import LayerRow, layer_row
from reportgen.metrics.top_patches import Unit


@dataclass(frozen=True)
class UnitDetailPage:
    """One unit. histogram: of its maxima over the images."""

    number: int
    layer: LayerRow
    patches: Sequence[Patch]
    histogram: Chart
    facts: Sequence[Fact]
    is_dead: bool
    previous: Link | None
    next: Link | None
    sections: Sequence[Section]


@pages(
    "units/",
    order=57,
    requires=("units/<layer>/max", "units/<layer>/where"),
    about="One page a unit: its top patches with receptive field and value, and the distribution of its maxima.",
)
def unit_detail(audit: Audit, media: Media) -> Iterator[PageDraft]:
    """A page for each unit of each layer."""
    for layer in audit.main.info.layers:
        row = layer_row(audit, layer)
        links = [Link(f"unit {u}", unit_page(layer, u)) for u in range(len(audit.main.units[layer.name]))]
        for u, link in enumerate(links):
            yield PageDraft(link.url, "unit_detail.html", partial(_unit_detail, audit, media, layer, row, u, links))


def _unit_detail(
    audit: Audit, media: Media, layer: LayerInfo, row: LayerRow, u: int, links: Sequence[Link]
) -> UnitDetailPage:
    unit = audit.main.units[layer.name][u]
    previous, following = previous_and_next(links, u)
    return UnitDetailPage(
        number=u,
        layer=row,
        patches=[unit_patch(audit, media, layer, u, j) for j in range(len(unit.images))],
        histogram=_histogram(unit),
        facts=_facts(audit, unit),
        is_dead=unit.is_dead,
        sections=draw_sections("unit", audit, media, (layer, u)),
        previous=previous,
        next=following,
    )


def _histogram(unit: Unit) -> Chart:
    edges, counts = [float(edge) for edge in unit.bin_edges], [int(count) for count in unit.histogram]
    ticks = [tick for tick in round_ticks(edges[0], edges[-1], 4) if edges[0] <= tick <= edges[-1]]
    return Chart(
        title="Distribution of its maximum over images",
        x=Axis("Largest value in an image", edges[0], edges[-1], ticks),
        y=count_axis("Images", max(counts)),
        series=[Series("images", "bar", edges, counts)],
        height=200,
    )


def _facts(audit: Audit, unit: Unit) -> list[Fact]:
    facts = [Fact("Active in", f"{100 * unit.active_share:.0f} % of {len(audit.samples):,} images")]
    if len(unit.values):
        facts.insert(0, Fact("Largest value", f"{unit.values[0]:.3g}"))
    if unit.top_label:
        k, share = unit.top_label
        labelled = int((audit.labels[unit.images] >= 0).sum())
        text = (
            f"{audit.classes[k]}, {round(share * labelled)} of the {labelled} labelled among its top {len(unit.images)}"
        )
        facts.append(Fact("Most frequent label among the top images", text, class_page(audit, k)))
    if unit.selectivity is not None:
        facts.append(Fact("Selectivity", f"{unit.selectivity:.2f}"))
    if unit.n_at_maximum > 1 and not unit.is_dead:
        facts.append(
            Fact("Ties", f"{unit.n_at_maximum:,} images reach the largest value, in the order of the data set")
        )
    return facts
