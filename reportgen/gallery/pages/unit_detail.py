"""One page a unit: its top patches and the distribution of its maxima."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.chart import Axis, Chart, Series, count_axis, round_ticks
from reportgen.gallery.components.image_links import chosen_images
from reportgen.gallery.components.patch import Patch, unit_patch
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact, Link, previous_and_next
from reportgen.gallery.core.registry import PageDraft, draw_sections, pages
from reportgen.gallery.core.urls import class_page, unit_page
from reportgen.gallery.pages.units import LayerRow, layer_row
from reportgen.metrics.formatting import p_equals
from reportgen.metrics.top_patches import Unit
from reportgen.metrics.unit_classes import ClassPreference

MAX_LISTED = 24
"""Images up to which a bar of the histogram links to them: their ids are in the link."""


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
    multilabel=True,
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
        histogram=_histogram(audit, layer, u),
        facts=_facts(audit, unit),
        is_dead=unit.is_dead,
        sections=draw_sections("unit", audit, media, (layer, u)),
        previous=previous,
        next=following,
    )


def _histogram(audit: Audit, layer: LayerInfo, u: int) -> Chart:
    unit = audit.main.units[layer.name][u]
    edges, counts = [float(edge) for edge in unit.bin_edges], [int(count) for count in unit.histogram]
    ticks = [tick for tick in round_ticks(edges[0], edges[-1], 4) if edges[0] <= tick <= edges[-1]]
    return Chart(
        title="Distribution of its maximum over images",
        x=Axis("Largest value in an image", edges[0], edges[-1], ticks),
        y=count_axis("Images", max(counts)),
        series=[Series("images", "bar", edges, counts, urls=_bar_links(audit, layer, u))],
        height=200,
    )


def _bar_links(audit: Audit, layer: LayerInfo, u: int) -> list[str]:
    """The list of the images of each bar that has few."""
    unit, maxima = audit.main.units[layer.name][u], audit.main.unit_maxima(layer)[:, u]
    images = np.flatnonzero(np.isfinite(maxima))
    bins = np.clip(np.searchsorted(unit.bin_edges, maxima[images], "right") - 1, 0, len(unit.histogram) - 1)
    if unit.bin_edges[0] == unit.bin_edges[-1]:
        bins[:] = 0
    return [chosen_images(audit, images[bins == b], MAX_LISTED) for b in range(len(unit.histogram))]


def _facts(audit: Audit, unit: Unit) -> list[Fact]:
    facts = [Fact("Active in", f"{100 * unit.active_share:.0f} % of {len(audit.samples):,} images")]
    if len(unit.values):
        facts.insert(0, Fact("Largest value", f"{unit.values[0]:.3g}"))
    labelled = int((audit.labels[unit.images] >= 0).sum())
    if unit.preference:
        facts += _preference_facts(audit, unit.preference)
    elif labelled:
        facts.append(Fact(f"Labels of its top {len(unit.images)}", f"{labelled} of {len(unit.images)} have a label"))
    if unit.selectivity:
        chance = "" if unit.selectivity.is_clear else "not above chance, "
        facts.append(Fact("Selectivity", f"{unit.selectivity.value:.2f} ({chance}{p_equals('q', unit.selectivity.q)})"))
    if unit.n_at_maximum > 1 and not unit.is_dead:
        facts.append(
            Fact("Ties", f"{unit.n_at_maximum:,} images reach the largest value, in the order of the data set")
        )
    return facts


def _preference_facts(audit: Audit, preference: ClassPreference) -> list[Fact]:
    """The class that is over-represented among the top images, with a link if that is clear, and the counts."""
    name, k = audit.classes[preference.label], preference.label
    unlabelled = preference.top - preference.labelled
    counts = f"{name} {preference.count} of {preference.labelled} with a label"
    counts += f", {unlabelled} without" if unlabelled else ""
    chance = f"{preference.expected:.1f} {name} expected by chance, {p_equals('q', preference.q)}"
    one_each = " (of each group one image)" if audit.main.has_groups else ""
    return [
        Fact("Preferred class", name, class_page(audit, k))
        if preference.is_clear
        else Fact("Preferred class", "none beyond chance"),
        Fact(f"Labels of its top {preference.top}{one_each}", f"{counts}; {chance}"),
    ]
