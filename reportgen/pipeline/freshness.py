"""Whether a report is up to date: made from the same inputs, with its files unchanged. Then nothing is rebuilt."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.config import AuditConfig
from reportgen.gallery.core import assets
from reportgen.gallery.core.manifest import code_digest, digest_of
from reportgen.gallery.core.writer import FILLED_LATER
from reportgen.pipeline.inputs import AuditInputs
from reportgen.store.files import write_atomic
from reportgen.store.usage import used_stores

FRESHNESS = "freshness.json"
"""File of the cache: the digest of the report's inputs, of its files, and the stores that were used."""
LIBRARIES = ("numpy", "scipy", "scikit-learn", "openTSNE", "torch", "pillow")


def input_digest(config: AuditConfig, inputs: AuditInputs) -> str:
    """Digest of everything that a report follows from: settings, annotations, the bytes of images and weights, our
    code, templates and assets, and the libraries."""
    dataset, samples, reference = inputs.dataset, inputs.samples, inputs.reference
    settings = {key: value for key, value in asdict(config).items() if not isinstance(value, Path)}  # but their content
    about = (dataset.name, dataset.note, list(dataset.refused), [(s.group, list(s.columns.items())) for s in samples])
    annotations = replace(dataset, samples=samples).annotation_digest
    tables = [(model.table.fingerprint, np.asarray(model.table["samples/id"])) for model in inputs.models]
    other = reference and (
        (reference.name, [s.name for s in reference.samples], reference.labels, reference.unreadable),
        (reference.table.fingerprint, np.asarray(reference.table["samples/id"])),
    )
    gallery = [path.read_bytes() for kind in assets.FOLDERS for path in assets.files(kind)]
    libraries = [platform.python_version(), *map(version, LIBRARIES)]
    infos = [model.info for model in inputs.models]
    parts = (settings, about, annotations, inputs.unreadable, tables, other, infos)
    return digest_of(code_digest(), gallery, libraries, *parts)


def note_finished(out: Path, digest: str, results: Iterable[str]) -> None:
    """Record that the report is finished. digest: `input_digest`; results: its files outside of the site.

    Errors: OutputError.
    """
    names = sorted(results)
    note = {"inputs": digest, "results": names, "files": _file_digest(out, names)}
    stores = sorted(used_stores(out / "cache"))
    write_atomic(out / "cache" / FRESHNESS, json.dumps(note | {"stores": stores}).encode())


def stores_if_fresh(out: Path, digest: str) -> list[str] | None:
    """The stores that the report was made with, if its inputs and its files are unchanged; else None."""
    try:
        note: dict[str, Any] = json.loads((out / "cache" / FRESHNESS).read_text())
        is_fresh = note["inputs"] == digest and note["files"] == _file_digest(out, note["results"])
        return list(note["stores"]) if is_fresh else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file_digest(out: Path, results: Iterable[str]) -> str:
    """Digest of name, size and time of every file of the report."""
    site = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(out / "site")
        for name in names
        if name not in FILLED_LATER
    ]
    paths = sorted([*site, *(str(out / name) for name in results)])
    stats = ((path, os.stat(path)) for path in paths)
    start = len(os.path.join(out, ""))
    rows = [f"{path[start:]} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats]
    return hashlib.sha256(os.fsencode("\n".join(rows))).hexdigest()
