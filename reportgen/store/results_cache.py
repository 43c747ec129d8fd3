"""What an analysis took long to compute, kept beside the stores, so that a rerun on the same numbers reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from reportgen import __version__
from reportgen.errors import StoreError
from reportgen.store.shard import Shard, write_shard
from reportgen.store.table import note_use

Arrays = Mapping[str, np.ndarray]
Keep = Callable[[str, Sequence[object], Callable[[], Arrays]], Arrays]
"""`keep(kind, inputs, compute)`: what `compute()` returns for these inputs, now or earlier."""


def keep_nothing(kind: str, inputs: Sequence[object], compute: Callable[[], Arrays]) -> Arrays:
    """Computes every time."""
    return compute()


def keep_in(cache: Path) -> Keep:
    """Keeps results as `cache/<kind>-<digest of the inputs>.npz`; a damaged file is computed and written anew.

    inputs: arrays, and values whose `repr` tells them apart. Errors: OutputError.
    """

    def keep(kind: str, inputs: Sequence[object], compute: Callable[[], Arrays]) -> Arrays:
        digest = _digest(inputs)
        path = cache / f"{kind}-{digest[:16]}.npz"
        note_use(cache, [path.name])
        try:
            shard = Shard(path)
            shard.verify()
            if shard.attributes.get("inputs") == digest:
                return {name: np.array(shard[name]) for name in shard.names()}
        except StoreError:
            pass  # there is none, or it is damaged
        arrays = compute()
        write_shard(path, arrays, {"inputs": digest})
        return arrays

    return keep


def _digest(inputs: Sequence[object]) -> str:
    digest = hashlib.sha256(__version__.encode())
    for value in inputs:
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype} {value.shape} ".encode())
            digest.update(np.ascontiguousarray(value).data)
        else:
            digest.update(f"{value!r} ".encode())
    return digest.hexdigest()
