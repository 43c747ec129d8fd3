"""The CSV files of a report, and the error tables as CSV, LaTeX and Markdown files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.data.samples import Sample
from reportgen.embedding.space import near_duplicates
from reportgen.metrics.formatting import NONE
from reportgen.metrics.localization.ilsvrc import IOU
from reportgen.results.markup import as_latex, as_markdown
from reportgen.results.tables import all_tables

REGION_COLUMNS = (
    *("region", "parent", "named_by", "name", "share", "share_outside", "images", "labelled", "wrong"),
    *("error", "error_low", "error_high", "predicted", "share_predicted"),
)


def predictions_csv(audit: Audit) -> str:
    """Return predictions.csv: for each network and image the label, the top classes with scores, and the outcome.

    In a multi-label data set, all labels and all predicted ones, with `|` between them.
    """
    k = audit.main.classification.top_classes.shape[1]
    ranks = [f"{column}{rank}" for rank in range(1, k + 1) for column in ("class", "score")]
    rows = (row for model in audit.models for row in _prediction_rows(model))
    labels = ["labels", "predicted"] if audit.is_multilabel else ["label"]
    return csv_text(["model", "name", *labels, "kind", *ranks], rows)


def _prediction_rows(model: ModelAudit) -> Iterator[list[str]]:
    classification = model.classification
    for i, sample in enumerate(model.samples):
        labels = ["" if sample.label is None else model.classes[sample.label]]
        if model.dataset.is_multilabel:
            labels = multilabel_cells(model, i)
        top = zip(classification.top_classes[i], classification.scores[i], strict=True)
        predictions = [cell for k, score in top for cell in (model.classes[int(k)], _score(score))]
        yield [model.info.name, sample.name, *labels, model.outcomes[i], *predictions]


def multilabel_cells(model: ModelAudit, i: int) -> list[str]:
    """All labels of image i, `[]` for none and "" without annotation, and all that are predicted."""
    predicted = "|".join(model.classes[k] for k in model.predicted_labels(i)) or "[]"
    return [_label_cell(model.samples[i], model.classes), predicted]


def _label_cell(sample: Sample, classes: Sequence[str]) -> str:
    """Its label, or its labels with `|` between them, `[]` for none; "" without annotation."""
    if sample.labels is not None:
        return "|".join(classes[k] for k in sample.labels) or "[]"
    return "" if sample.label is None else classes[sample.label]


def _score(score: float) -> str:
    return "" if np.isnan(score) else f"{score:.6f}"


def localization_csv(audit: Audit) -> str:
    """Return localization.csv: for each network and stored map of an image with boxes the class, the predicted box and
    its best IoU. Rank 0 is the label's map."""
    header = ["model", "name", "rank", "class", "x0", "y0", "x1", "y1", "iou", "fits"]
    return csv_text(header, (row for model in audit.models for row in _localization_rows(model)))


def _localization_rows(model: ModelAudit) -> Iterator[list[str]]:
    localization = model.localization
    if localization is None:
        return
    for i in map(int, np.flatnonzero(localization.judged)):
        for j, k in enumerate(model.cam_classes[i]):
            rank = 0 if j == model.cam_classes.shape[1] + LABEL else j + 1
            box = ["" if np.isnan(v) else f"{v:.2f}" for v in localization.boxes[i, j]]
            iou = localization.best_iou[i, j]
            name, class_name = model.samples[i].name, model.classes[int(k)]
            yield [model.info.name, name, str(rank), class_name, *box, f"{iou:.4f}", str(int(iou >= IOU))]


def duplicates_csv(audit: Audit) -> str:
    """Return duplicates.csv: pairs of near-duplicates, an image and another one of the data set or the reference."""
    return csv_text(["name", "set", "other", "by", "distance", "label", "other_label"], _duplicate_rows(audit))


def _duplicate_rows(audit: Audit) -> Iterator[list[str]]:
    for n, (source, space) in enumerate((("features", audit.feature_space), ("pixels", audit.pixel_space))):
        pairs = [(i, "data", audit.samples[j], distance) for i, j, distance in near_duplicates(space)]
        if audit.reference and audit.reference_matches:
            others = audit.reference.samples
            pairs += [(i, "reference", others[j], distance) for i, j, distance in audit.reference_matches[n].close]
        for i, set_name, other, distance in pairs:
            labels = [_label_cell(sample, audit.classes) for sample in (audit.samples[i], other)]
            yield [audit.samples[i].name, set_name, other.name, source, f"{distance:.6g}", *labels]


def regions_csv(audit: Audit) -> str:
    """Return regions.csv: the nested regions of the t-SNE map, their names and errors."""
    return csv_text(REGION_COLUMNS, _region_rows(audit))


def _region_rows(audit: Audit) -> Iterator[list[str]]:
    for region, summary in enumerate(audit.region_summaries):
        parent, name = int(audit.map_regions.parent[region]), summary.name
        named = (
            [name.kind, "|".join(name.values), f"{name.inside.value:.4f}", f"{name.outside.value:.4f}"]
            if name
            else [""] * 4
        )
        errors, (predicted, prediction) = summary.errors, summary.prediction
        judged = [str(errors.n), str(errors.count)] if errors else ["0", ""]
        interval = [f"{bound:.4f}" for bound in (errors.value, *errors.interval)] if errors else [""] * 3
        yield [
            str(region + 1),
            "" if parent < 0 else str(parent + 1),
            *named,
            str(len(summary.members)),
            *judged,
            *interval,
            predicted,
            f"{prediction.value:.4f}",
        ]


def left_out_csv(audit: Audit) -> str:
    """Return left_out.csv: files that could not be read, and files and annotations that were refused."""
    rows = [["unreadable", name, reason] for name, reason in audit.unreadable]
    rows += [["refused", refused.where, refused.reason] for refused in audit.dataset.refused]
    return csv_text(["what", "name", "reason"], rows)


def table_files(audit: Audit) -> dict[str, str]:
    """Return the error tables by file name, each as CSV, LaTeX and Markdown."""
    files = {}
    for table in all_tables(audit):
        rows = ([row.kind, *("" if cell == NONE else cell for cell in row.cells)] for row in table.rows)
        files[f"{table.name}.csv"] = csv_text(["kind", *table.head], rows)
        files[f"{table.name}.tex"] = as_latex(table)
        files[f"{table.name}.md"] = as_markdown(table)
    return files


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the text of a CSV file. Text that a spreadsheet would read as a formula gets a quote in front.

    Line breaks in a cell become \\n: `csv` does not quote a cell for a lone \\r, which would then end its row.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_without_formula(_with_plain_breaks(cell)) for cell in row] for row in rows)
    return buffer.getvalue()


def _with_plain_breaks(cell: str) -> str:
    return cell.replace("\r\n", "\n").replace("\r", "\n") if "\r" in cell else cell


def _without_formula(cell: str) -> str:
    if cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n"):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
