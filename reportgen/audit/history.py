"""The headline figures of earlier runs into the same folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.audit.model_audit import ModelAudit
from reportgen.data.files import cause
from reportgen.errors import DataError

HISTORY_FILE = "history.jsonl"
"""In the report's folder: one JSON object a line, the earliest run first."""
FIGURES = ("top1_error", "top5_error", "gt_known_error", "ece")
"""Of the first network; null where there is none."""


@dataclass(frozen=True)
class PastRun:
    """One run. results: digest of the predictions, equal for runs with the same; date: ISO 8601, UTC."""

    date: str
    results: str
    dataset: str
    network: str
    images: int
    labelled: int
    figures: Mapping[str, float | None]


def run_of(model: ModelAudit, date: str) -> PastRun:
    """Return the line of a run. model: the first network; date: of today."""
    classification, localization, calibration = model.classification, model.localization, model.calibration
    top5 = classification.top5_error if model.has_top5 else None
    rates = (classification.top1_error, top5, localization.gt_known_error if localization else None)
    values = [None if rate is None else rate.value for rate in rates] + [calibration.ece if calibration else None]
    predictions = [np.asarray(model.table["samples/id"]), model.labels, classification.top_classes]
    digest = hashlib.sha256(model.info.weights_digest.encode())
    for array in predictions:
        digest.update(np.ascontiguousarray(array).tobytes())
    return PastRun(
        date=date,
        results=digest.hexdigest()[:16],
        dataset=model.dataset.name,
        network=model.info.name,
        images=len(model.samples),
        labelled=int(classification.labelled.sum()),
        figures=dict(zip(FIGURES, values, strict=True)),
    )


def read_history(path: Path) -> list[PastRun]:
    """Return the runs of a file; none if there is no file. Errors: DataError that names the line."""
    try:
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read `{path}`: {cause(error)}", "move the file away, and a new one is begun") from None
    runs = []
    for number, line in enumerate(lines, 1):
        try:
            values: dict[str, Any] = json.loads(line)
            figures = {name: values["figures"][name] for name in FIGURES}
            numbers = [*figures.values(), values["images"], values["labelled"]]
            if any(isinstance(value, bool) or not isinstance(value, int | float | None) for value in numbers):
                raise ValueError("a figure is no number")
            runs.append(PastRun(**{**values, "figures": figures}))
        except (ValueError, KeyError, TypeError, RecursionError):
            hint = "correct or delete the line, or move the file away"
            raise DataError(f"`{path}`, line {number}: not a run of reportgen", hint) from None
    return runs


def with_run(history: Sequence[PastRun], run: PastRun) -> list[PastRun]:
    """Return the history with a run at its end, unless the last one had the same results."""
    return [*history] if history and history[-1].results == run.results else [*history, run]


def earlier_than(history: Sequence[PastRun], run: PastRun) -> list[PastRun]:
    """Return the runs before this one: without the last line if it has the same results."""
    return [*history[:-1]] if history and history[-1].results == run.results else [*history]


def history_text(history: Sequence[PastRun]) -> str:
    """Return the content of the file."""
    return "".join(json.dumps(asdict(run), allow_nan=False) + "\n" for run in history)
