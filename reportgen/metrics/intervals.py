"""A share of images, with its number and its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Z95 = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""


@dataclass(frozen=True)
class Rate:
    """`count` of `n` images, with Wilson's 95 % interval (Wilson 1927, JASA 22), which stays in [0, 1] for small n."""

    count: int
    n: int

    @classmethod
    def of(cls, flags: np.ndarray) -> Rate | None:
        """The share of True among `flags`; None when there are none, for a share of nothing is not 0."""
        return cls(int(flags.sum()), len(flags)) if len(flags) else None

    @property
    def value(self) -> float:
        return self.count / self.n

    @property
    def interval(self) -> tuple[float, float]:
        p, n, z2 = self.value, self.n, Z95 * Z95
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return (max(0.0, centre - half), min(1.0, centre + half))
