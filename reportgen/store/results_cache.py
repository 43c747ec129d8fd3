"""The cache of results that concern the whole data set and take long to compute: nearest neighbours, t-SNE, grids."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from reportgen import __version__
from reportgen.errors import StoreError
from reportgen.store.files import write_atomic, write_first
from reportgen.store.shard import Shard, encode
from reportgen.store.usage import note_use

Arrays = Mapping[str, np.ndarray]


class ResultsCache:
    """The files `<kind>-<digest of the inputs>.npz` of the cache folder, each with the arrays of one result."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, kind: str, inputs: Sequence[object]) -> bool:
        """Whether there is a file for these inputs, which may be damaged."""
        return self._path(kind, _digest(inputs)).exists()

    def get(self, kind: str, inputs: Sequence[object], compute: Callable[[], Arrays]) -> Arrays:
        """Return the result of `compute` for these inputs: the stored one, or a new one, which is then stored.

        inputs: everything that the result depends on: arrays, and values whose `repr` identifies them.
        A damaged file is replaced.
        Errors: those of `compute`, OutputError.
        """
        digest = _digest(inputs)
        path = self._path(kind, digest)
        note_use(self.folder, [path.name])
        if (stored := _read(path, digest)) is not None:
            return stored
        was_damaged = path.exists()
        arrays = compute()
        data = encode(arrays, {"inputs": digest, "version": __version__})
        if was_damaged:
            write_atomic(path, data)
        elif not write_first(path, data):  # another part of the work was faster: all go on with one result
            return arrays if (stored := _read(path, digest)) is None else stored
        return arrays

    def get_rows(self, kind: str, keys: np.ndarray, compute: Callable[[np.ndarray], Arrays]) -> Arrays:
        """Return arrays with a row for each key. Those rows that an earlier result has are taken from it.

        keys: `(N, 16)` uint8 of `row_keys`, N ≥ 1; compute: returns the arrays of the rows with these indices `(n,)`.
        Errors: those of `compute`, OutputError.
        """
        wanted = as_bytes(keys)
        different = set(wanted)

        def all_rows() -> Arrays:
            earlier = dict(self.most_similar(kind, lambda shard: len(different & {*as_bytes(shard["keys"])})) or {})
            if not earlier:
                return {**compute(np.arange(len(keys))), "keys": keys}
            row_of = {key: row for row, key in enumerate(as_bytes(earlier.pop("keys")))}
            found = np.array([row_of.get(key, -1) for key in wanted])
            rows = {name: array[found] for name, array in earlier.items()}
            if (is_missing := found < 0).any():
                for name, values in compute(np.flatnonzero(is_missing)).items():
                    rows[name][is_missing] = values
            return {**rows, "keys": keys}

        return {name: array for name, array in self.get(kind, [keys], all_rows).items() if name != "keys"}

    def most_similar(self, kind: str, similarity: Callable[[Shard], float]) -> Arrays | None:
        """Return the stored result of a kind, for whatever inputs, that is most similar to a wanted one.

        similarity: of a stored result, which has to be above 0; of equal ones, the first by name. Results of another
        version of reportgen and damaged files are not considered.
        """
        rated = []
        for path in sorted(self.folder.glob(f"{kind}-{16 * '?'}.npz")):
            with contextlib.suppress(StoreError):
                shard = Shard(path)
                if shard.attributes.get("version") == __version__ and (rating := similarity(shard)) > 0:
                    rated.append((-rating, shard))
        for _, shard in sorted(rated, key=lambda pair: pair[0]):
            with contextlib.suppress(StoreError):
                shard.verify()
                return {name: np.array(shard[name]) for name in shard.names()}
        return None

    def _path(self, kind: str, digest: str) -> Path:
        return self.folder / f"{kind}-{digest[:16]}.npz"


def _read(path: Path, digest: str) -> Arrays | None:
    """Return a stored result; None if it is absent, damaged, or of other inputs."""
    try:
        shard = Shard(path)
        shard.verify()
    except StoreError:
        return None
    return {name: np.array(shard[name]) for name in shard.names()} if shard.attributes.get("inputs") == digest else None


def cached(cache: ResultsCache | None, kind: str, inputs: Sequence[object], compute: Callable[[], Arrays]) -> Arrays:
    """Return `cache.get(…)`, or `compute()` if there is no cache."""
    return compute() if cache is None else cache.get(kind, inputs, compute)


def row_keys(rows: Iterable[Sequence[object]]) -> np.ndarray:
    """Return the keys `(N, 16)` uint8 of rows for `get_rows`. rows: everything that each of them depends on."""
    joined = b"".join(bytes.fromhex(_digest(row)[:32]) for row in rows)
    return np.frombuffer(joined, np.uint8).reshape(-1, 16)


def as_bytes(keys: np.ndarray) -> list[bytes]:
    """Return each of the keys `(N, 16)` uint8 as bytes, which can be counted and looked up."""
    values: list[bytes] = np.ascontiguousarray(keys).view("V16").ravel().tolist()
    return values


def _digest(inputs: Sequence[object]) -> str:
    digest = hashlib.sha256(__version__.encode())
    for value in inputs:
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype} {value.shape} ".encode())
            digest.update(np.ascontiguousarray(value).data)
        else:
            digest.update(f"{value!r} ".encode())
    return digest.hexdigest()
