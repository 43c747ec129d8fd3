"""Units under both networks: how far the units of each layer correspond, and those that changed most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.embedding.space import N_SHOWN
from reportgen.gallery.comparison.pairing import PairedReports, Side
from reportgen.gallery.comparison.photo_rows import photo
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.core.media import Media
from reportgen.metrics.paired import UnitMatches

MAX_UNITS = 3
"""Changed units shown of one layer."""


@dataclass(frozen=True)
class ChangedUnit:
    """A unit of A with a unit of B. figures: the top-activating images of both."""

    number: int
    partner: int
    correlation: float
    figures: Sequence[Figure]


@dataclass(frozen=True)
class LayerMatches:
    """A layer that both networks have.

    correlation: median, of units of the same number; same_number: share of the units whose best match has the same
    number; has_same_order: whether that are most; dead: numbers of dead units under A and under B.
    """

    name: str
    units: int
    correlation: float | None
    same_number: float | None
    has_same_order: bool
    dead: tuple[int, int]
    changed: Sequence[ChangedUnit]


@dataclass(frozen=True)
class UnitsPage:
    """layers: those of both networks that have the same name and number of units; others: names of the rest."""

    a: str
    b: str
    layers: Sequence[LayerMatches]
    others: Sequence[str]


def units_page(paired: PairedReports, media: Media) -> UnitsPage:
    """The page."""
    layers = [_layer(paired, media, name, matches) for name, matches in paired.units.items()]
    recorded = [set(side.model.settings["layers"]) for side in (paired.a, paired.b)]
    others = sorted((recorded[0] | recorded[1]) - set(paired.units))
    return UnitsPage(paired.a.name, paired.b.name, layers, others)


def _layer(paired: PairedReports, media: Media, name: str, matches: UnitMatches) -> LayerMatches:
    """A layer with the units that correlate least with their partner: the unit of the same number if most units match
    those, else the best match."""
    n, same = len(matches.same_index), matches.same_index
    alive, matched = np.isfinite(same), matches.best_match >= 0
    partner = np.arange(n) if matches.have_same_order else matches.best_match
    correlation = same if matches.have_same_order else matches.best_correlation
    order = np.argsort(np.where(np.isfinite(correlation), correlation, np.inf), kind="stable")[:MAX_UNITS]
    return LayerMatches(
        name=name,
        units=n,
        correlation=float(np.median(same[alive])) if alive.any() else None,
        same_number=float((matches.best_match == np.arange(n))[matched].mean()) if matched.any() else None,
        has_same_order=matches.have_same_order,
        dead=(int(matches.dead_a.sum()), int(matches.dead_b.sum())),
        changed=[
            ChangedUnit(
                u,
                int(partner[u]),
                float(correlation[u]),
                [*_row(paired.a, media, name, u), *_row(paired.b, media, name, int(partner[u]))],
            )
            for u in order.tolist()
            if np.isfinite(correlation[u])
        ],
    )


def _row(side: Side, media: Media, layer: str, u: int) -> list[Figure]:
    """The top-activating images of a unit."""
    maxima = side.model[f"units/{layer}/max"][side.rows][:, u]
    order = np.argsort(-np.nan_to_num(maxima, nan=-np.inf), kind="stable")[: N_SHOWN + 1]
    return [
        photo(media, side, int(i), f"{side.name}, unit {u}" if n == 0 else "", f"{maxima[i]:.3g}")
        for n, i in enumerate(order)
    ]
