"""95 % intervals of shares, of means between 0 and 1, and of paired differences; groups of images count together.

Images of a group (variants of one photograph, identical bytes) are not independent. So where there are groups, the
interval is that of fewer images: as many as would vary as much (design effect: Kish, Survey Sampling, 1965; its use in
Wilson's interval: Franco et al., J. Survey Statistics and Methodology 7, 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Interval = tuple[float, float]
Z = 1.959963984540054
"""Quantile of the standard normal distribution at 0.975."""


@dataclass(frozen=True)
class Rate:
    """`count` of `n` images. n_effective: number of independent images that would vary as much, if it is not n."""

    count: int
    n: int
    n_effective: float | None = None

    @classmethod
    def of(cls, flags: np.ndarray, groups: np.ndarray | None = None) -> Rate | None:
        """Return the share of True among `flags`; None without any flags, because there is no share of nothing.

        groups: `(n,)` group of each; None for independent images.
        """
        return cls(int(flags.sum()), len(flags), _effective_size(flags, groups)) if len(flags) else None

    @property
    def value(self) -> float:
        return self.count / self.n

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval (Wilson, JASA 22, 1927), which stays in [0, 1] for small n."""
        return wilson(self.value, self.n if self.n_effective is None else self.n_effective)

    @property
    def independent_counts(self) -> tuple[int, int]:
        """The counted images and the others; with groups, of as many independent images as would vary as much."""
        n = self.n if self.n_effective is None else round(self.n_effective)
        count = round(self.value * n)
        return count, n - count

    def p_above(self, share: float) -> float:
        """p value of the exact binomial test that the true share is at most `share` (one-sided)."""
        from scipy.special import betainc

        n = self.n if self.n_effective is None else self.n_effective
        count = self.value * n
        return float(betainc(count, n - count + 1, share)) if count > 0 else 1.0


def wilson(share: float, n: float) -> Interval:
    """Return Wilson's interval of a share of n images; n need not be whole."""
    if n <= 0:
        return 0.0, 1.0
    low, high = wilson_bounds(np.array([share]), np.array([n]))
    return float(low[0]), float(high[0])


def wilson_bounds(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of Wilson's intervals of shares `(k,)` of n > 0 images `(k,)`."""
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + (Z / (2 * n)) ** 2)
    return np.where(share > 0, np.maximum(0, centre - half), 0), np.where(share < 1, np.minimum(1, centre + half), 1)


def excess_interval(inside: Rate, outside: Rate) -> Interval:
    """Return the interval of the difference of two shares of different images, inside − outside.

    Newcombe (Statistics in Medicine 17, 1998), method 10: from both of Wilson's intervals.
    """
    (low, high), (other_low, other_high) = inside.interval, outside.interval
    difference = inside.value - outside.value
    return (
        difference - math.hypot(inside.value - low, other_high - outside.value),
        difference + math.hypot(high - inside.value, outside.value - other_low),
    )


def mean_interval(values: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the interval of the mean of values `(n,)` in [0, 1]: Wilson's for the number of images whose share of 0
    and 1 would vary as much."""
    size = _effective_size(values, groups)
    return wilson(float(np.clip(values.mean(), 0, 1)), len(values) if size is None else size)


def difference_interval(differences: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the interval of the mean of paired differences `(n,)` of 0 and 1: −1, 0 or 1.

    Agresti and Min (Statistics in Medicine 24, 2005): half an image is added to each of the four outcomes, so the
    interval has a width also if all differences are equal. With groups, it is half a group of average size.
    """
    n, (sums, sizes) = len(differences), _totals(differences.astype(np.float64), groups)
    size, quantile = n / len(sizes), _quantile(len(sizes), len(sizes) < n)
    mean = float(differences.sum()) / (n + 2 * size)
    spread = float(np.square(sums - sizes * mean).sum()) + size**2 * (1 + 2 * mean**2)
    half = quantile * math.sqrt(spread) / (n + 2 * size)
    return max(-1.0, mean - half), min(1.0, mean + half)


def fisher_p(first: Rate, second: Rate) -> float:
    """Return the two-sided p value of Fisher's exact test; with groups, of the independent counts."""
    from scipy.stats import fisher_exact  # heavy, and not needed to list the pages

    return float(fisher_exact([first.independent_counts, second.independent_counts])[1])


def fisher_text(first: Rate, second: Rate) -> str:
    """The test of `fisher_p` in words, with the numbers of independent images that groups count as."""
    n, other = sum(first.independent_counts), sum(second.independent_counts)
    if (n, other) == (first.n, second.n):
        return "Fisher's exact test"
    return f"Fisher's exact test, with groups of images counted as {n:,} and {other:,} independent images"


def has_groups(groups: np.ndarray | None) -> bool:
    """Whether some images are not independent."""
    return groups is not None and len(np.unique(groups)) < len(groups)


def group_totals(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return the sum of the values `(n,)` of each group; the values if images are independent."""
    return _totals(values, groups)[0]


def _effective_size(values: np.ndarray, groups: np.ndarray | None) -> float | None:
    """Return the number of independent flags whose mean would vary as much; None for flags of independent images.

    If all values are equal, they do not show how similar images of a group are; each group then counts as one image.
    The quantile of Student's t for few groups is part of the number.
    """
    n, share = len(values), float(values.mean())
    is_flag = bool(np.isin(values, (0, 1)).all())
    if is_flag and not has_groups(groups):
        return None
    sums, sizes = _totals(values.astype(np.float64), groups)
    if len(sizes) < 2:
        return 0.0
    spread = len(sizes) / (len(sizes) - 1) * float(np.square(sums - sizes * share).sum()) / n**2
    size = n**2 / float(np.square(sizes).sum())
    if 0 < share < 1 and spread > 1e-12:
        size = share * (1 - share) / spread
    return (min(n, size) if is_flag else size) * (Z / _quantile(len(sizes), True)) ** 2


def _totals(values: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return sum and number of the values of each group."""
    if groups is None:
        return values, np.ones(len(values))
    _, member = np.unique(groups, return_inverse=True)
    return np.bincount(member, values), np.bincount(member)


def _quantile(groups: int, is_grouped: bool) -> float:
    """Return the quantile of Student's t for the between-group variance, or of the normal distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(max(1, groups - 1), 0.975)) if is_grouped else Z
