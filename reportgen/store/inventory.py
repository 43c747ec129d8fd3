"""The stores and kept results of a report: which there are, whether they are sound, which no run needs any more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reportgen.errors import StoreError
from reportgen.store.files import only_run
from reportgen.store.shard import Shard
from reportgen.store.table import fingerprint, used_stores


@dataclass(frozen=True)
class Entry:
    """One store on the disk, or the file of one kept result.

    used: by the last whole run, or by one that was stopped since; images: rows of the shards that can be opened, None
    for a result; about: settings in a few words.
    """

    path: Path
    used: bool
    images: int | None
    size: int
    about: str

    def line(self) -> str:
        """For people, one line."""
        state = "used" if self.used else "old"
        images = "" if self.images is None else f"{self.images:,} images"
        name = self.path.stem.rpartition("-")[2]
        return f"{name}  {state:<4}  {images:>16}  {self.size / 1e6:>9,.1f} MB  {self.about}"


def entries(report: Path) -> list[Entry]:
    """The stores of a report. Errors: StoreError if it has no cache."""
    used = used_stores(_cache(report))
    found = []
    for folder in _folders(report):
        images, about = 0, "no shard that can be opened"
        for path in _shards(folder):  # one at a time: each is an open file
            if shard := _open(path):
                images += len(shard["samples/id"]) if "samples/id" in shard else 0
                about = _about(shard.attributes.get("settings"))
        size = sum(path.stat().st_size for path in folder.iterdir())
        found.append(Entry(folder, folder.name in used, images, size, about))
    for path in _results(report):
        about = f"{path.stem.rpartition('-')[0]}, kept for the next run"
        found.append(Entry(path, path.name in used, None, path.stat().st_size, about))
    return found


def faults(report: Path) -> list[str]:
    """A line for every shard that is not what it should be; every byte is read."""
    found = []
    for folder in _folders(report):
        for path in _shards(folder):
            try:
                shard = Shard(path)
                shard.verify()
                own = shard.attributes.get("fingerprint")
                if own != fingerprint(shard.attributes.get("settings") or {}) or own[:16] != folder.name:
                    raise shard.corrupt("it belongs to another store")
                if shard.attributes.get("name") != path.name:
                    raise shard.corrupt("it has another's name")
            except StoreError as error:
                found.append(f"{folder.name}: {error}")
        found += [f"{folder.name}: `{path.name}` was set aside" for path in sorted(folder.glob("*.corrupt"))]
    for path in _results(report):
        try:
            Shard(path).verify()
        except StoreError as error:
            found.append(str(error))
    return found


def prune(report: Path) -> Iterator[Entry]:
    """Removes the stores and results that the last whole run and those that were stopped since
    had no use for, and the shards that were set aside.

    Errors: StoreError where it is not known what was used; OutputError while a run is going on.
    """
    _cache(report)
    with only_run(report):
        if not used_stores(_cache(report)):
            raise StoreError(f"it is not known which stores of `{report}` are in use", "run the report again first")
        for entry in entries(report):
            if not entry.used:
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


def _about(settings: object) -> str:
    if not isinstance(settings, dict):
        return ""
    words = [settings.get(key) for key in ("look", "experiment", "maps", "method", "resize", "precision", "device")]
    return " ".join([*(str(word) for word in words if word), f"weights {str(settings.get('weights'))[:8]}"])
