"""Rows of features in a few bytes, for searches in the browser: eight bits on each of the first principal axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.embedding.row_matching import row_digests
from reportgen.embedding.rows import Rows, finite_rows
from reportgen.store.results_cache import ResultsCache, cached

MAX_AXES = 128
"""Principal axes: on those of image classifiers' features, the nearest images are nearly always the same."""
SAMPLE = 4096
"""Rows that the axes are computed from."""


@dataclass(frozen=True)
class CompressedRows:
    """Rows `(N, D)` as whole numbers on principal axes: row ≈ mean + (values · steps) @ axes.

    mean: `(D,)`, axes: `(A, D)` orthonormal, steps: `(A,)`, float32; values: `(M, A)` int8; index: `(M,)` int32, the
    rows that are compressed: those with finite values.
    """

    mean: np.ndarray
    axes: np.ndarray
    steps: np.ndarray
    values: np.ndarray
    index: np.ndarray


def compress_rows(rows: Rows, most: int, cache: ResultsCache | None = None) -> CompressedRows:
    """Compress rows `(N, D)`; of more than `most` an even sample. cache: where the result is stored."""
    arrays = cached(
        cache, "compressed", [row_digests(rows), most, MAX_AXES, SAMPLE], lambda: vars(_compress(rows, most))
    )
    return CompressedRows(**arrays)


def _compress(rows: Rows, most: int) -> CompressedRows:
    from sklearn.utils.extmath import randomized_svd

    index = finite_rows(rows)
    if len(index) > most:
        index = index[np.linspace(0, len(index) - 1, most).round().astype(int)]
    used = rows[index].astype(np.float64)
    mean = used.mean(0) if len(used) else np.zeros(rows.shape[1])
    sample = used[:: max(1, len(used) // SAMPLE)] - mean
    count = min(MAX_AXES, *sample.shape)
    axes = randomized_svd(sample, count, random_state=0)[2] if count else np.zeros((0, rows.shape[1]))
    places = (used - mean) @ axes.T
    steps = np.maximum(np.abs(places).max(0, initial=0) / 127, np.finfo(np.float32).tiny)
    values = np.rint(places / steps).clip(-127, 127).astype(np.int8)
    return CompressedRows(
        mean.astype(np.float32), axes.astype(np.float32), steps.astype(np.float32), values, index.astype(np.int32)
    )
