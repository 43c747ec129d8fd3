"""The store of one classifier under one set of settings, and tables of rows from it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import CorruptError, StoreError
from reportgen.store.column import Column
from reportgen.store.files import raise_open_file_limit, write_atomic
from reportgen.store.shard import FORMAT, Shard, write_shard
from reportgen.store.usage import note_use

log = logging.getLogger(__name__)

Key = tuple[str, int]
"""Key of a row: the SHA-256 of the image's bytes in hex, and its label (−1: none), on which the stored maps depend."""
SECONDS_FILE = "seconds"
"""File of a store: the time that its rows took; one for each part, if they were computed in parts."""
RAGGED = {"image/jpeg": "image/offset"}
"""Arrays of bytes without a row axis, and the array `(N + 1,)` with the offset of each image's bytes."""


def fingerprint(settings: Mapping[str, Any]) -> str:
    """SHA-256 of everything that could change a stored number: weights, preprocessing, layers, precision, versions."""
    text = json.dumps({"format": FORMAT, **settings}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Table:
    """The rows of a store that belong to some keys, in their order. Selecting other rows makes another table."""

    def __init__(self, store: Store, keys: Sequence[Key], positions: np.ndarray) -> None:
        """positions: `(N, 2)` int64, shard number and row in the shard of each key."""
        self.keys = list(keys)
        self._store = store
        self._positions = positions

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings that the store's numbers were computed with."""
        return self._store.settings

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings, in hex."""
        return self._store.fingerprint

    @property
    def cache(self) -> Path:
        """The cache folder that the store is part of."""
        return self._store.folder.parent

    def __len__(self) -> int:
        return len(self.keys)

    def names(self) -> list[str]:
        """Return the slash paths that can be read, aliases included."""
        return self._store.names()

    def __contains__(self, name: str) -> bool:
        return name in self._store.names()

    def __getitem__(self, name: str) -> Column:
        """Return one array, a row for each key. Errors: KeyError that lists the arrays that exist."""
        return self._store.column(name, self._positions)

    def release_pages(self) -> None:
        """Release the memory of what was read of the store's files; see `Shard.release_pages`."""
        for shard in self._store.shards:
            shard.release_pages()

    def find(self, ids: Sequence[str]) -> np.ndarray:
        """Return the row `(len(ids),)` of each of these images (SHA-256 in hex). Errors: KeyError."""
        row_of = {identity: i for i, (identity, _) in enumerate(self.keys)}
        return np.array([row_of[identity] for identity in ids], np.int64)

    def row_version(self, row: int) -> bytes:
        """Return a digest of one row: as long as it is the same, so is the row of every array."""
        number, row_in_shard = self._positions[row]
        place = f"{self.fingerprint} {row_in_shard} ".encode() + self._store.shards[number].digest
        return hashlib.blake2b(place, digest_size=16).digest()

    def row_versions(self) -> np.ndarray:
        """Return `row_version` of all rows, `(N, 16)` uint8."""
        joined = b"".join(map(self.row_version, range(len(self))))
        return np.frombuffer(joined, np.uint8).reshape(-1, 16)

    def ragged(self, name: str, row: int) -> bytes:
        """Return the bytes of one row of a ragged array, such as `image/jpeg`."""
        number, row_in_shard = self._positions[row]
        return self._store.ragged(name, int(number), int(row_in_shard))


class Store:
    """The shards `<number>….npz` in `folder/<fingerprint>/`. `select` returns rows of them as a table.

    A row belongs to (image bytes, label): new images add shards; removed or renamed images change none. A shard that is
    damaged or has another fingerprint is renamed to `….corrupt` and named in `set_aside`; its images are recomputed.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], finished: bool = False) -> None:
        """Open a store. finished: the store of a finished report, to be read only: nothing on the disk changes, and
        digests are not verified.

        Errors: StoreError for a shard that cannot be read and, if finished, for a damaged one.
        """
        raise_open_file_limit()
        self.settings = dict(settings)
        self.fingerprint = fingerprint(settings)
        self.folder = folder / self.fingerprint[:16]
        self.shards: list[Shard] = []
        self.set_aside: list[str] = []
        self._members: dict[str, list[np.ndarray]] = {}
        self._positions: dict[Key, tuple[int, int]] = {}
        paths = sorted(self.folder.glob("[0-9]*.npz"))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            opened = pool.map(lambda path: _open(path, not finished), paths)
            for path, shard in zip(paths, opened, strict=True):
                try:
                    if isinstance(shard, StoreError):
                        raise shard
                    self._add(shard)
                except CorruptError as error:
                    if finished:
                        raise
                    self.set_aside.append(f"{error}; set aside and recomputed")
                    with contextlib.suppress(FileNotFoundError):  # another process has done so
                        path.replace(path.with_suffix(".corrupt"))
        log.debug("store %s: %d shards, %d set aside", self.folder.name, len(self.shards), len(self.set_aside))
        if not finished:
            note_use(folder, [self.folder.name])

    def _add(self, shard: Shard) -> None:
        belongs_to = (shard.attributes.get("fingerprint"), shard.attributes.get("name"))
        if belongs_to != (self.fingerprint, shard.path.name):
            raise CorruptError(f"shard `{shard.path.name}` belongs to another store", "run the same command again")
        schema = _schema(shard)
        if self.shards and schema != _schema(self.shards[0]):
            raise shard.corrupt("its arrays differ from those of the other shards")
        ids, labels = shard["samples/id"].tolist(), shard["samples/label"].tolist()
        for row, (identity, label) in enumerate(zip(ids, labels, strict=True)):
            self._positions.setdefault((identity.decode("ascii", "replace"), label), (len(self.shards), row))
        for name in shard.names():
            self._members.setdefault(name, []).append(shard[name])
        shard.release_pages()
        self.shards.append(shard)

    def __contains__(self, key: object) -> bool:
        return key in self._positions

    def commit(self, arrays: Mapping[str, np.ndarray], unit: int | None = None) -> None:
        """Write another shard and add its rows.

        unit: of the data set (see `reportgen.pipeline.forward.extract`): the shard is named by it and by its images, so
            that processes that compute the same images write the same file. None: named by the next free number.
        Errors: OutputError.
        """
        if unit is None:
            taken = {path.name for path in self.folder.glob("[0-9]*.npz")}
            name = next(n for k in range(len(taken) + 1) if (n := f"{k:06d}.npz") not in taken)
        else:
            rows = arrays["samples/id"].tobytes() + arrays["samples/label"].tobytes()
            name = f"{unit:06d}-{hashlib.sha256(rows).hexdigest()[:16]}.npz"
        path = self.folder / name
        write_shard(path, arrays, {"fingerprint": self.fingerprint, "name": name, "settings": self.settings})
        self._add(Shard(path))

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def seconds(self) -> float:
        """Seconds that it took to compute the rows, as far as runs have recorded them (see `add_seconds`)."""
        return sum(_seconds_in(path) for path in self.folder.glob(f"{SECONDS_FILE}*"))

    def add_seconds(self, seconds: float, by: str = "") -> None:
        """Record that rows took so long to compute. by: which of the processes that write to the store computed them.

        Errors: OutputError.
        """
        path = self.folder / f"{SECONDS_FILE}{by}"
        write_atomic(path, f"{_seconds_in(path) + seconds:.3f}\n".encode())

    def select(self, keys: Iterable[Key]) -> Table:
        """Return the rows of these keys as a table. Errors: KeyError for a missing one."""
        keys = list(keys)
        return Table(self, keys, np.array([self._positions[key] for key in keys], np.int64).reshape(-1, 2))

    def names(self) -> list[str]:
        """Return the slash paths that can be read, aliases included."""
        stored = self.shards[0].names() if self.shards else []
        return sorted({*stored, *self.settings.get("aliases", {})})

    def column(self, name: str, positions: np.ndarray) -> Column:
        """Return rows of one array. positions: `(N, 2)`, see `Table`. Errors: KeyError that lists the arrays."""
        path = self.settings.get("aliases", {}).get(name, name)
        if self.shards and path not in self.shards[0]:
            raise KeyError(f"no array `{name}`, only {', '.join(self.names())}")
        return Column(self._members.get(path, ()), *positions.T)

    def ragged(self, name: str, number: int, row: int) -> bytes:
        """Return the bytes of one row of a ragged array in shard `number`."""
        shard = self.shards[number]
        start, stop = shard[RAGGED[name]][row : row + 2]
        return shard[name][start:stop].tobytes()


def _seconds_in(path: Path) -> float:
    try:
        return max(0.0, float(path.read_text("ascii")))
    except (OSError, ValueError):
        return 0.0


def _open(path: Path, verify: bool) -> Shard | StoreError:
    try:
        shard = Shard(path)
        if verify:
            shard.verify()
    except StoreError as error:
        return error
    return shard


Schema = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]
"""Name → dtype and shape of a row, for every array of a shard."""


def _schema(shard: Shard) -> Schema:
    """Return the schema of a shard. Errors: CorruptError if its arrays do not have a row for each image."""
    for name in ("samples/id", "samples/label"):
        if name not in shard:
            raise shard.corrupt(f"the array `{name}` is missing")
    n = len(shard["samples/id"])
    schema: Schema = {}
    for name in shard.names():
        array = shard[name]
        rows = {"image/jpeg": None, "image/offset": n + 1}.get(name, n)
        if array.ndim == 0 or rows not in (None, len(array)):
            raise shard.corrupt(f"`{name}` does not have one row for each image")
        schema[name] = (array.dtype, array.shape[1:])
    if schema["samples/id"] != (np.dtype("S64"), ()) or schema["samples/label"] != (np.dtype(np.int32), ()):
        raise shard.corrupt("`samples/id` or `samples/label` has the wrong dtype")
    for name, offsets in RAGGED.items():
        if name in schema and not (offsets in schema and _are_offsets(shard[offsets], len(shard[name]))):
            raise shard.corrupt(f"`{offsets}` does not match `{name}`")
    return schema


def _are_offsets(offsets: np.ndarray, size: int) -> bool:
    return bool(offsets[0] == 0 and offsets[-1] == size and (np.diff(offsets) >= 0).all())
