"""Approximate occlusion sensitivity, coarse to fine.

The square is first placed at every `step`-th position. Between these, the output is interpolated; where neighbouring
outputs differ most, the positions in between are computed too. Trials on some images decide how far this may go.
Source: Krypton (Nakandala, Kumar and Papakonstantinou, SIGMOD 2019, section 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from reportgen.methods.occlusion.definition import SquareGrid

MIN_SIMILARITY = 0.95
"""Structural similarity with the exact map that every image of the trials must reach."""
STEPS, SHARES = (1, 2, 3, 4), (0.0, 0.1, 0.2, 0.4, 0.6, 0.7, 0.8)
"""The values of `Approximation.step` and `Approximation.refined_share` that are tried."""
MIN_RANGE = 0.01
"""Least range over which maps are compared, as a share of the exact map's maximum: less is invisible."""


@dataclass(frozen=True)
class Approximation:
    """How far occlusion may approximate.

    step: every so many-th row and column of positions is computed first.
    refined_share: share of the other positions that is computed next.
    window_cap: largest side of windows as a share of the map's side, see `IncrementalOcclusion`.
    """

    step: int
    refined_share: float
    window_cap: float

    def computed_share(self, grid: SquareGrid) -> float:
        """Return the share of the positions that is computed."""
        first = len(_coarse(len(grid.rows), self.step)) * len(_coarse(len(grid.columns), self.step))
        return (first + round(self.refined_share * (len(grid) - first))) / len(grid)


EXACT = Approximation(1, 0.0, 1.0)
"""All positions are computed, with windows of any size."""


def coarse_to_fine(
    compute: Callable[[Tensor], Tensor], grid: SquareGrid, approximation: Approximation, column: int
) -> Tensor:
    """Return values `(P, D)` for all positions of the square, some of them interpolated.

    compute: int64 positions `(p,)` → their values `(p, D)`; column: the one of D whose differences decide which
    positions are computed next.
    """
    rows, columns = _coarse(len(grid.rows), approximation.step), _coarse(len(grid.columns), approximation.step)
    first = (rows[:, None] * len(grid.columns) + columns).flatten()
    known: Tensor = torch.unflatten(compute(first), 0, (len(rows), len(columns)))
    (above, down), (left, across) = _interpolation(grid.rows, rows), _interpolation(grid.columns, columns)
    below, right = (above + 1).clamp(max=len(rows) - 1), (left + 1).clamp(max=len(columns) - 1)
    corners = torch.stack([known[y][:, x] for y, x in product((above, below), (left, right))])
    upper, lower = (torch.lerp(corners[k], corners[k + 1], across[None, :, None].to(known)) for k in (0, 2))
    values = torch.lerp(upper, lower, down[:, None, None].to(known)).flatten(0, 1)
    differences = (corners[..., column].amax(0) - corners[..., column].amin(0)).flatten()
    differences[first] = -1
    values[first] = known.flatten(0, 1)
    n_refined = round(approximation.refined_share * (len(grid) - len(first)))
    refined = differences.argsort(descending=True, stable=True)[:n_refined].cpu()
    if len(refined):
        values[refined] = compute(refined)
    return values


def _coarse(n: int, step: int) -> Tensor:
    """Return which of n positions along an axis are computed first: every `step`-th and the last."""
    return torch.tensor(sorted({*range(0, n, step), n - 1}))


def _interpolation(edges: tuple[int, ...], coarse: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each position along an axis, the coarse position before it and the weight of the next one."""
    edge = torch.tensor(edges, dtype=torch.float32)
    known = edge[coarse]
    before = (torch.searchsorted(coarse, torch.arange(len(edges)), right=True) - 1).clamp(max=max(0, len(coarse) - 2))
    after = (before + 1).clamp(max=len(coarse) - 1)
    return before, (edge - known[before]) / (known[after] - known[before]).clamp(min=1)


def ssim(approximate: Tensor, exact: Tensor) -> float:
    """Return the mean structural similarity of two maps `(H, W)` over all windows of 7 × 7, or one window for smaller
    maps, with sample covariance and the exact map's range as the data range, as in scikit-image.

    Source: Wang et al., IEEE TIP 2004.
    """
    sides = [min(7, side) for side in exact.shape]
    n = sides[0] * sides[1]
    data_range = max(float(exact.max() - exact.min()), MIN_RANGE * float(exact.abs().max()))
    a, b = approximate.double()[None], exact.double()[None]
    mean_a, mean_b, aa, bb, ab = (F.avg_pool2d(v, sides, 1) for v in (a, b, a * a, b * b, a * b))
    sample = n / max(1, n - 1)
    var_a, var_b, cov = (sample * (v - m) for v, m in ((aa, mean_a**2), (bb, mean_b**2), (ab, mean_a * mean_b)))
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(similarity.mean())


def cheapest_approximation(
    exact: Tensor, capped: Mapping[float, Tensor], costs: Mapping[float, float], grid: SquareGrid
) -> tuple[Approximation, float] | None:
    """Return the cheapest approximation whose maps are similar enough on every image, and its smallest similarity.

    exact: `(N, P)` probability of the class at every position; capped: window cap → the same with capped windows;
    costs: window cap → cost of a position. Returns None if no approximation is similar enough.
    """
    candidates = [
        Approximation(step, share, cap) for step, share, cap in product(STEPS, SHARES, capped) if step > 1 or not share
    ]
    for candidate in sorted(candidates, key=lambda c: costs[c.window_cap] * c.computed_share(grid)):
        pairs = zip(capped[candidate.window_cap], exact, strict=True)
        least = min(_similarity(candidate, values, exact_values, grid) for values, exact_values in pairs)
        if least >= MIN_SIMILARITY:
            return candidate, least
    return None


def _similarity(approximation: Approximation, values: Tensor, exact: Tensor, grid: SquareGrid) -> float:
    """Return the similarity of an approximation of `values (P,)` with the exact map `(P,)`."""
    shape = (len(grid.rows), len(grid.columns))
    result = coarse_to_fine(lambda positions: values[positions, None], grid, approximation, 0)
    return ssim(result.view(shape), exact.view(shape))
