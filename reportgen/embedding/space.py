"""What lies near what: the images as points, by the network's codes and by their pixels (PROTOCOLS: neighbours)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.embedding.neighbours import Neighbours, nearest_neighbours
from reportgen.errors import ConfigError
from reportgen.metrics.intervals import Rate
from reportgen.store.results_cache import Keep, keep_nothing

SHOWN = 10
"""Neighbours on a page."""
KEPT = 90
"""Neighbours that are found: those shown, those that vote, and three times t-SNE's perplexity."""
VOTERS = (1, 3, 5, 10, 20, 50)
"""The k of kNN accuracy."""
CLOSE = 0.1
"""Near-duplicates are closer than this share of the root mean square distance between two images."""


@dataclass(frozen=True)
class Codes:
    """What images are compared by, beside their pixels. array: its path in the store; words: what it is."""

    array: str
    words: str


CODES = {
    "head": Codes("features/code", "what its last layer reads"),
    "gap": Codes("features/gap", "the means of its last maps"),
    "gmp": Codes("features/gmp", "the maxima of its last maps"),
}
"""What the setting `codes` may say, beside a layer's name."""


def codes_of(wanted: str, layers: Sequence[str]) -> Codes:
    """What the setting `codes` asks for. layers: those whose units are looked at. Errors: ConfigError."""
    if wanted in layers:
        return Codes(f"units/{wanted}/max", f"the maxima of the units of {wanted}")
    if wanted not in CODES:
        raise ConfigError(
            f"`codes` is `{wanted}`", f"use one of {', '.join(f'`{name}`' for name in (*CODES, *layers))}"
        )
    return CODES[wanted]


@dataclass(frozen=True)
class Space:
    """The images as rows `(N, D)`, with each one's `KEPT` nearest others.

    spread: root mean square of the distances between two images.
    """

    rows: np.ndarray
    neighbours: Neighbours
    spread: float

    @classmethod
    def of(cls, rows: np.ndarray, keep: Keep = keep_nothing) -> Space:
        """rows: `(N, D)`; keep: where their neighbours are kept for the next run."""
        finite = rows[np.isfinite(rows).all(1)]
        pairs = len(finite) / max(1, len(finite) - 1)
        spread = float(np.sqrt(2 * pairs * finite.var(0, dtype=np.float64).sum())) if len(finite) else 0.0
        return cls(rows, kept_neighbours(keep, rows, KEPT), spread)

    @property
    def limit(self) -> float:
        """Images closer than this are near-duplicates."""
        return CLOSE * self.spread


def kept_neighbours(keep: Keep, rows: np.ndarray, k: int, gallery: np.ndarray | None = None) -> Neighbours:
    """`nearest_neighbours`, kept for the next run."""
    inputs = [rows, k, *([] if gallery is None else [gallery])]
    return Neighbours(**keep("neighbours", inputs, lambda: vars(nearest_neighbours(rows, k, gallery))))


def pixel_rows(tiny: np.ndarray) -> np.ndarray:
    """`(N, 32, 32, 3)` uint8 → `(N, 3072)` float32 in [0, 1]."""
    return tiny.reshape(len(tiny), -1).astype(np.float32) / 255


def agreement(index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many of the neighbours `(N, k)` bear the image's own label; −1 for an image without a label."""
    same = (labels[index] == labels[:, None]) & (index >= 0)
    return np.where(labels >= 0, same.sum(1), -1)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many neighbours two lists `(N, k)` share, `(N,)`."""
    return ((a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]).sum((1, 2))


def vote(index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The label that most of the neighbours `(N, k)` bear, of equals the one that is nearest; −1 where none has one.

    labels: `(M,)` of those that `index` counts.
    """
    found = np.full(len(index), -1)
    for start in range(0, len(index) if index.shape[1] else 0, 4096):
        some = index[start : start + 4096]
        voters = np.where(some >= 0, labels[some], -1)
        votes = (voters[:, :, None] == voters[:, None, :]).sum(2) * (voters >= 0)
        found[start : start + 4096] = np.take_along_axis(voters, votes.argmax(1)[:, None], 1)[:, 0]
    return found


def knn_accuracy(neighbours: Neighbours, labels: np.ndarray, k: int, voters: np.ndarray | None = None) -> Rate | None:
    """Share of the labelled images that their k nearest vote right; None where there are too few images.

    voters: `(M,)` labels of the gallery, where that is not the images themselves.
    """
    judged = (labels >= 0) & (neighbours.index[:, :1] >= 0).any(1)
    if neighbours.index.shape[1] < k:
        return None
    votes = vote(neighbours.index[:, :k], labels if voters is None else voters)
    return Rate.of(votes[judged] == labels[judged])


def hub_counts(index: np.ndarray) -> np.ndarray:
    """Of how many images each is among the neighbours `(N, k)`: N_k of Radovanović et al., JMLR 11, 2010; `(N,)`."""
    return np.bincount(index[index >= 0], minlength=len(index))


def skewness(counts: np.ndarray) -> float:
    """Third standardised moment of N_k, their measure of hubness; 0 where all counts are equal."""
    apart = counts - counts.mean()
    deviation = float(np.sqrt(np.square(apart).mean()))
    return float((apart**3).mean() / deviation**3) if deviation > 0 else 0.0


def near_duplicates(space: Space) -> list[tuple[int, int, float]]:
    """Pairs i < j closer than `CLOSE` × spread, with their distance, the closest first."""
    pairs = {(min(i, j), max(i, j)): d for i, j, d in close_pairs(space.neighbours, space.limit)}
    return sorted(((*pair, d) for pair, d in pairs.items()), key=lambda found: (found[2], found[:2]))


def close_pairs(neighbours: Neighbours, limit: float) -> list[tuple[int, int, float]]:
    """(i, j, distance) of every image i and neighbour j of it within the limit, the closest first."""
    i, column = np.nonzero(neighbours.distance <= limit)
    j, distance = neighbours.index[i, column], neighbours.distance[i, column]
    order = np.lexsort((j, i, distance))
    return list(zip(i[order].tolist(), j[order].tolist(), distance[order].tolist(), strict=True))


def odd_ones(index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The labelled images whose neighbours `(N, k)` all bear another label, the most unanimous neighbours first."""
    others = np.where(index >= 0, labels[index], -1)
    odd = (labels >= 0) & (others >= 0).all(1) & (others != labels[:, None]).all(1) & (index.shape[1] > 0)
    unanimous = (others == vote(index, labels)[:, None]).sum(1)
    return np.flatnonzero(odd)[np.argsort(-unanimous[odd], kind="stable")]
