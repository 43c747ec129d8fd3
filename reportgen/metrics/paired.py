"""Two classifiers on the same images: what one gets right and the other wrong, and whether that may be chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from reportgen.metrics.bootstrap import Interval, intervals
from reportgen.metrics.intervals import Rate


@dataclass(frozen=True)
class Change:
    """One kind of error under A and under B, over the images that both are judged on.

    fixed, broken: `(f,)` and `(b,)` images that only B, and only A, gets right.
    difference: error of B − error of A; ci95: its paired bootstrap interval; p: of McNemar's exact test.
    """

    a: Rate
    b: Rate
    fixed: np.ndarray
    broken: np.ndarray
    difference: float
    ci95: Interval
    p: float


def change(right_a: np.ndarray, right_b: np.ndarray, judged: np.ndarray) -> Change | None:
    """All `(n,)` bool; None where no image is judged."""
    a, b = Rate.of(~right_a[judged]), Rate.of(~right_b[judged])
    if a is None or b is None:
        return None
    fixed = np.flatnonzero(judged & ~right_a & right_b)
    broken = np.flatnonzero(judged & right_a & ~right_b)
    difference = right_a[judged].astype(np.float64) - right_b[judged]
    (ci95,) = intervals(difference[:, None])
    return Change(a, b, fixed, broken, float(difference.mean()), ci95, mcnemar(len(fixed), len(broken)))


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided p of McNemar's exact test (McNemar 1947; exact form: Fay, Biostatistics 2010): if neither classifier
    were better, each image on which they differ would be fixed or broken with probability ½."""
    return float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0


def match(a: list[str], b: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the images that both lists of ids hold, `(n,)` each, in the order of `a`; of an image that occurs several
    times, the k-th in `a` goes with the k-th in `b`."""
    place = {key: row for row, key in enumerate(_numbered(b))}
    rows = [(row, place[key]) for row, key in enumerate(_numbered(a)) if key in place]
    first, second = np.array(rows, np.int64).reshape(-1, 2).T
    return first, second


def _numbered(ids: list[str]) -> list[tuple[str, int]]:
    seen: dict[str, int] = {}
    numbered = []
    for identity in ids:
        seen[identity] = seen.get(identity, -1) + 1
        numbered.append((identity, seen[identity]))
    return numbered


@dataclass(frozen=True)
class UnitChanges:
    """The units of one layer under A and under B, by Pearson's correlation of their maxima over the images.

    own:  `(U,)` of unit u with unit u; NaN where one of them is dead.
    best: `(U,)` the unit of B that is most like unit u of A (Li et al., Convergent Learning, ICLR 2016), −1 for a dead
        unit; best_likeness: `(U,)` their correlation, NaN there.
    dead_a, dead_b: `(U,)` bool, the same maximum in every image.
    """

    own: np.ndarray
    best: np.ndarray
    best_likeness: np.ndarray
    dead_a: np.ndarray
    dead_b: np.ndarray

    @property
    def same_numbering(self) -> bool:
        """Most units are most like the unit of their own number: one network is a descendant of the other."""
        alive = self.best >= 0
        return bool((self.best == np.arange(len(self.best)))[alive].mean() > 0.5) if alive.any() else False


def unit_changes(a: np.ndarray, b: np.ndarray) -> UnitChanges:
    """a, b: `(n, U)` maxima of the same units in the same images; images with a value that is not finite are left
    out."""
    finite = np.isfinite(a).all(1) & np.isfinite(b).all(1)
    (x, dead_a), (y, dead_b) = (_standardised(maxima[finite].astype(np.float64)) for maxima in (a, b))
    likeness = x.T @ y
    likeness[:, dead_b] = np.nan
    likeness[dead_a] = np.nan
    known = np.where(np.isnan(likeness), -np.inf, likeness)
    best = np.where(np.isfinite(known.max(1)), known.argmax(1), -1)
    return UnitChanges(np.diag(likeness).copy(), best, _at(likeness, best), dead_a, dead_b)


def _at(likeness: np.ndarray, column: np.ndarray) -> np.ndarray:
    found = likeness[np.arange(len(likeness)), np.maximum(column, 0)]
    return np.where(column >= 0, found, np.nan)


def _standardised(maxima: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns with mean 0 and length 1, and which of them do not vary at all and are 0."""
    dead = (maxima == maxima[:1]).all(0)
    centred = maxima - maxima.mean(0) if len(maxima) else maxima
    length = np.sqrt(np.square(centred).sum(0))
    return np.divide(centred, length, out=np.zeros_like(centred), where=~dead & (length > 0)), dead
