"""Whether a report is up to date: made from the same inputs, with its files unchanged. Then nothing is rebuilt."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.config import AuditConfig
from reportgen.gallery.core import assets
from reportgen.gallery.core.checksums import CHECKSUMS, listed_lines
from reportgen.gallery.core.manifest import FILLED_LATER, code_digest, digest_of
from reportgen.json_text import load_json
from reportgen.pipeline.quick_check import SourceRecord, settings_of_report
from reportgen.store.files import write_atomic
from reportgen.store.usage import used_stores

if TYPE_CHECKING:
    from reportgen.pipeline.inputs import AuditInputs

FRESHNESS = "freshness.json"
"""File of the cache with the `Note` of the last finished run."""
LIBRARIES = ("numpy", "scipy", "scikit-learn", "openTSNE", "torch", "pillow")


def input_digest(config: AuditConfig, inputs: AuditInputs) -> str:
    """Digest of everything that a report follows from: settings, annotations, the bytes of images and weights, our
    code, templates and assets, and the libraries."""
    dataset, samples = inputs.dataset, inputs.samples
    settings = {key: value for key, value in settings_of_report(config).items() if not isinstance(value, Path)}
    about = (dataset.name, dataset.note, list(dataset.refused), [(s.group, list(s.columns.items())) for s in samples])
    annotations = replace(dataset, samples=samples).annotation_digest
    tables = [(model.table.fingerprint, np.asarray(model.table["samples/id"])) for model in inputs.models]
    others = [
        other
        and (
            (other.name, [s.name for s in other.samples], other.labels, other.unreadable),
            (other.table.fingerprint, np.asarray(other.table["samples/id"])),
        )
        for other in (inputs.reference, inputs.ood)
    ]
    gallery = assets.all_contents()
    libraries = [platform.python_version(), *map(version, LIBRARIES)]
    infos = [model.info for model in inputs.models]
    parts = (settings, about, annotations, inputs.unreadable, tables, others, infos)
    return digest_of(code_digest(), gallery, libraries, *parts)


@dataclass(frozen=True)
class Note:
    """The record of the last finished run.

    inputs:  `input_digest`; sources: what decides the same without a network, if that is possible.
    results: names of the report's files outside of the site.
    files:   digest of name, size and time of every file of the report; cache: of every file of the stores in use.
    stores:  names of these stores.
    reused:  number of images that a run finds in the stores.
    """

    inputs: str
    results: Sequence[str]
    files: str
    stores: Sequence[str]
    cache: str
    reused: int
    sources: SourceRecord | None


def read_note(out: Path) -> Note | None:
    """Return the record of the last finished run; None if there is none, or one of another version."""
    try:
        stored: dict[str, Any] = load_json((out / "cache" / FRESHNESS).read_text())
        sources = stored.pop("sources")
        return Note(**stored, sources=sources and SourceRecord(**sources))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def note_finished(out: Path, digest: str, results: Iterable[str], reused: int, sources: SourceRecord | None) -> None:
    """Record that the report is finished. digest: `input_digest`; results, reused, sources: see `Note`.

    Errors: OutputError.
    """
    names, stores = sorted(results), sorted(used_stores(out / "cache"))
    note = Note(digest, names, _report_digest(out, names), stores, _cache_digest(out, stores), reused, sources)
    path, data = out / "cache" / FRESHNESS, json.dumps(asdict(note)).encode()
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)


def is_report_unchanged(out: Path, note: Note) -> bool:
    """Whether the report's files are as the run left them."""
    try:
        return note.files == _report_digest(out, note.results)
    except OSError:
        return False


def is_cache_unchanged(out: Path, note: Note) -> bool:
    """Whether the stores' files are as the run left them."""
    try:
        return note.cache == _cache_digest(out, note.stores)
    except OSError:
        return False


def _report_digest(out: Path, results: Iterable[str]) -> str:
    """Digest of the files of the site that no other command fills, and of the result files.

    Of the site's list of checksums, the lines of these files count, not the time when a command wrote it again.
    """
    filled = {*FILLED_LATER, CHECKSUMS}
    site = [path for path in _files(out / "site") if os.path.basename(path) not in filled]
    files = _digest_of_files(out, [*site, *(str(out / name) for name in results)])
    return digest_of(files, listed_lines(out / "site", FILLED_LATER))


def _cache_digest(out: Path, stores: Iterable[str]) -> str:
    """Digest of the files of these stores; one that nothing was written to has none."""
    paths = [out / "cache" / name for name in stores]
    files = [str(path) for path in paths if path.is_file()]
    return _digest_of_files(out, files + [one for path in paths for one in _files(path)])


def _files(folder: Path) -> list[str]:
    return [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]


def _digest_of_files(out: Path, paths: Iterable[str]) -> str:
    """Digest of name, size and time of files. Errors: OSError if one is missing."""
    stats = ((path, os.stat(path)) for path in sorted(paths))
    start = len(os.path.join(out, ""))
    rows = [f"{path[start:]} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats]
    return hashlib.sha256(os.fsencode("\n".join(rows))).hexdigest()
