"""All shards of one classifier under one set of settings, read as if they were one table of images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import StoreError
from reportgen.store.shard import FORMAT, Shard, write_shard

Key = tuple[str, int]
"""What a row is found by: the SHA-256 of the image's bytes, and its label (−1: none), whose map the row holds."""


def fingerprint(settings: Mapping[str, Any]) -> str:
    """SHA-256 of everything that could change a stored number: weights, preprocessing, layers, precision, versions."""
    text = json.dumps({"format": FORMAT, **settings}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """The shards in `folder/<fingerprint>/`, each `<number>.npz`; rows are chosen by `select`.

    A row belongs to (image bytes, label): adding images adds shards, removing or renaming them changes none.
    A shard that is damaged, or of another fingerprint, is renamed to `….corrupt`, named in `set_aside`, and recomputed.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        self.fingerprint = fingerprint(settings)
        self.folder = folder / self.fingerprint[:16]
        self.shards: list[Shard] = []
        self.set_aside: list[str] = []
        self._rows: dict[Key, tuple[int, int]] = {}
        self._chosen: list[tuple[int, int]] = []
        for path in sorted(self.folder.glob("[0-9]*.npz")):
            try:
                self._adopt(path, verify=True)
            except StoreError as error:
                self.set_aside.append(str(error))
                path.replace(path.with_suffix(".corrupt"))

    def _adopt(self, path: Path, verify: bool) -> None:
        shard = Shard(path)
        if shard.attributes.get("fingerprint") != self.fingerprint or shard.attributes.get("name") != path.name:
            raise StoreError(f"shard `{path.name}` belongs to another store", "run the same command again")
        if verify:
            shard.verify()
        ids, labels = shard["samples/id"], shard["samples/label"]
        for row, (identity, label) in enumerate(zip(ids.tolist(), labels.tolist(), strict=True)):
            self._rows.setdefault((identity.decode("ascii"), label), (len(self.shards), row))
        self.shards.append(shard)

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def commit(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes one more shard and takes it in. Errors: OutputError."""
        taken = {path.name for path in self.folder.glob("[0-9]*.npz")}
        name = next(n for k in range(len(taken) + 1) if (n := f"{k:06d}.npz") not in taken)
        path = self.folder / name
        write_shard(path, arrays, {"fingerprint": self.fingerprint, "name": name, "settings": self.settings})
        self._adopt(path, verify=False)

    def select(self, keys: Iterable[Key]) -> None:
        """Chooses the rows that this store's arrays have, in this order. Errors: KeyError for a missing one."""
        self._chosen = [self._rows[key] for key in keys]

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, name: str) -> np.ndarray:
        """The chosen rows of an array, `(N, …)`, copied shard by shard."""
        name = self.settings.get("aliases", {}).get(name, name)
        where = np.array(self._chosen, np.int64).reshape(-1, 2)
        first = self.shards[where[0, 0]][name] if len(where) else np.zeros((0,))
        out = np.empty((len(where), *first.shape[1:]), first.dtype)
        for number in np.unique(where[:, 0]):
            rows = np.flatnonzero(where[:, 0] == number)
            out[rows] = self.shards[number][name][where[rows, 1]]
        return out

    def ragged(self, name: str, offsets: str, row: int) -> bytes:
        """The bytes of one chosen row of a ragged array, such as `image/jpeg` cut by `image/offset`."""
        number, inside = self._chosen[row]
        shard = self.shards[number]
        start, stop = shard[offsets][inside : inside + 2]
        return shard[name][start:stop].tobytes()
