"""GAP and GMP compared on one data set: does average pooling cover more of the object than max pooling (Zhou et al.
2016, section 3.2)?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import ModelAudit
from reportgen.metrics.bootstrap import intervals
from reportgen.metrics.intervals import Interval


@dataclass(frozen=True)
class Paired:
    """A figure's mean over the images under GAP and under GMP, and GAP − GMP with its paired bootstrap interval."""

    gap: float
    gmp: float
    difference: float
    ci95: Interval


@dataclass(frozen=True)
class GapGmpComparison:
    """Figures over the images with a label and boxes, from the label's maps and their boxes.

    gap, gmp:   the two networks.
    complete:   share of the ground-truth box that the predicted box covers.
    background: share of the map's positive energy that lies outside of the ground-truth boxes.
    error:      GT-known localization error.
    images:     `(n,)` rows in the audit; lead: `(n,)` completeness under GAP − under GMP.
    """

    gap: ModelAudit
    gmp: ModelAudit
    complete: Paired
    background: Paired
    error: Paired
    images: np.ndarray
    lead: np.ndarray

    @property
    def holds(self) -> bool | None:
        """Whether GAP's boxes cover more. None where the interval contains 0, or n is 1."""
        low, high = self.complete.ci95
        return None if len(self.images) < 2 or low <= 0 <= high else low > 0


def gap_gmp_pair(audit: Audit) -> tuple[ModelAudit, ModelAudit] | None:
    """The first network of the audit with a GMP head, and the first with a GAP head that has maps of the same size,
    of the same source if there is one; GAP first."""
    gmp = next((model for model in audit.models if model.info.pooling == "gmp"), None)
    if gmp is None:
        return None
    form = (gmp.info.feature_shape, gmp.info.resize)
    gaps = [m for m in audit.models if m.info.pooling == "gap" and (m.info.feature_shape, m.info.resize) == form]
    gaps.sort(key=lambda m: (m.info.source != gmp.info.source, (m.info.head == "gap") != (gmp.info.head == "gmp")))
    return (gaps[0], gmp) if gaps else None


def has_gap_and_gmp(audit: Audit) -> bool:
    """Whether the audit has both poolings, and images with a label and boxes."""
    pair = gap_gmp_pair(audit)
    return pair is not None and all(model.localization_study is not None for model in pair)


def gap_gmp_comparison(audit: Audit) -> GapGmpComparison | None:
    """None unless the audit has both poolings, and images with a label and boxes."""
    pair = gap_gmp_pair(audit)
    return compare(*pair) if pair else None


def compare(gap: ModelAudit, gmp: ModelAudit) -> GapGmpComparison | None:
    """None where no image has a label and boxes."""
    study, other = gap.localization_study, gmp.localization_study
    if study is None or other is None or gap.localization is None or gmp.localization is None:
        return None
    images = study.images
    complete = np.stack((study.label_map.completeness, other.label_map.completeness))
    background = 1 - np.stack((study.label_map.energy_in_boxes, other.label_map.energy_in_boxes))
    error = 1.0 - np.stack((gap.localization.gt_known_correct[images], gmp.localization.gt_known_correct[images]))
    figures = (complete, background, error)
    bounds = intervals(np.stack([a - b for a, b in figures], 1), study.label_map.groups)
    paired = (
        Paired(float(a.mean()), float(b.mean()), float((a - b).mean()), ci95)
        for (a, b), ci95 in zip(figures, bounds, strict=True)
    )
    of_complete, of_background, of_error = paired
    return GapGmpComparison(gap, gmp, of_complete, of_background, of_error, images, complete[0] - complete[1])
