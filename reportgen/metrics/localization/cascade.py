"""Cascading randomization: how similar activation maps stay while layers are randomized from the top.

Source: Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, section 4.1. Maps that stay similar do not show
what the network has learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cascade:
    """Similarity of maps with those of the trained network: Spearman's rank correlation over positions.

    shares: K shares of the trunk's layers that are random; the head always is.
    similarity: `(R, K, n)` by seed, share and image.
    other_images: mean similarity of the trained network's maps of different images, what position alone gives; None for
        a single image.
    rows: the n images.
    """

    shares: Sequence[float]
    similarity: np.ndarray
    other_images: float | None
    rows: Sequence[int]


def cascade(rows: Sequence[int], shares: Sequence[float], trained: np.ndarray, randomized: np.ndarray) -> Cascade:
    """trained: `(n, h, w)` maps; randomized: `(R, K, n, h, w)`."""
    similarity = np.array(
        [[[rank_correlation(*p) for p in zip(trained, m, strict=True)] for m in s] for s in randomized]
    )
    pairs = [rank_correlation(a, b) for i, a in enumerate(trained) for b in trained[:i]]
    return Cascade(shares, similarity, float(np.mean(pairs)) if pairs else None, rows)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two maps; 0 if one of them is constant or not finite."""
    from scipy.stats import rankdata

    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return 0.0
    x, y = (ranks - ranks.mean() for ranks in (rankdata(a.ravel()), rankdata(b.ravel())))
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else 0.0
