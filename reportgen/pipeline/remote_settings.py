"""Settings with URLs: what they name is made available as local files before the work begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from reportgen.config import AuditConfig, FitConfig
from reportgen.data.remote_inputs import local_annotations, local_data, local_file
from reportgen.pipeline.progress import Progress
from reportgen.setting_values import as_url

Config = TypeVar("Config", AuditConfig, FitConfig)
CACHE = Path("cache") / "remote"
"""Folder of a report, or of a training, with its mirrors of remote folders."""
LOCAL: Mapping[str, Callable[[Path, Path], Path]] = {
    "data": local_data,
    "fit_data": local_data,
    "reference": local_data,
    "ood": local_data,
    "annotations": local_annotations,
    "classes": local_file,
}


def with_local_paths(config: Config, progress: Progress) -> Config:
    """Return the settings with local paths in place of URLs. Errors: DataError."""
    values = [getattr(config, key, None) for key in (*LOCAL, "weights")]
    values += [table.get("weights") for table in getattr(config, "models", ())]
    if not any(as_url(value) for value in values if value):
        return config
    with progress("Reading remote files", None, ""):
        return _with_local_paths(config, config.out / CACHE)


def _with_local_paths(config: Config, cache: Path) -> Config:
    changes: dict[str, Any] = {}
    for key, make_local in LOCAL.items():
        if source := getattr(config, key, None):
            changes[key] = make_local(source, cache)
    if isinstance(config, AuditConfig):
        changes["weights"] = _local_weights(config.weights, cache)
        changes["models"] = tuple(
            {**table, "weights": _local_weights(table["weights"], cache)} if "weights" in table else table
            for table in config.models
        )
    return replace(config, **changes)


def _local_weights(weights: str, cache: Path) -> str:
    path = local_file(Path(weights), cache)
    return weights if path == Path(weights) else str(path)
