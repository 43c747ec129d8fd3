"""One table of everything that a report knows about each image: what the CSV, Parquet and data frames hold."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.errors import OutputError, StoreError
from reportgen.json_text import load_json

if TYPE_CHECKING:
    from reportgen.results.report import Model, Report

Columns = dict[str, np.ma.MaskedArray[Any, Any]]
"""Columns `(N,)` by name: text, int64, float64 or bool; a missing value is masked."""
PANDAS_TYPES = {"U": "string", "i": "int64", "f": "float64", "b": "boolean"}
"""Type of a data frame's column, by NumPy's kind of type."""


def image_table(report: Report) -> Columns:
    """Return a row for each network and image, network by network. Errors: StoreError."""
    tables = [model_table(report, model) for model in report.models]
    return {name: _joined([table[name] for table in tables]) for name in tables[0]}


def _joined(parts: Sequence[np.ma.MaskedArray[Any, Any]]) -> np.ma.MaskedArray[Any, Any]:
    masks = np.concatenate([np.ma.getmaskarray(part) for part in parts])
    return np.ma.array(np.concatenate([part.data for part in parts]), mask=masks)


def model_table(report: Report, model: Model) -> Columns:
    """Return a row for each image, with the results of one network. Errors: StoreError."""
    found, classes = model.predictions, np.array(report.classes)
    labels = {"label": np.ma.array(classes[found["label"]], mask=found["label"] < 0)}
    if report.is_multilabel:
        labels = {name: np.ma.array(found[name], mask=found[name] == "") for name in ("labels", "predicted")}
    columns = {
        "model": np.full(len(found), model.name),
        "name": found["name"],
        "width": report.sizes[:, 0].astype(np.int64),
        "height": report.sizes[:, 1].astype(np.int64),
        **labels,
        "kind": found["kind"],
    }
    for k in range(found["top"].shape[1]):
        columns[f"class{k + 1}"] = classes[found["top"][:, k]]
        columns[f"score{k + 1}"] = np.ma.masked_invalid(found["score"][:, k])
    columns["boxes"] = np.array([len(boxes) for boxes in report.boxes], np.int64)
    if report.has_localization:
        columns |= _box_columns(model, found["top"].shape[1])
    columns["tsne_x"], columns["tsne_y"] = np.ma.masked_invalid(report.tsne.astype(np.float64)).T
    columns["findings"] = _finding_slugs(report, model)
    return {name: np.ma.asarray(column) for name, column in columns.items()}


def _box_columns(model: Model, k: int) -> Columns:
    """Return box, IoU and whether it is correct of the label's map (rank 0) and of those of the k top classes."""
    n, columns = len(model.predictions), {}
    row_of = {name: i for i, name in enumerate(model.predictions["name"].tolist())}
    for rank in range(k + 1):
        maps = model.localization[model.localization["rank"] == rank]
        rows = [row_of[name] for name in maps["name"].tolist()]
        values, fits = np.full((n, 5), np.nan), np.ma.array(np.zeros(n, bool), mask=True)
        values[rows, :4], values[rows, 4], fits[rows] = maps["box"], maps["iou"], maps["fits"]
        for name, column in zip(("x0", "y0", "x1", "y1", "iou"), values.T, strict=True):
            columns[f"box{rank}_{name}"] = np.ma.masked_invalid(column)
        columns[f"box{rank}_fits"] = fits
    return columns


def _finding_slugs(report: Report, model: Model) -> np.ndarray:
    """Return for each image the slugs of the findings that list it, separated by spaces.

    Findings of another network are left out.
    """
    slugs: dict[str, list[str]] = {name: [] for name in model.predictions["name"].tolist()}
    for finding in _findings(report):
        for name in finding["images"] if finding["model"] in (None, model.name) else ():
            slugs[name].append(finding["slug"])
    return np.array([" ".join(of_image) for of_image in slugs.values()])


def _findings(report: Report) -> Sequence[dict[str, Any]]:
    path = report.folder / "findings.json"
    try:
        findings: Sequence[dict[str, Any]] = load_json(path.read_text("utf-8"))["findings"]
    except (OSError, ValueError, LookupError, TypeError):
        raise StoreError(f"`{path}` is missing or damaged", "run the report again") from None
    return findings


def data_frame(columns: Columns) -> Any:
    """Return the table as a pandas data frame. Errors: OutputError without pandas."""
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        raise OutputError("data frames need pandas", "pip install pandas") from None
    series = {
        name: pandas.Series(column.tolist(), dtype=PANDAS_TYPES[column.dtype.kind]) for name, column in columns.items()
    }
    return pandas.DataFrame(series)
