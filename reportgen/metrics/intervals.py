"""A share of images, with the number of images and a confidence interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest


@dataclass(frozen=True)
class Rate:
    """`count` of `n` images."""

    count: int
    n: int

    @classmethod
    def of(cls, flags: np.ndarray) -> Rate | None:
        """Return the share of True among `flags`; None without any flags, because there is no share of nothing."""
        return cls(int(flags.sum()), len(flags)) if len(flags) else None

    @property
    def value(self) -> float:
        return self.count / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (Wilson, JASA 22, 1927), which stays in [0, 1] for small n."""
        interval = binomtest(self.count, self.n).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)

    def p_above(self, share: float) -> float:
        """p value of the exact binomial test that the true share is at most `share` (one-sided)."""
        return float(binomtest(self.count, self.n, share, "greater").pvalue)
