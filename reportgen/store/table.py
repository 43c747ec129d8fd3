"""All shards of one classifier under one set of settings, read as if they were one table of images."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import CorruptError, StoreError
from reportgen.store.files import allow_open_files, cannot_write, write_atomic
from reportgen.store.shard import FORMAT, Shard, write_shard

Key = tuple[str, int]
"""What a row is found by: the SHA-256 of the image's bytes, and its label (−1: none), whose map the row holds."""
RAGGED = {"image/jpeg": "image/offset"}
"""Arrays of bytes without rows of their own, and the array `(N + 1,)` that says where each image's bytes start."""


def fingerprint(settings: Mapping[str, Any]) -> str:
    """SHA-256 of everything that could change a stored number: weights, preprocessing, layers, precision, versions."""
    text = json.dumps({"format": FORMAT, **settings}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


WORTH = 8
"""Rows that a piece must have on average for reading piece by piece to be faster than shard by shard, where rows are
small; one of `WORTH * LARGE` bytes is worth it by itself."""
LARGE = 512

USED = "used"
"""File of the cache that lists the stores and results that the last whole run opened, and after it those that were
stopped, a line each."""
BEGUN = "(a run begins)"
"""Line between the names of two runs."""


def begin_use(cache: Path) -> None:
    """A run begins: it has used no store yet. What earlier ones used counts until it has ended. Errors: OutputError."""
    if _noted(cache):
        _note(cache, [BEGUN])


def end_use(cache: Path) -> None:
    """The run has ended whole: only what it used counts. Errors: OutputError."""
    write_atomic(cache / USED, "".join(f"{name}\n" for name in _since_begun(cache)).encode())


def used_stores(cache: Path) -> set[str]:
    """The names of the stores and files that the last whole run opened, or one after it; none if that is not known."""
    return set(_noted(cache)) - {BEGUN}


def note_use(cache: Path, names: Iterable[str]) -> None:
    """The run uses these stores and files of the cache. Errors: OutputError."""
    since = _since_begun(cache)
    if new := [name for name in names if name not in since]:
        _note(cache, new)


def _noted(cache: Path) -> list[str]:
    try:
        return (cache / USED).read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _since_begun(cache: Path) -> list[str]:
    noted = _noted(cache)
    return noted[len(noted) - noted[::-1].index(BEGUN) :] if BEGUN in noted else noted


def _note(cache: Path, lines: Iterable[str]) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with open(cache / USED, "a") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise cannot_write(cache / USED, error) from error


class Rows:
    """The chosen rows `(N, …)` of one array, read from the shards when they are asked for.

    `rows[i]`, `rows[10:20]`, `rows[indices]` and `rows[indices, 0]` read only those, and give what NumPy gives;
    `np.asarray(rows)` reads all; `for block in rows.blocks(n)` reads all, at most n at a time, and copies nothing that
    lies in one piece.
    """

    def __init__(self, members: Sequence[np.ndarray], shard: np.ndarray, row: np.ndarray) -> None:
        """members: the array in each shard; shard, row: `(N,)`, the place of each row."""
        self._members, self._shard, self._row = members, shard, row
        like = self._members[0] if self._members else np.zeros((0,))
        self.dtype = like.dtype
        self.shape: tuple[int, ...] = (len(row), *like.shape[1:])
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, index: Any) -> Any:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int | np.integer):
            place = range(len(self))[first]
            return self._members[self._shard[place]][(self._row[place], *rest)]
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        row = self._row[first]
        if row.ndim != 1:
            raise IndexError(f"rows are chosen by a number, a slice or one list of numbers, not by {first!r}")
        taken = self._take(self._shard[first], row)
        if not rest:
            return taken
        return taken[(slice(None) if isinstance(first, slice) else np.arange(len(row)), *rest)]  # lists go with lists

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._take(self._shard, self._row).astype(dtype or self.dtype, copy=False)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def blocks(self, at_most: int) -> Iterator[np.ndarray]:
        """All rows in order, `(n, …)` with n ≤ `at_most`; read-only views of the files where they can be."""
        starts = _starts(self._shard, self._row)
        if len(starts) > len(self) / WORTH:
            return (self[start : start + at_most] for start in range(0, len(self), at_most))
        pieces = self._pieces(self._shard, self._row, starts)
        return (piece[i : i + at_most] for piece in pieces for i in range(0, len(piece), at_most))

    def _take(self, shard: np.ndarray, row: np.ndarray) -> np.ndarray:
        shape = (len(row), *self.shape[1:])
        size = math.prod(shape) * self.dtype.itemsize
        if not size:
            return np.empty(shape, self.dtype)
        starts = _starts(shard, row)
        if len(starts) * WORTH <= max(len(row), size // LARGE):
            if len(starts) == len(row) and self.ndim > 1:  # an index makes a view sooner than a slice
                pieces = [self._members[k][i] for k, i in zip(shard.tolist(), row.tolist(), strict=True)]
            else:
                pieces = self._pieces(shard, row, starts)
            return np.frombuffer(bytearray().join(pieces), self.dtype).reshape(shape)  # sooner than np.concatenate
        order = np.argsort(shard, kind="stable")
        out = np.empty(shape, self.dtype)
        for at in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            out[at] = self._members[shard[at[0]]][row[at]]
        return out

    def _pieces(self, shard: np.ndarray, row: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
        """Views of the rows, those from each start to the next in one piece."""
        first = row[starts]
        stop = first + np.diff(starts, append=len(row))
        places = zip(shard[starts].tolist(), first.tolist(), stop.tolist(), strict=True)
        return [self._members[number][begin:end] for number, begin, end in places]


def _starts(shard: np.ndarray, row: np.ndarray) -> np.ndarray:
    """`(P,)`, the places whose row does not follow the one before it in the same shard."""
    starts = np.ones(len(row), bool)
    starts[1:] = (shard[1:] != shard[:-1]) | (row[1:] != row[:-1] + 1)
    return np.flatnonzero(starts)


class Store:
    """The shards in `folder/<fingerprint>/`, each `<number>.npz`; rows are chosen by `select`, whose are `keys`.

    A row belongs to (image bytes, label): adding images adds shards, removing or renaming them changes none.
    A shard that is damaged, or of another fingerprint, is renamed to `….corrupt`, named in `set_aside`, and recomputed.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], finished: bool = False) -> None:
        """finished: a look at a finished report, which changes nothing on the disk and does not read every byte first.

        Errors: StoreError, for a shard that cannot be read, and if finished for one that is not what it should be.
        """
        allow_open_files()
        self.settings = dict(settings)
        self.fingerprint = fingerprint(settings)
        self.folder = folder / self.fingerprint[:16]
        self.shards: list[Shard] = []
        self.set_aside: list[str] = []
        self.keys: list[Key] = []
        self._members: dict[str, list[np.ndarray]] = {}
        self._rows: dict[Key, tuple[int, int]] = {}
        self._chosen = np.zeros((0, 2), np.int64)
        paths = sorted(self.folder.glob("[0-9]*.npz"))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda path: _opened(path, not finished), paths)
            for path, shard in zip(paths, found, strict=True):
                try:
                    if isinstance(shard, StoreError):
                        raise shard
                    self._adopt(shard)
                except CorruptError as error:
                    if finished:
                        raise
                    self.set_aside.append(str(error))
                    path.replace(path.with_suffix(".corrupt"))
        if not finished:
            note_use(folder, [self.folder.name])

    def _adopt(self, shard: Shard) -> None:
        belongs = (shard.attributes.get("fingerprint"), shard.attributes.get("name"))
        if belongs != (self.fingerprint, shard.path.name):
            raise CorruptError(f"shard `{shard.path.name}` belongs to another store", "run the same command again")
        form = _form(shard)
        if self.shards and form != _form(self.shards[0]):
            raise shard.corrupt("its arrays are not those of the other shards")
        ids, labels = shard["samples/id"].tolist(), shard["samples/label"].tolist()
        for row, (identity, label) in enumerate(zip(ids, labels, strict=True)):
            self._rows.setdefault((identity.decode("ascii", "replace"), label), (len(self.shards), row))
        for name in shard.names():
            self._members.setdefault(name, []).append(shard[name])
        shard.let_go()
        self.shards.append(shard)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def commit(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes one more shard and takes it in. Errors: OutputError."""
        taken = {path.name for path in self.folder.glob("[0-9]*.npz")}
        name = next(n for k in range(len(taken) + 1) if (n := f"{k:06d}.npz") not in taken)
        path = self.folder / name
        write_shard(path, arrays, {"fingerprint": self.fingerprint, "name": name, "settings": self.settings})
        self._adopt(Shard(path))

    def select(self, keys: Iterable[Key]) -> None:
        """Chooses the rows that this store's arrays have, in this order. Errors: KeyError for a missing one."""
        self.keys = list(keys)
        self._chosen = np.array([self._rows[key] for key in self.keys], np.int64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self._chosen)

    def names(self) -> list[str]:
        """The slash paths that can be read, aliases too."""
        held = self.shards[0].names() if self.shards else []
        return sorted({*held, *self.settings.get("aliases", {})})

    def __getitem__(self, name: str) -> Rows:
        """The chosen rows of an array. Errors: KeyError that lists what there is."""
        held = self.settings.get("aliases", {}).get(name, name)
        if self.shards and held not in self.shards[0]:
            raise KeyError(f"no array `{name}`, only {', '.join(self.names())}")
        return Rows(self._members.get(held, ()), *self._chosen.T)

    def find(self, ids: Sequence[str]) -> np.ndarray:
        """Where among the chosen rows each of these images (SHA-256 in hex) is, `(len(ids),)`. Errors: KeyError."""
        place = {identity.decode(): i for i, identity in enumerate(np.asarray(self["samples/id"]).tolist())}
        return np.array([place[identity] for identity in ids], np.int64)

    def ragged(self, name: str, row: int) -> bytes:
        """The bytes of one chosen row of a ragged array, such as `image/jpeg`."""
        number, inside = self._chosen[row]
        shard = self.shards[number]
        start, stop = shard[RAGGED[name]][inside : inside + 2]
        return shard[name][start:stop].tobytes()


def _opened(path: Path, verify: bool) -> Shard | StoreError:
    try:
        shard = Shard(path)
        if verify:
            shard.verify()
    except StoreError as error:
        return error
    return shard


def _form(shard: Shard) -> dict[str, tuple]:
    """Name → type and shape of a row, for every array. Errors: CorruptError where they are not of the same images."""
    if not {"samples/id", "samples/label"} <= set(shard.names()):
        raise shard.corrupt("it says not whose images these are")
    n = len(shard["samples/id"])
    form = {}
    for name in shard.names():
        array = shard[name]
        rows = {"image/jpeg": None, "image/offset": n + 1}.get(name, n)
        if array.ndim == 0 or rows not in (None, len(array)):
            raise shard.corrupt(f"`{name}` has not a row for each image")
        form[name] = (array.dtype, array.shape[1:])
    if form["samples/id"] != (np.dtype("S64"), ()) or form["samples/label"] != (np.dtype(np.int32), ()):
        raise shard.corrupt("`samples/id` or `samples/label` has another type")
    for name, offsets in RAGGED.items():
        if name in form and not (offsets in form and _are_offsets(shard[offsets], len(shard[name]))):
            raise shard.corrupt(f"`{offsets}` does not fit `{name}`")
    return form


def _are_offsets(offsets: np.ndarray, size: int) -> bool:
    return bool(offsets[0] == 0 and offsets[-1] == size and (np.diff(offsets) >= 0).all())
