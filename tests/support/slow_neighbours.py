"""Nearest neighbours by comparing all pairs."""

from __future__ import annotations

import numpy as np


def nearest(rows: np.ndarray, k: int) -> np.ndarray:
    """`(N, k)` the k nearest other rows of each of `rows` `(N, D)`."""
    square = np.square(rows[:, None] - rows[None]).sum(2)
    np.fill_diagonal(square, np.inf)
    return np.argsort(square, 1, kind="stable")[:, :k]
