"""Approximate occlusion: coarse-to-fine interpolation, SSIM, and the choice of the approximation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reportgen.methods.occlusion.coarse_to_fine import Approximation, cheapest_approximation, coarse_to_fine, ssim
from reportgen.methods.occlusion.definition import DirectOcclusion, SquareGrid, occlude, square_grid
from reportgen.methods.occlusion.incremental import IncrementalOcclusion
from tests.unit.test_occlusion import Everything, halves

SQUARES = SquareGrid(8, (0, 8, 16, 24, 32, 37), (0, 8, 16, 24, 29), (0.0,))


def slow(exact: np.ndarray, squares: SquareGrid, step: int, share: float) -> tuple[np.ndarray, set[tuple[int, int]]]:
    """Place by place from the definition, and the places that had to be computed."""
    rows, columns = (sorted({*range(0, len(axis), step), len(axis) - 1}) for axis in (squares.rows, squares.columns))
    values, differs = np.zeros_like(exact), {}
    for r, y in enumerate(squares.rows):
        for c, x in enumerate(squares.columns):
            across = [np.interp(x, [squares.columns[k] for k in columns], exact[row, columns]) for row in rows]
            values[r, c] = np.interp(y, [squares.rows[k] for k in rows], across)
            if r not in rows or c not in columns:
                above, left = max(k for k in rows[:-1] if k <= r), max(k for k in columns[:-1] if k <= c)
                below, right = rows[rows.index(above) + 1], columns[columns.index(left) + 1]
                corners = exact[np.ix_((above, below), (left, right))]
                differs[r, c] = corners.max() - corners.min()
    most = sorted(differs, key=lambda at: -differs[at])[: round(share * len(differs))]
    for at in most:
        values[at] = exact[at]
    return values, {*most, *((r, c) for r in rows for c in columns)}


@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_coarse_to_fine_interpolates_and_computes_where_results_differ(step: int, share: float) -> None:
    exact = np.random.default_rng(step).normal(size=(6, 5)).astype(np.float32)
    asked: list[int] = []

    def at(places: Tensor) -> Tensor:
        asked.extend(places.tolist())
        flat = torch.from_numpy(exact).flatten()[places]
        return torch.stack((-flat, flat), 1)

    shortcut = Approximation(step, share, 1.0)
    found = coarse_to_fine(at, SQUARES, shortcut, 1)
    values, places = slow(exact, SQUARES, step, share)
    np.testing.assert_allclose(found[:, 1].view(6, 5), values, atol=1e-6)
    np.testing.assert_allclose(found[:, 0], -found[:, 1])
    assert sorted(asked) == sorted(r * 5 + c for r, c in places)
    assert shortcut.computed_share(SQUARES) == pytest.approx(len(asked) / 30)


def test_coarse_to_fine_takes_one_position_along_an_axis() -> None:
    squares = SquareGrid(8, (0,), (0, 4, 8), (0.0,))
    found = coarse_to_fine(lambda places: places[:, None].double(), squares, Approximation(2, 0.0, 1.0), 0)
    assert found.flatten().tolist() == [0, 1, 2]


@pytest.mark.parametrize("shape", [(7, 7), (12, 9), (27, 27)])
def test_ssim_equals_that_of_scikit_image(shape: tuple[int, int]) -> None:
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    random = np.random.default_rng(0)
    exact = random.random(shape)
    for noise in (0.0, 0.05, 1.0):
        found = exact + noise * random.normal(size=shape)
        expected = structural_similarity(exact, found, data_range=exact.max() - exact.min())
        assert ssim(torch.tensor(found), torch.tensor(exact)) == pytest.approx(expected, abs=1e-9)


def test_ssim_of_small_and_flat_maps_is_defined() -> None:
    """One window of 1 × 2: means 0.5, variances 0.5 and 0.125, covariance 0.25."""
    c1, c2 = 0.01**2, 0.03**2
    expected = (0.5 + c1) * (0.5 + c2) / ((0.5 + c1) * (0.625 + c2))
    assert ssim(torch.tensor([[0.25, 0.75]]), torch.tensor([[0.0, 1.0]])) == pytest.approx(expected)
    flat = torch.full((9, 9), 0.3)
    assert ssim(flat, flat) == pytest.approx(1)
    brighter = torch.full((9, 9), 0.6)  # no contrast in either, and of the means 2 · 0.3 · 0.6 / (0.3² + 0.6²) is left
    assert ssim(brighter, flat) == pytest.approx(0.8, abs=1e-4)


def test_cheapest_approximation_that_is_similar_enough_is_chosen() -> None:
    squares = square_grid(100, 100, 20, 4, (0.0,))
    y, x = np.mgrid[0:21, 0:21] / 20
    smooth = torch.tensor((y + x) / 2).flatten()[None]
    rough = torch.rand(1, 441, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    work = {1.0: 0.5, 0.6: 0.2}
    assert cheapest_approximation(smooth, {1.0: smooth, 0.6: smooth}, work, squares) == (
        Approximation(4, 0.0, 0.6),
        pytest.approx(1),
    )
    assert cheapest_approximation(smooth, {1.0: smooth, 0.6: rough}, work, squares)[0] == Approximation(4, 0.0, 1.0)
    assert cheapest_approximation(rough, {1.0: rough, 0.6: rough}, work, squares) == (
        Approximation(1, 0.0, 0.6),
        pytest.approx(1),
    )
    both = torch.cat((smooth, rough))  # every image must be similar enough
    assert cheapest_approximation(both, {1.0: both}, work, squares)[0] == Approximation(1, 0.0, 1.0)
    assert cheapest_approximation(smooth, {0.6: rough}, work, squares) is None


def test_capped_windows_cost_less_and_ignore_distant_positions() -> None:
    trunk, head = halves(Everything(), (96, 96))
    image = torch.randn(1, 3, 96, 96)
    squares = square_grid(96, 96, 16, 20, (0.0,) * 3)
    places = torch.arange(len(squares))
    exact, capped = IncrementalOcclusion(trunk), IncrementalOcclusion(trunk, cap=0.25)
    assert capped.relative_cost(squares, places) < exact.relative_cost(squares, places)
    for node, windows in capped.windows(squares, places).items():
        if windows is not None:
            assert max(windows.height, windows.width) <= np.ceil(0.25 * node.meta["shape"][-1])
    true = occlude(DirectOcclusion(trunk), head, image, squares, 0).logits
    near = occlude(capped, head, image, squares, 0).logits
    clean = head(trunk(image))
    assert 0 < (near - true).abs().mean() < 0.5 * (true - clean).abs().mean()


def test_bfloat16_occlusion_is_close_to_float32() -> None:
    trunk, head = halves(Everything(), (61, 61))
    image = torch.randn(1, 3, 61, 61)
    squares = square_grid(61, 61, 9, 26, (0.0,) * 3)
    true = occlude(DirectOcclusion(trunk), head, image, squares, 0)
    found = occlude(IncrementalOcclusion(trunk, dtype=torch.bfloat16), head, image, squares, 0)
    assert found.logits.dtype == torch.float32
    assert 0 < (found.logits - true.logits).abs().max() < 0.05 * true.logits.abs().max()
