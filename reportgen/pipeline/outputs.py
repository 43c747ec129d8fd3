"""What a run did, and the files beside the site that say so."""

from __future__ import annotations

import gzip
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch

from reportgen import __version__
from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.gallery.core.check import LARGEST
from reportgen.gallery.core.writer import write_if_changed
from reportgen.results import metrics as results
from reportgen.results.report import REPORT
from reportgen.store.shard import encode

LEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=site/index.html">'
    '<title>Report</title><a href="site/index.html">Open the report</a></html>\n'
)
"""The page above the site, for whoever opens the report's folder."""


@dataclass
class Summary:
    """What a run did.

    metrics: as in `metrics.json`; seconds: by stage; computed, reused: images through the network and images found in
    the store; stood: the report stood as the last run left it, and nothing of it was made again; outdated: pages that
    `reportgen review` filled of the report before (`MADE_LATER`), which are empty again.
    """

    index: Path
    metrics: dict[str, Any]
    computed: int
    reused: int
    set_aside: list[str]
    seconds: dict[str, float]
    stood: bool
    analysed: Callable[[], Audit]
    outdated: list[str] = field(default_factory=list)

    @cached_property
    def audit(self) -> Audit:
        """The figures; where the report stood, they are computed when they are asked for."""
        return self.analysed()


def result_files(summary: Summary) -> dict[str, bytes]:
    """The machine-readable files by their names."""
    audit = summary.audit
    texts = {
        "metrics.json": json.dumps(summary.metrics, indent=2, allow_nan=False) + "\n",
        "predictions.csv": results.predictions_csv(audit),
        "localization.csv": results.localization_csv(audit),
        "duplicates.csv": results.duplicates_csv(audit),
        "left_out.csv": results.left_out_csv(audit),
        **results.table_files(audit),
    }
    return {name: text.encode() for name, text in texts.items()}


def publish(files: Mapping[str, bytes], site: Path) -> dict[str, str]:
    """Writes the files once more under the site's data/, those that hosts would not take as `.gz`, whose addresses by
    name are returned."""
    packed = {}
    for name, data in files.items():
        path, other = site / "data" / name, site / "data" / f"{name}.gz"
        if len(data) > LARGEST:
            path, other, data = other, path, gzip.compress(data, mtime=0)
            packed[name] = f"data/{path.name}"
        write_if_changed(path, data)
        other.unlink(missing_ok=True)
    return packed


def write_results(summary: Summary, config: AuditConfig, files: Mapping[str, bytes], pages: int) -> list[str]:
    """Everything in the report's folder, whose names are returned, and report.json. files: `result_files`."""
    audit, out = summary.audit, config.out
    for name, data in files.items():
        write_if_changed(out / name, data)
    write_if_changed(out / "index.html", LEAD.encode())
    write_if_changed(out / REPORT, encode(*results.arrays(audit)))
    about = provenance(summary, config, pages)
    write_if_changed(out / "report.json", (json.dumps(about, indent=2, default=str) + "\n").encode())
    return [*files, "index.html", REPORT]


def provenance(summary: Summary, config: AuditConfig, pages: int) -> dict[str, Any]:
    """What was run, on what, for how long."""
    audit = summary.audit
    return {
        "reportgen": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "device": audit.card.device,
        "threads": torch.get_num_threads(),
        "config": asdict(config),
        "stores": {model.store.fingerprint: model.store.settings for model in audit.models},
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
        "set_aside": summary.set_aside,
    }
