"""Compressed rows: the nearest ones are those of a brute force on the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.embedding.compressed_rows import MAX_AXES, CompressedRows, compress_rows


def features(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Rows in clusters, with variances that fall as those of a network's features do."""
    random = np.random.default_rng(seed)
    scales = 1 / np.arange(1, d + 1)
    rows = random.normal(size=(20, d))[random.integers(0, 20, n)] + 0.5 * random.normal(size=(n, d))
    return np.maximum(rows * scales @ np.linalg.qr(random.normal(size=(d, d)))[0] + 0.2, 0).astype(np.float32)


def restored(rows: CompressedRows) -> np.ndarray:
    restored_rows: np.ndarray = rows.mean + (rows.values * rows.steps) @ rows.axes
    return restored_rows


@pytest.mark.parametrize(("n", "d"), [(2000, 400), (51, 1280), (300, 20)])
def test_nine_of_ten_nearest_rows_are_those_of_a_brute_force(n: int, d: int) -> None:
    rows = features(n, d)
    compressed = compress_rows(rows, n)
    approximate = restored(compressed)
    assert compressed.axes.shape == (min(MAX_AXES, n, d), d)
    shared = []
    for i in range(0, n, max(1, n // 50)):
        near = [
            np.argsort(np.square(rows[i].astype(np.float64) - others).sum(1), kind="stable")
            for others in (rows, approximate)
        ]
        first, second = ({*order[order != i][:10].tolist()} for order in near)
        shared.append(len(first & second))
    assert np.mean(shared) >= 9
    assert np.mean(np.array(shared) >= 8) > 0.9


def test_rows_on_few_axes_are_restored_up_to_the_rounding() -> None:
    random = np.random.default_rng(1)
    rows = (random.normal(size=(100, 5)) @ random.normal(size=(5, 60))).astype(np.float32)
    compressed = compress_rows(rows, 100)
    bound = np.abs(compressed.steps) @ np.abs(compressed.axes) / 2
    assert (np.abs(restored(compressed) - rows) <= bound * 1.01 + 1e-5).all()


def test_rows_that_are_not_finite_are_left_out_and_many_are_sampled_evenly() -> None:
    rows = features(50, 12)
    rows[[3, 40]] = np.nan
    assert compress_rows(rows, 50).index.tolist() == [i for i in range(50) if i not in (3, 40)]
    sampled = compress_rows(rows, 7).index
    assert len(sampled) == 7
    assert (sampled[0], sampled[-1]) == (0, 49)


@pytest.mark.parametrize("n", [0, 1])
def test_almost_no_rows_are_compressed_too(n: int) -> None:
    compressed = compress_rows(np.ones((n, 6), np.float32), 10)
    assert compressed.values.shape[0] == n
    np.testing.assert_allclose(restored(compressed), np.ones((n, 6)), atol=1e-6)
