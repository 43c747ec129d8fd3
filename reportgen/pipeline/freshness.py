"""Whether a report stands as the last run left it, made of the same: then nothing of it needs to be made again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.audit.model_info import ModelCard
from reportgen.audit.reference import Reference
from reportgen.config import AuditConfig
from reportgen.data.samples import Dataset, Sample
from reportgen.gallery.core import assets
from reportgen.gallery.core.manifest import code_digest, digest_of
from reportgen.gallery.core.writer import MADE_LATER
from reportgen.pipeline.extraction import Look
from reportgen.store.files import write_atomic
from reportgen.store.table import used_stores

STANDING = "standing.json"
"""File of the cache: what the report was made of, its files, and the stores that were used."""
LIBRARIES = ("numpy", "scipy", "scikit-learn", "openTSNE", "torch", "pillow")


def made_of(
    config: AuditConfig,
    dataset: Dataset,
    samples: Sequence[Sample],
    unreadable: Sequence[tuple[str, str]],
    looks: Sequence[Look],
    cards: Sequence[ModelCard],
    reference: Reference | None,
) -> str:
    """Digest of everything that a report follows from: settings, annotations, the bytes of images and weights, our
    code, templates and assets, and the libraries.

    samples: those that were looked at, their rows selected in the stores of `looks`.
    """
    settings = {key: value for key, value in asdict(config).items() if not isinstance(value, Path)}  # but their content
    about = (dataset.name, dataset.note, list(dataset.refused), [sample.group for sample in samples])
    annotations = replace(dataset, samples=samples).annotation_digest
    stores = [(one.store.fingerprint, np.asarray(one.store["samples/id"])) for one in looks]
    other = reference and (
        (reference.name, [s.name for s in reference.samples], reference.labels, reference.unreadable),
        (reference.store.fingerprint, np.asarray(reference.store["samples/id"])),
    )
    gallery = [path.read_bytes() for kind in assets.PLACES for path in sorted(assets.folder(kind).iterdir())]
    libraries = [platform.python_version(), *map(version, LIBRARIES)]
    return digest_of(code_digest(), gallery, libraries, settings, about, annotations, unreadable, stores, other, cards)


def note_standing(out: Path, of: str, results: Iterable[str]) -> None:
    """Notes that the report is finished. results: its files outside of the site. Errors: OutputError."""
    note = {"of": of, "results": (names := sorted(results)), "files": _files(out, names)}
    stores = sorted(used_stores(out / "cache"))
    write_atomic(out / "cache" / STANDING, json.dumps(note | {"stores": stores}).encode())


def standing(out: Path, of: str) -> list[str] | None:
    """The stores that the report was made with, if it is made `of` this and its files are as they were written; else
    None."""
    try:
        note: dict[str, Any] = json.loads((out / "cache" / STANDING).read_text())
        stands = note["of"] == of and note["files"] == _files(out, note["results"])
        return list(note["stores"]) if stands else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(out: Path, results: Iterable[str]) -> str:
    """Digest of name, size and time of every file of the report."""
    site = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(out / "site")
        for name in names
        if name not in MADE_LATER
    ]
    paths = sorted([*site, *(str(out / name) for name in results)])
    stats = ((path, os.stat(path)) for path in paths)
    start = len(os.path.join(out, ""))
    rows = [f"{path[start:]} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats]
    return hashlib.sha256(os.fsencode("\n".join(rows))).hexdigest()
