"""Another data set beside the audited one, such as the one that the network was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reportgen.data.samples import Sample
from reportgen.embedding.neighbours import Neighbours
from reportgen.embedding.space import VOTERS, Space, close_pairs, kept_neighbours
from reportgen.store.results_cache import Keep, keep_nothing
from reportgen.store.table import Store


@dataclass(frozen=True)
class Reference:
    """A second data set, seen by the same network. Row j of every array belongs to `samples[j]`.

    store: with the samples' rows selected; unreadable: (name, reason) of those that could not be read.
    """

    name: str
    samples: Sequence[Sample]
    unreadable: Sequence[tuple[str, str]]
    store: Store

    @cached_property
    def labels(self) -> np.ndarray:
        """`(M,)` int64, −1 for none."""
        return np.array([-1 if s.label is None else s.label for s in self.samples], np.int64)

    def picture(self, j: int) -> bytes:
        """The JPEG that the gallery shows of image j."""
        return self.store.ragged("image/jpeg", j)


@dataclass(frozen=True)
class Matches:
    """What the reference has that is like the audited images, in one space.

    nearest: of each audited image, the nearest of the reference; close: (i, j, distance) of audited images i and
    images j of the reference that are as close as near-duplicates are among the audited images, the closest first.
    """

    nearest: Neighbours
    close: Sequence[tuple[int, int, float]]

    @classmethod
    def of(cls, space: Space, rows: np.ndarray, keep: Keep = keep_nothing) -> Matches:
        """rows: `(M, D)` of the reference; keep: where the neighbours are kept for the next run."""
        nearest = kept_neighbours(keep, space.rows, max(VOTERS), rows)
        return cls(nearest, close_pairs(nearest, space.limit))
