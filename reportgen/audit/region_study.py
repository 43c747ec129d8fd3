"""The regions of the t-SNE map with their names and errors: by one label an image, or by all of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reportgen.embedding.label_sets import LabelSets
from reportgen.embedding.region_names import Attribute, RegionSummary, summarize_regions
from reportgen.metrics.multilabel import NO_LABELS

if TYPE_CHECKING:
    from reportgen.audit.audit import Audit


def study_regions(audit: Audit) -> list[RegionSummary]:
    """Return the name of each region, by label, prediction or group, and its share of wrong predictions."""
    model, groups = audit.main, [sample.group for sample in audit.samples]
    if audit.label_sets and audit.predicted_sets:
        label, prediction = (
            _several(kind, sets, audit.classes)
            for kind, sets in (("label", audit.label_sets), ("prediction", audit.predicted_sets))
        )
        wrong, judged = np.array(model.outcomes) == "inexact", model.annotated
    else:
        predicted = model.classification.top_classes[:, 0].astype(np.int64)
        label, prediction = (
            Attribute(kind, values, audit.classes)
            for kind, values in (("label", audit.labels), ("prediction", predicted))
        )
        wrong, judged = audit.labels != predicted, audit.labels >= 0
    names, group = np.unique(groups, return_inverse=True)
    attributes = [label, prediction, Attribute("group", np.where(names[group] == "", -1, group), names.tolist())]
    placed = np.isfinite(audit.embedding_maps.maps[0].positions).all(1)
    return summarize_regions(audit.map_regions, attributes, prediction, wrong, judged, placed, model.groups)


def _several(kind: str, sets: LabelSets, classes: Sequence[str]) -> Attribute:
    """Several labels an image; that it is known to have none is a value, too."""
    without = sets.annotated & ~sets.table.any(1)
    return Attribute(kind, np.column_stack((sets.table, without)), [*classes, NO_LABELS])
