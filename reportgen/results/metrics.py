"""The machine-readable results: metrics.json, predictions.csv, localization.csv."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from reportgen.audit.audit import LABEL, Audit
from reportgen.embedding.space import near_duplicates
from reportgen.metrics.failures import KINDS
from reportgen.metrics.gap_gmp import comparison
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.evaluation import Errors, Measured
from reportgen.metrics.localization.ilsvrc import IOU, RECIPE, THRESHOLD
from reportgen.metrics.localization.study import Study
from reportgen.results.markup import as_latex, as_markdown
from reportgen.results.tables import NONE, all_tables

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
        "gap_and_gmp": _poolings(audit),
    }


def _poolings(audit: Audit) -> dict[str, Any] | None:
    """GAP beside GMP, where the audit has both and boxes."""
    found = comparison(audit)
    if found is None:
        return None
    figures = {"completeness": found.complete, "background": found.background, "gt_known_error": found.error}
    return {
        "gap": found.gap.card.name,
        "gmp": found.gmp.card.name,
        "images": len(found.images),
        "claim_holds": found.holds,
        **{name: asdict(paired) for name, paired in figures.items()},
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
        "precision_agreement": card.agreement or None,
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
            **(_study(audit, audit.study) if audit.study else {}),
        },
    }


def _study(audit: Audit, study: Study) -> dict[str, Any]:
    """The further localization figures: accuracies and errors are shares of the images with boxes."""
    counts = Counter(audit.kinds[i] for i in study.images)
    return {
        "images": len(study.images),
        **_measured(study.own),
        "max_box_acc_v2_by_iou": dict(zip(map(str, study.own.v2.limits), study.own.v2.best.tolist(), strict=True)),
        "threshold_oracle": study.oracle.threshold,
        "threshold_oracle_gt_known_error": study.oracle.gt_known.value,
        "threshold_heldout": study.heldout and study.heldout.threshold,
        "threshold_heldout_gt_known_error": study.heldout and study.heldout.gt_known.value,
        "parts_confirmed": int(audit.parts.confirmed.sum()) if audit.parts else 0,
        "failures": {kind.replace("-", "_"): counts[kind] for kind in KINDS},
        "controls": {
            name: {
                **_errors(control.recipes["paper"]),
                "images": len(control.rows),
                "about": control.about,
                **_measured(control),
            }
            for name, control in study.controls.items()
        },
        "backprop": {
            name: {**_errors(found.recipes["paper"]), "images": len(found.rows), "about": found.about}
            for name, found in audit.backprop.items()
        },
        "ci95": {name: [round(bound, 6) for bound in bounds] for name, bounds in study.own.ci95.items()},
    }


def _measured(found: Measured) -> dict[str, Any]:
    """The figures of a network's maps, or of a control; means over the images."""
    return {
        "max_box_acc": found.v1.value,
        "max_box_acc_v2": found.v2.value,
        "pxap": found.pxap,
        "pointing_game": float(found.pointing.mean()),
        "energy_in_box": float(found.energy.mean()),
        "completeness": float(found.complete.mean()),
        "recipes": {name: _errors(errors) for name, errors in found.recipes.items()},
    }


def _errors(errors: Errors) -> dict[str, float]:
    rates = {"top1_error": errors.top1, "top5_error": errors.top5, "gt_known_error": errors.gt_known}
    return {name: rate.value for name, rate in rates.items()}


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


def table_files(audit: Audit) -> dict[str, str]:
    """The error tables by file name, each as CSV, LaTeX and Markdown."""
    files = {}
    for table in all_tables(audit):
        rows = ([row.kind, *("" if cell == NONE else cell for cell in row.cells)] for row in table.rows)
        files[f"{table.name}.csv"] = csv_text(["kind", *table.head], rows)
        files[f"{table.name}.tex"] = as_latex(table)
        files[f"{table.name}.md"] = as_markdown(table)
    return files


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


def duplicates_csv(audit: Audit) -> str:
    """One row a pair of near-duplicates: an image, and another of the data set or of the reference."""
    return csv_text(["name", "set", "other", "by", "distance", "label", "other_label"], _duplicates(audit))


def _duplicates(audit: Audit) -> Iterator[list[str]]:
    for n, (by, space) in enumerate((("codes", audit.code_space), ("pixels", audit.pixel_space))):
        pairs = [(i, "data", audit.samples[j], distance) for i, j, distance in near_duplicates(space)]
        if audit.reference and audit.matches:
            there = audit.reference.samples
            pairs += [(i, "reference", there[j], distance) for i, j, distance in audit.matches[n].close]
        for i, where, other, distance in pairs:
            labels = ["" if s.label is None else audit.classes[s.label] for s in (audit.samples[i], other)]
            yield [audit.samples[i].name, where, other.name, by, f"{distance:.6g}", *labels]


def left_out_csv(audit: Audit) -> str:
    """One row a file that could not be read, and one an annotation or a file that was refused."""
    rows = [["unreadable", name, reason] for name, reason in audit.unreadable]
    rows += [["refused", refused.where, refused.reason] for refused in audit.dataset.refused]
    return csv_text(["what", "name", "reason"], rows)


def arrays(audit: Audit) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What `reportgen.open` needs: arrays, and attributes in plain values. Network m's arrays are under `m/`.

    `samples/id`, `samples/label`: where the stores have each sample; `samples/boxes` `(B, 4)`: the true boxes, those of
    sample `samples/box_of` `(B,)`, which rises; `m/predictions`, `m/localization`: as in the CSV
    files, but classes by their index and one column for the ranks.
    """
    store = audit.store
    found = {f"samples/{what}": np.asarray(store[f"samples/{what}"]) for what in ("id", "label")}
    found["samples/boxes"] = np.concatenate([sample.boxes for sample in audit.samples])
    found["samples/box_of"] = np.repeat(np.arange(len(audit.samples)), [len(sample.boxes) for sample in audit.samples])
    names = np.array([sample.name for sample in audit.samples])
    for m, model in enumerate(audit.models):
        c, where = model.classification, model.localization
        columns = {"name": names, "label": audit.labels, "kind": np.array(model.kinds), "top": c.top, "score": c.scores}
        found[f"{m}/predictions"] = _structured(columns)
        if where is not None:
            rows, ranks = np.nonzero(where.judged[:, None] & (model.cam_classes >= 0))
            last = model.cam_classes.shape[1] - 1
            columns = {
                "name": names[rows],
                "rank": np.where(ranks == last, 0, ranks + 1),
                "class": model.cam_classes[rows, ranks],
                "box": where.boxes[rows, ranks],
                "iou": where.best[rows, ranks],
                "fits": where.best[rows, ranks] >= IOU,
            }
            found[f"{m}/localization"] = _structured(columns)
    models = [{"name": m.card.name, "settings": m.store.settings} for m in audit.models]
    return found, {"name": audit.dataset.name, "classes": list(audit.classes), "models": models}


def _structured(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Columns `(N, …)` as one structured array `(N,)`."""
    dtype = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
    out = np.empty(len(next(iter(columns.values()))), dtype)
    for name, column in columns.items():
        out[name] = column
    return out


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
