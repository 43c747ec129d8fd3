"""What a run writes in addition to the pages of the site: the result files and `report.json`."""

from __future__ import annotations

import gzip
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch

from reportgen import __version__
from reportgen.audit.audit import Audit
from reportgen.audit.history import HISTORY_FILE, history_text, run_of, with_run
from reportgen.config import AuditConfig
from reportgen.data.mirror import with_urls
from reportgen.gallery.core.check import MAX_FILE_SIZE
from reportgen.gallery.core.manifest import FILLED_LATER
from reportgen.pipeline.summary import RunSummary
from reportgen.results import csv_files
from reportgen.results.audit_markdown import audit_markdown
from reportgen.results.findings_file import findings_json
from reportgen.results.report import REPORT_FILE
from reportgen.results.report_arrays import report_arrays
from reportgen.store.shard import encode
from reportgen.store.staging import Staging

REDIRECT = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=site/index.html">'
    '<title>Report</title><a href="site/index.html">Open the report</a></html>\n'
)
"""`index.html` above the site, for users who open the report's folder."""


def result_files(audit: Audit, metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """The machine-readable files by their names. metrics: the content of `metrics.json`."""
    texts = {
        "metrics.json": json.dumps(metrics, indent=2, allow_nan=False) + "\n",
        "findings.json": json.dumps(findings_json(audit), indent=2, allow_nan=False) + "\n",
        "predictions.csv": csv_files.predictions_csv(audit),
        "localization.csv": csv_files.localization_csv(audit),
        "duplicates.csv": csv_files.duplicates_csv(audit),
        "regions.csv": csv_files.regions_csv(audit),
        "left_out.csv": csv_files.left_out_csv(audit),
        "audit.md": audit_markdown(audit),
        **csv_files.table_files(audit),
    }
    return {name: text.encode() for name, text in texts.items()}


def stage_data(files: Mapping[str, bytes], site: Path, staging: Staging) -> dict[str, str]:
    """Stage the result files for the site's `data/`; those too large for static hosts as `.gz`, whose addresses by
    name are returned. Errors: OutputError."""
    compressed = {}
    for name, data in files.items():
        path, other = site / "data" / name, site / "data" / f"{name}.gz"
        if len(data) > MAX_FILE_SIZE:
            path, other, data = other, path, gzip.compress(data, mtime=0)
            compressed[name] = f"data/{path.name}"
        staging.write(path, data)
        staging.afterwards(partial(other.unlink, missing_ok=True))
    return compressed


def stage_results(
    audit: Audit, about: Mapping[str, Any], config: AuditConfig, files: Mapping[str, bytes], staging: Staging
) -> list[str]:
    """Stage everything in the report's folder outside of the site, and return the names of what the audit determines.

    about: the content of `report.json`; files: see `result_files`. Errors: OutputError.
    """
    out = config.out
    if config.history:
        history = with_run(audit.history, run_of(audit.main, datetime.now(UTC).date().isoformat()))
        staging.write(out / HISTORY_FILE, history_text(history).encode())
    results = {**files, "index.html": REDIRECT.encode(), REPORT_FILE: encode(*report_arrays(audit))}
    for name, data in results.items():
        staging.write(out / name, data)
    staging.write(out / "report.json", (json.dumps(about, indent=2, default=str) + "\n").encode())
    return list(results)


def filled_pages(out: Path) -> dict[str, bytes]:
    """The pages that `reportgen review` has filled, with their bytes; none where it left no `review.csv`."""
    paths = [out / "site" / name for name in sorted(FILLED_LATER) if (out / "review.csv").is_file()]
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def _with_urls(value: Any) -> Any:
    """A setting as the user gave it, without the secrets of its URL: local paths of remote files are the run's own."""
    if isinstance(value, str | Path):
        return with_urls(str(value))
    if isinstance(value, dict):
        return {key: _with_urls(inner) for key, inner in value.items()}
    return [_with_urls(inner) for inner in value] if isinstance(value, list | tuple) else value


def provenance(audit: Audit, summary: RunSummary, config: AuditConfig, pages: int) -> dict[str, Any]:
    """What was run, on which machine, and for how long."""
    return {
        "reportgen": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "device": audit.main.info.device,
        "threads": torch.get_num_threads(),
        "config": {key: _with_urls(value) for key, value in asdict(config).items()},
        "stores": {model.table.fingerprint: model.table.settings for model in audit.models},
        "annotations": audit.dataset.annotation_digest,
        "seconds": {stage: round(s, 3) for stage, s in summary.seconds.items()},
        "counts": {
            "found": len(audit.dataset.samples),
            "read": len(audit.samples),
            "unreadable": len(audit.unreadable),
            "refused": len(audit.dataset.refused),
            "computed": summary.computed,
            "reused": summary.reused,
            "pages": pages,
        },
        "unreadable": [list(pair) for pair in audit.unreadable],
        "refused": [[r.where, r.reason] for r in audit.dataset.refused],
        "decoder_messages": summary.said,
        "set_aside": summary.set_aside,
    }
