"""GAP beside GMP on one data set: is it true that average pooling finds the whole object and maximum pooling a part of
it (Zhou et al. 2016, section 3.2)?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.metrics.bootstrap import Interval, intervals


@dataclass(frozen=True)
class Paired:
    """A figure's mean over the images under GAP and under GMP, and GAP − GMP with its paired bootstrap interval."""

    gap: float
    gmp: float
    difference: float
    ci95: Interval


@dataclass(frozen=True)
class Poolings:
    """Over the images with a label and boxes, from the label's maps and their boxes.

    gap, gmp:   the two networks.
    complete:   share of the true box that the map's box covers.
    background: share of the map's positive energy that lies outside of the true boxes.
    error:      the map's box does not fit (GT-known).
    images:     `(n,)` rows in the audit; lead: `(n,)` completeness under GAP − under GMP.
    """

    gap: Audit
    gmp: Audit
    complete: Paired
    background: Paired
    error: Paired
    images: np.ndarray
    lead: np.ndarray

    @property
    def holds(self) -> bool | None:
        """The claim: GAP's boxes are the more complete ones. None where the interval holds 0, or n is 1."""
        low, high = self.complete.ci95
        return None if len(self.images) < 2 or low <= 0 <= high else low > 0


def pair_of(audit: Audit) -> tuple[Audit, Audit] | None:
    """The first network of the audit with a GMP head, and the first with a GAP head that has maps of the same size,
    of the same source if there is one; GAP first."""
    gmp = next((model for model in audit.models if model.card.pooling == "gmp"), None)
    if gmp is None:
        return None
    form = (gmp.card.maps_shape, gmp.card.resize)
    gaps = [m for m in audit.models if m.card.pooling == "gap" and (m.card.maps_shape, m.card.resize) == form]
    gaps.sort(key=lambda m: (m.card.source != gmp.card.source, (m.card.head == "gap") != (gmp.card.head == "gmp")))
    return (gaps[0], gmp) if gaps else None


def comparison(audit: Audit) -> Poolings | None:
    """None unless the audit has both poolings, and images with a label and boxes."""
    pair = pair_of(audit)
    return compare(*pair) if pair else None


def compare(gap: Audit, gmp: Audit) -> Poolings | None:
    """None where no image has a label and boxes."""
    if gap.study is None or gmp.study is None or gap.localization is None or gmp.localization is None:
        return None
    images = gap.study.images
    complete = np.stack((gap.study.own.complete, gmp.study.own.complete))
    background = 1 - np.stack((gap.study.own.energy, gmp.study.own.energy))
    error = 1.0 - np.stack((gap.localization.known[images], gmp.localization.known[images]))
    figures = (complete, background, error)
    bounds = intervals(np.stack([a - b for a, b in figures], 1))
    paired = (
        Paired(float(a.mean()), float(b.mean()), float((a - b).mean()), ci95)
        for (a, b), ci95 in zip(figures, bounds, strict=True)
    )
    of_complete, of_background, of_error = paired
    return Poolings(gap, gmp, of_complete, of_background, of_error, images, complete[0] - complete[1])
