"""Which class a unit prefers, and how selective it is, compared with the same unit under permuted labels.

The top images of any unit have a most frequent label, and the class means of any unit differ. What counts is whether
they would under labels that are dealt to the images at random. p values of all units of a layer are adjusted for their
number (Benjamini and Hochberg, JRSS B 57, 1995).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from reportgen.data.groups import first_of_each
from reportgen.data.sampling import evenly_spaced

MIN_CLASS_SIZE = 5
"""Least number of images of a class that counts; of a group one image counts."""
MAX_Q = 0.05
"""Highest false discovery rate of a clear preference, and of clear selectivity."""
SEED = 0
N_DRAWS = 20_000
"""Random choices of top images."""
N_PERMUTATIONS, BATCH, ENOUGH = 1000, 100, 20
"""Permutations of the labels; they end for units that at least `ENOUGH` of them equal, which is known every `BATCH`."""
MAX_IMAGES = 2000
"""Labelled images, evenly spread over the data set, that are permuted."""
MAX_VALUES = 2**21
"""Most values (permutations × images × units) in memory at a time."""


@dataclass(frozen=True)
class ClassPreference:
    """The class that is most over-represented among the top images of a unit, by the hypergeometric tail.

    count, labelled, top: images of this class, images with a label, and images among the top images.
    expected: count that is expected of random images; q: adjusted p value of the over-representation.
    """

    label: int
    count: int
    labelled: int
    top: int
    expected: float
    q: float

    @property
    def is_clear(self) -> bool:
        return self.q <= MAX_Q


@dataclass(frozen=True)
class Selectivity:
    """Class selectivity (see `class_selectivity`), and its adjusted p value."""

    value: float
    q: float

    @property
    def is_clear(self) -> bool:
        return self.q <= MAX_Q


def large_classes(labels: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the classes with at least `MIN_CLASS_SIZE` images, of each group one; none if there is only one class."""
    rows = np.arange(len(labels)) if groups is None else first_of_each(groups)
    classes, sizes = np.unique(labels[rows][labels[rows] >= 0], return_counts=True)
    large: np.ndarray = classes[sizes >= MIN_CLASS_SIZE]
    return large if len(classes) > 1 else large[:0]


def class_preferences(
    maxima: np.ndarray, labels: np.ndarray, k: int, groups: np.ndarray | None = None
) -> list[ClassPreference | None]:
    """Return the preferred class of every unit, from its k images with the highest maxima, of each group one.

    None without labels, without a large class, for a unit with a constant or not finite maximum, and for one with ties:
    if the next images reach the value of the last top image, the choice among them is arbitrary.
    maxima: `(N, U)`; labels: `(N,)`, −1 for none; groups: `(N,)`.
    """
    large = large_classes(labels, groups)
    if not len(large):
        return [None] * maxima.shape[1]
    rows = np.arange(len(labels)) if groups is None else first_of_each(groups)
    maxima, labels = maxima[rows], labels[rows]
    found: list[ClassPreference | None] = [
        _preference(maxima[:, u], labels, large, k) if np.isfinite(maxima[:, u]).all() else None
        for u in range(maxima.shape[1])
    ]
    q = iter(_adjusted([one.q for one in found if one]))
    return [replace(one, q=next(q)) if one else None for one in found]


def _preference(maxima: np.ndarray, labels: np.ndarray, large: np.ndarray, k: int) -> ClassPreference | None:
    """Return the preferred class of a unit with its p value in the place of q. maxima: `(N,)`."""
    order = np.argsort(-maxima, kind="stable")
    top, rest = order[:k], order[k:]
    of_top = labels[top][labels[top] >= 0]
    if not len(of_top) or not len(rest) or maxima[rest[0]] == maxima[top[-1]]:
        return None
    classes, sizes = np.unique(labels[labels >= 0], return_counts=True)
    tails = _tails(tuple(sizes.tolist()), len(of_top))
    counts = np.array([(of_top == c).sum() for c in classes])
    of_class = np.where(np.isin(classes, large), tails[np.arange(len(classes)), counts], np.inf)
    best = int(of_class.argmin())
    null = _least_tails(tuple(sizes.tolist()), len(of_top))
    p = float((1 + (null <= of_class[best] * (1 + 1e-9)).sum()) / (1 + len(null)))
    expected = len(of_top) * sizes[best] / sizes.sum()
    return ClassPreference(int(classes[best]), int(counts[best]), len(of_top), len(top), float(expected), p)


@lru_cache(64)
def _tails(sizes: tuple[int, ...], drawn: int) -> np.ndarray:
    """Return `(C, drawn + 1)` the probability that at least x of the drawn images are of class c."""
    from scipy.stats import hypergeom

    tails: np.ndarray = hypergeom.sf(np.arange(-1, drawn), sum(sizes), np.array(sizes)[:, None], drawn)
    return tails


@lru_cache(64)
def _least_tails(sizes: tuple[int, ...], drawn: int) -> np.ndarray:
    """Return the smallest tail of any large class in each of `N_DRAWS` random choices of images."""
    tails, of_image = _tails(sizes, drawn), np.repeat(np.arange(len(sizes)), sizes)
    chosen = of_image[draw_without_replacement(len(of_image), drawn, N_DRAWS)]
    counts = (chosen[:, :, None] == chosen[:, None, :]).sum(2)
    is_large = np.array(sizes) >= MIN_CLASS_SIZE
    least: np.ndarray = np.where(is_large[chosen], tails[chosen, counts], 1).min(1)
    return least


def draw_without_replacement(n: int, drawn: int, times: int) -> np.ndarray:
    """Return `(times, drawn)` choices from 0…n−1 without replacement, with a fixed seed."""
    random = np.random.default_rng(SEED)
    if n <= 4 * drawn**2:
        return random.permuted(np.tile(np.arange(n), (times, 1)), axis=1)[:, :drawn]
    chosen = random.integers(0, n, (times, drawn))
    while (again := (np.diff(np.sort(chosen, 1), axis=1) == 0).any(1)).any():
        chosen[again] = random.integers(0, n, (int(again.sum()), drawn))
    return chosen


def class_selectivity(maxima: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Return the selectivity `(U,)` of each unit, from its maxima clipped at 0; None for fewer than two classes.

    (a − b) / (a + b), where a is the largest class mean of the maxima, and b the mean of the other class means: 1 if
    the unit is active for a single class, 0 if equally for all (Morcos et al., ICLR 2018, section A.3).
    """
    classes, index = np.unique(labels[labels >= 0], return_inverse=True)
    if len(classes) < 2:
        return None
    selectivity: np.ndarray = _selectivity(_positive(maxima)[None, labels >= 0], index)[0]
    return selectivity


def selectivities(maxima: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> list[Selectivity | None]:
    """Return the selectivity of every unit over the large classes; None if there are fewer than two.

    Arguments as in `class_preferences`.
    """
    use = np.isin(labels, large_classes(labels, groups))
    values = class_selectivity(maxima[use], labels[use]) if use.any() else None
    if values is None:
        return [None] * maxima.shape[1]
    rows = np.flatnonzero(use) if groups is None else first_of_each(groups)
    chosen = np.array(evenly_spaced(rows[use[rows]].tolist(), MAX_IMAGES))
    q = _adjusted(_permutation_p(maxima[chosen], labels[chosen]).tolist())
    return [Selectivity(float(value), one) for value, one in zip(values, q, strict=True)]


def _permutation_p(maxima: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the p value `(U,)` of each unit's selectivity (sequentially: Besag and Clifford, Biometrika 78, 1991)."""
    random = np.random.default_rng(SEED)
    values, index = _positive(maxima), np.unique(labels, return_inverse=True)[1]
    observed = _selectivity(values[None], index)[0]
    equalled, tried = np.zeros(len(observed), int), np.zeros(len(observed), int)
    for _ in range(N_PERMUTATIONS // BATCH):
        units = np.flatnonzero(equalled < ENOUGH)
        orders = random.permuted(np.tile(np.arange(len(values)), (BATCH, 1)), axis=1)
        step = max(1, MAX_VALUES // (len(values) * max(1, len(units))))
        for start in range(0, BATCH, step):
            null = _selectivity(values[:, units][orders[start : start + step]], index)
            equalled[units] += (null >= observed[units] - 1e-12).sum(0)
        tried[units] += BATCH
    p: np.ndarray = (1 + equalled) / (1 + tried)
    return p


def _selectivity(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return `(R, U)` from values `(R, n, U)` ≥ 0 of images of the classes `index` `(n,)`."""
    order = np.argsort(index, kind="stable")
    sizes = np.bincount(index)
    means = np.add.reduceat(values[:, order], np.cumsum(sizes) - sizes, axis=1) / sizes[:, None]
    largest = means.max(1)
    others = (means.sum(1) - largest) / (len(sizes) - 1)
    total = largest + others
    selectivity: np.ndarray = np.divide(largest - others, total, out=np.zeros_like(largest), where=total > 0)
    return selectivity


def _positive(maxima: np.ndarray) -> np.ndarray:
    values: np.ndarray = np.maximum(np.nan_to_num(maxima.astype(np.float64)), 0)
    return values


def _adjusted(p: list[float]) -> list[float]:
    from scipy.stats import false_discovery_control

    return [float(q) for q in false_discovery_control(p)] if p else []
