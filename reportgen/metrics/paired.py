"""Comparison of two classifiers on the same images: paired errors, McNemar's test, and matching of units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reportgen.metrics.intervals import Interval, Rate, difference_interval, group_totals
from reportgen.metrics.top_patches import is_constant

MAX_P = 0.05
"""Highest p value of a clear difference."""


@dataclass(frozen=True)
class ErrorChange:
    """One kind of error of classifiers A and B, over the images on which both are judged.

    fixed, broken: `(f,)` and `(b,)` rows of the images that only B, and only A, gets right.
    difference: error of B − error of A; ci95: its interval (Agresti and Min); p: of McNemar's exact test.
    """

    a: Rate
    b: Rate
    fixed: np.ndarray
    broken: np.ndarray
    difference: float
    ci95: Interval
    p: float

    @property
    def is_clear(self) -> bool:
        """Whether chance alone does not explain the difference: 0 is outside of its interval, and p < 0.05."""
        low, high = self.ci95
        return self.p < MAX_P and not low <= 0 <= high


def compare_errors(
    correct_a: np.ndarray, correct_b: np.ndarray, judged: np.ndarray, groups: np.ndarray | None = None
) -> ErrorChange | None:
    """Compare the errors of A and B; None if no image is judged.

    correct_a, correct_b, judged: `(n,)` bool; groups: `(n,)` of images that are not independent, or None.
    """
    rows = np.flatnonzero(judged)
    if not len(rows):
        return None
    change = compare_pair(correct_a[rows], correct_b[rows], None if groups is None else groups[rows])
    return replace(change, fixed=rows[change.fixed], broken=rows[change.broken])


def compare_pair(correct_a: np.ndarray, correct_b: np.ndarray, groups: np.ndarray | None = None) -> ErrorChange:
    """Compare the errors of A and B on n ≥ 1 images. correct_a, correct_b: `(n,)` bool; groups: `(n,)` or None."""
    a, b = Rate.of(~correct_a, groups), Rate.of(~correct_b, groups)
    assert a is not None
    assert b is not None
    difference = correct_a.astype(np.int64) - correct_b
    fixed, broken = np.flatnonzero(difference < 0), np.flatnonzero(difference > 0)
    p = mcnemar_of_groups(group_totals(difference, groups))
    return ErrorChange(a, b, fixed, broken, float(difference.mean()), difference_interval(difference, groups), p)


def mcnemar(fixed: int, broken: int) -> float:
    """Return the two-sided p value of McNemar's exact test (McNemar 1947; exact form: Fay, Biostatistics 2010).

    Under the null hypothesis each image on which the classifiers differ is fixed or broken with probability ½.
    """
    from scipy.stats import binomtest

    return float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0


def mcnemar_of_groups(totals: np.ndarray) -> float:
    """Return the two-sided p value of McNemar's exact test for groups of images that change together.

    totals: `(G,)` difference (broken − fixed images) of each group. Under the null hypothesis each total has either
    sign with probability ½; p is the probability of a sum at least as far from 0. For single images this is McNemar's
    exact test.
    """
    from scipy.stats import binom

    sizes, counts = np.unique(np.abs(np.rint(totals).astype(np.int64)), return_counts=True)
    if not sizes.any() or sizes.max() <= 1:
        return mcnemar(int((totals < -0.5).sum()), int((totals > 0.5).sum()))
    distribution = np.ones(1)  # of the sum, from its lowest to its highest value in steps of 1
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        step = np.zeros(2 * size * count + 1)
        step[:: max(1, 2 * size)] = binom.pmf(np.arange(count + 1), count, 0.5) if size else 1
        distribution = np.convolve(distribution, step)
    sums = np.arange(len(distribution)) - len(distribution) // 2
    return min(1.0, float(distribution[np.abs(sums) >= abs(totals.sum()) - 0.5].sum()))


def match_images(a: list[str], b: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows `(n,)` in either list of the ids that both contain, in the order of `a`.

    Of an image that occurs several times, the k-th in `a` is matched with the k-th in `b`.
    """
    row_in_b = {key: row for row, key in enumerate(_numbered(b))}
    rows = [(row, row_in_b[key]) for row, key in enumerate(_numbered(a)) if key in row_in_b]
    first, second = np.array(rows, np.int64).reshape(-1, 2).T
    return first, second


def _numbered(ids: list[str]) -> list[tuple[str, int]]:
    """Return each id with the number of its earlier occurrences."""
    occurrences: dict[str, int] = {}
    numbered = []
    for identity in ids:
        occurrences[identity] = occurrences.get(identity, -1) + 1
        numbered.append((identity, occurrences[identity]))
    return numbered


@dataclass(frozen=True)
class UnitMatches:
    """Units of one layer of A and B, matched by Pearson's correlation of their maxima over the images.

    same_index: `(U,)` correlation of unit u of A with unit u of B; NaN if one of them is dead.
    best_match: `(U,)` the unit of B that has the highest correlation with unit u of A, −1 for a dead unit (Li et al.,
        Convergent Learning, ICLR 2016); best_correlation: `(U,)` their correlation, NaN for a dead unit.
    dead_a, dead_b: `(U,)` bool, units with the same maximum in every image, but for rounding.
    """

    same_index: np.ndarray
    best_match: np.ndarray
    best_correlation: np.ndarray
    dead_a: np.ndarray
    dead_b: np.ndarray

    @property
    def have_same_order(self) -> bool:
        """Whether most units have their best match at their own index, as in a network and a fine-tuned copy of it."""
        alive = self.best_match >= 0
        return bool((self.best_match == np.arange(len(self.best_match)))[alive].mean() > 0.5) if alive.any() else False


def match_units(a: np.ndarray, b: np.ndarray) -> UnitMatches:
    """Match the units of A and B. a, b: `(n, U)` maxima in the same images; images with values that are not finite are
    ignored."""
    finite = np.isfinite(a).all(1) & np.isfinite(b).all(1)
    (x, dead_a), (y, dead_b) = (_standardized(maxima[finite].astype(np.float64)) for maxima in (a, b))
    correlation = x.T @ y
    correlation[:, dead_b] = np.nan
    correlation[dead_a] = np.nan
    known = np.where(np.isnan(correlation), -np.inf, correlation)
    best = np.where(np.isfinite(known.max(1)), known.argmax(1), -1)
    return UnitMatches(np.diag(correlation).copy(), best, _select(correlation, best), dead_a, dead_b)


def _select(correlation: np.ndarray, column: np.ndarray) -> np.ndarray:
    values = correlation[np.arange(len(correlation)), np.maximum(column, 0)]
    return np.where(column >= 0, values, np.nan)


def _standardized(maxima: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns with mean 0 and norm 1, and which of them are constant but for rounding; these become 0."""
    dead = is_constant(maxima.min(0), maxima.max(0)) if len(maxima) else np.ones(maxima.shape[1], bool)
    centred = maxima - maxima.mean(0) if len(maxima) else maxima
    length = np.sqrt(np.square(centred).sum(0))
    return np.divide(centred, length, out=np.zeros_like(centred), where=~dead & (length > 0)), dead
