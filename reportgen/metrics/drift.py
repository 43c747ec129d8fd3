"""Drift between two data sets: distances of attributes, and a classifier that separates the sets by features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.confidence.ranking import area_of_ranks
from reportgen.metrics.label_errors import discriminant

MIN_IMAGES = 20
"""Fewest images of each set with a value, of independent ones, for a comparison."""
MIN_EXPECTED = 5.0
"""Values with a smaller expected number in one of the sets are put together for the test, as usual for chi-squared."""
MAX_IMAGES = 5_000
"""Most images of each set that the classifier gets; of more a sample is drawn."""
IMAGES_PER_AXIS = 5
N_PERMUTATIONS, SEED = 999, 0


@dataclass(frozen=True)
class Difference:
    """distance: from 0 to 1; p: of the test that both sets have one distribution."""

    distance: float
    p: float


@dataclass(frozen=True, eq=False)
class TwoSampleTest:
    """A classifier that was fitted on one half of both sets, on the other half.

    auc: area under the ROC curve, the probability that an image of the first set gets a higher score than one of the
        second; p: by permutation; first, second: `(n,)` and `(m,)` rows of the tested images, the most typical ones of
        their set first.
    """

    auc: float
    p: float
    first: np.ndarray
    second: np.ndarray


def compare_numbers(a: np.ndarray, b: np.ndarray) -> Difference | None:
    """Return the Kolmogorov–Smirnov distance of two samples, the largest difference of their distribution functions.

    a: `(n,)`, b: `(m,)`, NaN for none, which is left out. None for fewer than `MIN_IMAGES` values in one of them.
    """
    from scipy.stats import ks_2samp  # heavy, and not needed to list the pages

    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if min(len(a), len(b)) < MIN_IMAGES:
        return None
    result = ks_2samp(a, b)
    return Difference(float(result.statistic), float(result.pvalue))


def compare_categories(a: np.ndarray, b: np.ndarray) -> Difference | None:
    """Return the total variation distance of two samples: the share that would have to change its value.

    The p value is that of the chi-squared test, with rare values put together. a: `(n,)`, b: `(m,)` int, −1 for none,
    which is left out. None for fewer than `MIN_IMAGES` values in one of them.
    """
    from scipy.stats import chi2_contingency  # heavy, and not needed to list the pages

    a, b = a[a >= 0], b[b >= 0]
    if min(len(a), len(b)) < MIN_IMAGES:
        return None
    size = int(max(a.max(), b.max())) + 1
    counts = np.stack([np.bincount(one, minlength=size) for one in (a, b)])
    shares = counts / counts.sum(1, keepdims=True)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    expected = counts.sum(0) * min(len(a), len(b)) / (len(a) + len(b))
    rare = expected < MIN_EXPECTED
    table = np.column_stack((counts[:, ~rare], counts[:, rare].sum(1)))
    table = table[:, table.sum(0) > 0]
    return Difference(distance, float(chi2_contingency(table)[1]) if table.shape[1] > 1 else 1.0)


def two_sample_test(components: np.ndarray, is_first: np.ndarray, seed: int = SEED) -> TwoSampleTest | None:
    """Return the classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017) of independent images.

    A linear discriminant is fitted on a random half of each set. The p value is the share of 999 random assignments of
    the tested images to the sets, and of the true one, whose AUC is as high. None for fewer than 2 × `MIN_IMAGES`
    images in one of the sets. components: `(N, A)` principal components of both sets; is_first: `(N,)` bool.
    """
    random = np.random.default_rng(seed)
    halves: list[tuple[np.ndarray, np.ndarray]] = []
    for flags in (is_first, ~is_first):
        rows = random.permutation(np.flatnonzero(flags & np.isfinite(components).all(1)))[:MAX_IMAGES]
        if len(rows) < 2 * MIN_IMAGES:
            return None
        halves.append((rows[: len(rows) // 2], rows[len(rows) // 2 :]))
    train, test = (np.concatenate([half[k] for half in halves]) for k in (0, 1))
    axes = max(1, min(components.shape[1], len(train) // IMAGES_PER_AXIS))
    weight, bias = discriminant(components[train, :axes], is_first[train].astype(np.int64), 2)
    scores = components[test, :axes] @ (weight[:, 1] - weight[:, 0]) + bias[1] - bias[0]
    auc, p = _auc_with_p(scores, is_first[test], random)
    order = test[np.argsort(-scores, kind="stable")]
    return TwoSampleTest(auc, p, order[is_first[order]], order[~is_first[order]][::-1])


def _auc_with_p(scores: np.ndarray, is_first: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """Return the AUC, ties count one half, and its p value by permutation of the sets."""
    from scipy.stats import rankdata  # heavy, and not needed to list the pages

    ranks, n = rankdata(scores), int(is_first.sum())
    others = len(scores) - n
    auc = area_of_ranks(float(ranks[is_first].sum()), n, others)
    drawn = [area_of_ranks(float(random.permutation(ranks)[:n].sum()), n, others) for _ in range(N_PERMUTATIONS)]
    as_high = sum(one >= auc - 1e-12 for one in drawn)
    return auc, (1 + as_high) / (1 + N_PERMUTATIONS)
