"""What lies near what: the images as points, by the network's codes and by their pixels (PROTOCOLS: neighbours)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.analysis.interval import Rate
from reportgen.analysis.neighbours import Neighbours, nearest_neighbours

SHOWN = 10
"""Neighbours on a page."""
KEPT = 90
"""Neighbours that are found: those shown, those that vote, and three times t-SNE's perplexity."""
VOTERS = (1, 3, 5, 10, 20, 50)
"""The k of kNN accuracy."""
CLOSE = 0.1
"""Near-duplicates are closer than this share of the root mean square distance between two images."""


@dataclass(frozen=True)
class Space:
    """The images as rows `(N, D)`, with each one's `KEPT` nearest others.

    spread: root mean square of the distances between two images.
    """

    rows: np.ndarray
    neighbours: Neighbours
    spread: float

    @classmethod
    def of(cls, rows: np.ndarray) -> Space:
        finite = rows[np.isfinite(rows).all(1)]
        pairs = len(finite) / max(1, len(finite) - 1)
        spread = float(np.sqrt(2 * pairs * finite.var(0, dtype=np.float64).sum())) if len(finite) else 0.0
        return cls(rows, nearest_neighbours(rows, KEPT), spread)


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
    """The label that most of the neighbours `(N, k)` bear, of equals the one that is nearest; −1 where none has one."""
    found = np.full(len(index), -1)
    for start in range(0, len(index) if index.shape[1] else 0, 4096):
        some = index[start : start + 4096]
        voters = np.where(some >= 0, labels[some], -1)
        votes = (voters[:, :, None] == voters[:, None, :]).sum(2) * (voters >= 0)
        found[start : start + 4096] = np.take_along_axis(voters, votes.argmax(1)[:, None], 1)[:, 0]
    return found


def knn_accuracy(neighbours: Neighbours, labels: np.ndarray, k: int) -> Rate | None:
    """Share of the labelled images that their k nearest others vote right; None where there are too few images."""
    judged = (labels >= 0) & (neighbours.index[:, :1] >= 0).any(1)
    if neighbours.index.shape[1] < k:
        return None
    return Rate.of(vote(neighbours.index[:, :k], labels)[judged] == labels[judged])


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
    i, column = np.nonzero(space.neighbours.distance <= CLOSE * space.spread)
    j, distance = space.neighbours.index[i, column], space.neighbours.distance[i, column]
    pairs = {(int(min(pair)), int(max(pair))): float(d) for *pair, d in zip(i, j, distance, strict=True)}
    return sorted(((*pair, d) for pair, d in pairs.items()), key=lambda found: (found[2], found[:2]))


def odd_ones(index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The labelled images whose neighbours `(N, k)` all bear another label, the most unanimous neighbours first."""
    others = np.where(index >= 0, labels[index], -1)
    odd = (labels >= 0) & (others >= 0).all(1) & (others != labels[:, None]).all(1) & (index.shape[1] > 0)
    unanimous = (others == vote(index, labels)[:, None]).sum(1)
    return np.flatnonzero(odd)[np.argsort(-unanimous[odd], kind="stable")]
