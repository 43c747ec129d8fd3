"""What the cache of a report contains: list it, verify it, and remove what no run needs any more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reportgen.errors import StoreError
from reportgen.store.files import exclusive_run
from reportgen.store.shard import Shard
from reportgen.store.table import fingerprint
from reportgen.store.usage import used_stores


@dataclass(frozen=True)
class CacheEntry:
    """A store in the cache, or the file of one cached result.

    is_used: by the last finished run, or by an interrupted one after it.
    images: number of rows in the shards that can be opened; None for a cached result.
    size: in bytes; description: its main settings.
    """

    path: Path
    is_used: bool
    images: int | None
    size: int
    description: str

    def summary_line(self) -> str:
        """Return the line that `reportgen cache list` prints."""
        state = "used" if self.is_used else "old"
        images = "" if self.images is None else f"{self.images:,} images"
        name = self.path.stem.rpartition("-")[2]
        return f"{name}  {state:<4}  {images:>16}  {self.size / 1e6:>9,.1f} MB  {self.description}"


def cache_entries(report: Path) -> list[CacheEntry]:
    """Return the stores and cached results of a report. Errors: StoreError if it has no cache."""
    used = used_stores(_cache(report))
    entries = []
    for folder in _folders(report):
        images, description = 0, "no shard can be opened"
        for path in _shards(folder):  # one at a time: each is an open file
            if shard := _open(path):
                images += len(shard["samples/id"]) if "samples/id" in shard else 0
                description = _describe(shard.attributes.get("settings"))
        size = sum(path.stat().st_size for path in folder.iterdir())
        entries.append(CacheEntry(folder, folder.name in used, images, size, description))
    for path in _results(report):
        description = f"{path.stem.rpartition('-')[0]}, cached result"
        entries.append(CacheEntry(path, path.name in used, None, path.stat().st_size, description))
    return entries


def find_faults(report: Path) -> list[str]:
    """Return a line for every damaged or misplaced shard. Reads every byte of the cache."""
    faults = []
    for folder in _folders(report):
        for path in _shards(folder):
            try:
                shard = Shard(path)
                shard.verify()
                own = shard.attributes.get("fingerprint")
                if own != fingerprint(shard.attributes.get("settings") or {}) or own[:16] != folder.name:
                    raise shard.corrupt("it belongs to another store")
                if shard.attributes.get("name") != path.name:
                    raise shard.corrupt("it was written under another name")
            except StoreError as error:
                faults.append(f"{folder.name}: {error}")
        faults += [f"{folder.name}: `{path.name}` was set aside" for path in sorted(folder.glob("*.corrupt"))]
    for path in _results(report):
        try:
            Shard(path).verify()
        except StoreError as error:
            faults.append(str(error))
    return faults


def prune(report: Path) -> Iterator[CacheEntry]:
    """Remove unused stores and results, and shards that were set aside; yield each removed store or result.

    Unused are those that neither the last finished run nor an interrupted one after it has opened.
    Errors: StoreError if it is not known what was used; OutputError while a run is writing to the report.
    """
    _cache(report)
    with exclusive_run(report):
        if not used_stores(_cache(report)):
            raise StoreError(f"it is not known which stores of `{report}` are in use", "run the report again first")
        for entry in cache_entries(report):
            if not entry.is_used:
                shutil.rmtree(entry.path) if entry.path.is_dir() else entry.path.unlink()
                yield entry
            for path in entry.path.glob("*.corrupt"):
                path.unlink()


def _cache(report: Path) -> Path:
    if not (report / "cache").is_dir():
        raise StoreError(f"`{report}` has no cache", "name the folder that `reportgen run --out` wrote")
    return report / "cache"


def _folders(report: Path) -> list[Path]:
    return sorted(path for path in _cache(report).iterdir() if path.is_dir() and len(path.name) == 16)


def _results(report: Path) -> list[Path]:
    return sorted(_cache(report).glob("*-????????????????.npz"))


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.npz"))


def _open(path: Path) -> Shard | None:
    try:
        return Shard(path)
    except StoreError:
        return None


def _describe(settings: object) -> str:
    if not isinstance(settings, dict):
        return ""
    values = [settings.get(key) for key in ("kind", "maps", "method", "resize", "precision", "device")]
    return " ".join([*(str(value) for value in values if value), f"weights {str(settings.get('weights'))[:8]}"])
