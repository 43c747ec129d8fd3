"""The figures of a multi-label data set as texts, and its labels as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import label_table
from reportgen.gallery.components.image_links import chosen_images
from reportgen.gallery.core.urls import label_page
from reportgen.metrics.formatting import NONE
from reportgen.metrics.intervals import Interval, Rate
from reportgen.metrics.multilabel import THRESHOLD, MultilabelFigures

MAX_LISTED = 1000
"""Images that a link lists at most: its address has all of them."""
NAMES = {
    "map": "Mean average precision (mAP)",
    "micro_precision": "Micro precision",
    "micro_recall": "Micro recall",
    "micro_f1": "Micro F1",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "macro_f1": "Macro F1",
    "hamming_loss": "Hamming loss",
}
"""The figures of all labels together, in the order of tables."""


@dataclass(frozen=True)
class LabelRow:
    """A label in a table.

    precisions: average precision, its interval, and the share of the images that have the label, which is what an
        order without skill has on average; None without positives.
    missed, false_alarms: numbers of images; their URLs list them, "" for none or too many.
    """

    name: str
    url: str
    positives: int
    average_precision: float | None
    interval: Interval | None
    share: float
    precision: Rate | None
    recall: Rate | None
    f1: float | None
    missed: int
    missed_url: str
    false_alarms: int
    false_alarms_url: str


def figure_rows(figures: MultilabelFigures) -> list[tuple[str, str, str]]:
    """Name, value and 95 % interval of each figure of all labels together."""
    exact = figures.exact
    rows = [("Images with all labels right", f"{exact.value:.3f}", decimals(exact.interval))]
    for key, name in NAMES.items():
        value = figures.values[key]
        rows.append((name, NONE if value is None else f"{value:.3f}", decimals(figures.intervals.get(key))))
    return rows


def decimals(bounds: Interval | None) -> str:
    """`0.71–0.86`, or a dash for None."""
    return NONE if bounds is None else f"{bounds[0]:.2f}–{bounds[1]:.2f}"


def shown_labels(audit: Audit) -> list[int]:
    """The labels that an annotated image has or that are predicted for one: they have a row and a page."""
    figures = audit.main.multilabel
    return [k for k, one in enumerate(figures.labels) if one.positives or one.predicted] if figures else []


def label_rows(audit: Audit) -> list[LabelRow]:
    """The labels that an image has or that are predicted, those with the lowest average precision first, then those
    without positives."""
    figures, images = audit.main.multilabel, LabelImages.of(audit)
    if figures is None:
        return []
    rows = []
    for k in shown_labels(audit):
        label = figures.labels[k]
        missed, false_alarms = images.missed(k), images.false_alarms(k)
        rows.append(
            LabelRow(
                name=audit.classes[k],
                url=label_page(audit, k),
                positives=label.positives,
                average_precision=label.average_precision,
                interval=label.interval,
                share=label.positives / figures.images,
                precision=label.precision,
                recall=label.recall,
                f1=label.f1,
                missed=len(missed),
                missed_url=chosen_images(audit, missed, MAX_LISTED) if len(missed) else "",
                false_alarms=len(false_alarms),
                false_alarms_url=chosen_images(audit, false_alarms, MAX_LISTED) if len(false_alarms) else "",
            )
        )
    return sorted(rows, key=lambda row: 2.0 if row.average_precision is None else row.average_precision)


@dataclass(frozen=True)
class LabelImages:
    """Which annotated images have which label. probability: `(N, K)`; positive, predicted: `(N, K)` bool."""

    probability: np.ndarray
    positive: np.ndarray
    predicted: np.ndarray

    @classmethod
    def of(cls, audit: Audit) -> LabelImages:
        model = audit.main
        probability = np.nan_to_num(model.probabilities(list(range(len(audit.samples)))), nan=-1.0)
        known = model.annotated[:, None]
        positive = label_table(audit.samples, len(audit.classes)) & known
        return cls(probability, positive, (probability >= THRESHOLD) & known)

    def hits(self, k: int) -> np.ndarray:
        """Images with label k that is predicted, the surest first."""
        return self._sorted(k, self.positive[:, k] & self.predicted[:, k])

    def missed(self, k: int) -> np.ndarray:
        """Images with label k that is not predicted, the least probable first."""
        return self._sorted(k, self.positive[:, k] & ~self.predicted[:, k])[::-1]

    def false_alarms(self, k: int) -> np.ndarray:
        """Annotated images without label k for which it is predicted, the surest first."""
        return self._sorted(k, ~self.positive[:, k] & self.predicted[:, k])

    def _sorted(self, k: int, flags: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(flags)
        ordered: np.ndarray = rows[np.argsort(-self.probability[rows, k], kind="stable")]
        return ordered


def at_random(rows: Sequence[LabelRow]) -> float:
    """The mean share of images of the labels with positives: the mAP of an order without skill, on average."""
    return float(np.mean([row.share for row in rows if row.average_precision is not None]))
