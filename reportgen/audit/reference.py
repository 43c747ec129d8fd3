"""Another data set to compare with, such as the one that the network was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from reportgen.data.samples import Sample
from reportgen.embedding.neighbours import Neighbours, nearest_neighbours
from reportgen.embedding.row_matching import row_digests
from reportgen.embedding.rows import Rows
from reportgen.embedding.space import KNN_SIZES, Space, close_pairs
from reportgen.store.results_cache import Arrays, ResultsCache, cached
from reportgen.store.table import Table


@dataclass(frozen=True)
class Reference:
    """A second data set, run through the same network. Row j of every array belongs to `samples[j]`.

    table: what the forward pass stored, one row a sample; unreadable: (name, reason) of those that could not be read;
    undecodable: name → digest of the bytes of those among them that could not be decoded.
    """

    name: str
    samples: Sequence[Sample]
    unreadable: Sequence[tuple[str, str]]
    table: Table
    undecodable: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def labels(self) -> np.ndarray:
        """`(M,)` int64, −1 for none."""
        return np.array([-1 if s.label is None else s.label for s in self.samples], np.int64)

    def jpeg(self, j: int) -> bytes:
        """The JPEG that the gallery shows of image j."""
        return self.table.ragged("image/jpeg", j)


@dataclass(frozen=True)
class ReferenceMatches:
    """What the reference has that is like the audited images, in one space.

    nearest: of each audited image, the nearest of the reference; close: (i, j, distance) of audited images i and
    images j of the reference that are as close as near-duplicates are among the audited images, the closest first.
    """

    nearest: Neighbours
    close: Sequence[tuple[int, int, float]]

    @classmethod
    def of(cls, space: Space, rows: Rows, cache: ResultsCache | None = None) -> ReferenceMatches:
        """rows: `(M, D)` of the reference; cache: where the neighbours are stored for the next run."""
        k = max(KNN_SIZES)

        def compute() -> Arrays:
            return vars(nearest_neighbours(space.rows, k, rows))

        nearest = Neighbours(**cached(cache, "neighbours", [space.digests, k, row_digests(rows)], compute))
        return cls(nearest, close_pairs(nearest, space.duplicate_distance))
