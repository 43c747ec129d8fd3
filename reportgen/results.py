"""The machine-readable results: metrics.json, predictions.csv, localization.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from reportgen.analysis.audit import LABEL, Audit
from reportgen.analysis.interval import Rate
from reportgen.analysis.localization import IOU, RECIPE, THRESHOLD

SCHEMA = 1


def metrics(audit: Audit) -> dict[str, Any]:
    """The figures of the report; errors are fractions of 1, and what does not apply is None, never 0."""
    return {
        "schema": SCHEMA,
        "dataset": {
            "name": audit.dataset.name,
            "images": len(audit.samples),
            "labelled": int((audit.labels >= 0).sum()),
            "with_boxes": sum(len(s.boxes) > 0 for s in audit.samples),
            "unreadable": len(audit.unreadable),
            "classes": len(np.unique(audit.labels[audit.labels >= 0])),
        },
        "models": [_model(model) for model in audit.models],
    }


def _model(audit: Audit) -> dict[str, Any]:
    """The figures of one network."""
    c, where, card = audit.classification, audit.localization, audit.card
    return {
        "name": card.name,
        "head": card.head,
        "method": card.method,
        "resize": card.resize,
        "precision": card.precision,
        "cam_identity_max_abs": audit.cam_identity,
        "classification": {"top1_error": _value(c.top1), "top5_error": _value(c.top5)},
        "localization": where
        and {
            "recipe": RECIPE,
            "threshold": THRESHOLD,
            "iou": IOU,
            "top1_error": where.top1.value,
            "top5_error": where.top5.value,
            "gt_known_error": where.gt_known.value,
        },
    }


def _value(rate: Rate | None) -> float | None:
    return None if rate is None else rate.value


def predictions_csv(audit: Audit) -> str:
    """One row a network and image: its label, the top classes with their probabilities, and the outcome."""
    k = audit.classification.top.shape[1]
    ranks = [f"{what}{rank}" for rank in range(1, k + 1) for what in ("class", "score")]
    rows = (row for model in audit.models for row in _predictions(model))
    return csv_text(["model", "name", "label", "kind", *ranks], rows)


def _predictions(audit: Audit) -> Iterator[list[str]]:
    c = audit.classification
    for i, sample in enumerate(audit.samples):
        label = "" if sample.label is None else audit.classes[sample.label]
        top = zip(c.top[i], c.scores[i], strict=True)
        answers = [text for k, score in top for text in (audit.classes[int(k)], _number(score))]
        yield [audit.card.name, sample.name, label, audit.kinds[i], *answers]


def _number(score: float) -> str:
    return "" if np.isnan(score) else f"{score:.6f}"


def localization_csv(audit: Audit) -> str:
    """One row a network and stored map of an image with boxes: its class, its box, the best IoU. Rank 0 is the
    label's own map."""
    header = ["model", "name", "rank", "class", "x0", "y0", "x1", "y1", "iou", "fits"]
    return csv_text(header, (row for model in audit.models for row in _boxes(model)))


def _boxes(audit: Audit) -> Iterator[list[str]]:
    where = audit.localization
    if where is None:
        return
    for i in map(int, np.flatnonzero(where.judged)):
        for j, k in enumerate(audit.cam_classes[i]):
            rank = 0 if j == audit.cam_classes.shape[1] + LABEL else j + 1
            box = ["" if np.isnan(v) else f"{v:.2f}" for v in where.boxes[i, j]]
            best = where.best[i, j]
            name, class_name = audit.samples[i].name, audit.classes[int(k)]
            yield [audit.card.name, name, str(rank), class_name, *box, f"{best:.4f}", str(int(best >= IOU))]


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The text of a CSV file. Text that a spreadsheet takes for a formula gets a quote in front; numbers do not."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _safe(cell: str) -> str:
    if cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n"):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
