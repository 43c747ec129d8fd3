"""The cache of per-image results: what is computed for single images in addition to the forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.store.table import Key, Store, Table

SHARD_SIZE = 16
"""Number of results that are committed together: an interrupted run loses at most so many."""
Arrays = Mapping[str, np.ndarray]
"""The results of one image: slash path → array without an image axis."""


def per_image_store(cache: Path, kind: str, settings: Mapping[str, Any]) -> Store:
    """The store of one kind of results.

    kind: what is computed, such as `occlusion`; settings: what else the results depend on, apart from the image.
    Errors: StoreError.
    """
    return Store(cache, {**settings, "kind": kind})


def compute_missing(
    store: Store, keys: Sequence[Key], compute: Callable[[list[Key]], Iterable[tuple[Key, Arrays]]]
) -> None:
    """Compute the results of the keys that the store does not have, and commit them in shards.

    compute: yields the results of the given keys, in any order. A key that it leaves out, because the image's file has
        changed since the forward pass, is not in the store.
    Errors: those of `compute`, OutputError.
    """
    missing = [key for key in dict.fromkeys(keys) if key not in store]
    if missing:
        results = iter(compute(missing))
        while shard := list(islice(results, SHARD_SIZE)):
            store.commit(_stacked(shard))


def _stacked(results: Sequence[tuple[Key, Arrays]]) -> dict[str, np.ndarray]:
    names = results[0][1]
    return {name: np.stack([arrays[name] for _, arrays in results]) for name in names} | {
        "samples/id": np.array([identity for (identity, _), _ in results], "S64"),
        "samples/label": np.array([label for (_, label), _ in results], np.int32),
    }


@dataclass(frozen=True)
class PerImageResults:
    """Results of one kind for some of the audited images. rows: row of the image in the audit → row in the table."""

    table: Table
    rows: Mapping[int, int]

    @classmethod
    def of(cls, table: Table, keys: Sequence[Key], images: Iterable[int]) -> PerImageResults:
        """Assign the rows of a table to images. keys: of all audited images; images: rows of the requested ones."""
        row_of = {key: row for row, key in enumerate(table.keys)}
        return cls(table, {i: row_of[keys[i]] for i in images if keys[i] in row_of})

    def __contains__(self, image: int) -> bool:
        return image in self.rows

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)

    def of_image(self, image: int) -> dict[str, np.ndarray]:
        """Return every array of one image, by slash path."""
        return {name: self.table[name][self.rows[image]] for name in self.table.names()}
