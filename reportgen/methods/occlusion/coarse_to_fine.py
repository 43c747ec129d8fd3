"""Approximate occlusion: coarse to fine (Krypton: Nakandala, Kumar and Papakonstantinou, SIGMOD 2019, section 4.2).

The square first stands at every `step`-th place. Between them answers are interpolated; where neighbouring answers
differ most, the places in between are computed, too. How far that may go, trials on whole maps tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from reportgen.methods.occlusion.definition import Squares

ENOUGH = 0.95
"""Structural similarity with the exact map that every image of the trials must have."""
STEPS, SHARES = (1, 2, 3, 4), (0.0, 0.1, 0.2, 0.4, 0.6, 0.7, 0.8)
RANGE = 0.01
"""Least range that maps are compared over, as a share of the exact map's maximum: what differs by less is not seen."""


@dataclass(frozen=True)
class Shortcut:
    """step: every so many-th row and column of places is computed first; share: of the other places that are computed
    next; cap: share of a map's side that windows grow to at most (see `Incremental`)."""

    step: int
    share: float
    cap: float

    def computed(self, squares: Squares) -> float:
        """The share of the places that is computed."""
        first = len(_first(len(squares.rows), self.step)) * len(_first(len(squares.columns), self.step))
        return (first + round(self.share * (len(squares) - first))) / len(squares)


def drill_down(at: Callable[[Tensor], Tensor], squares: Squares, shortcut: Shortcut, follow: int) -> Tensor:
    """Values `(P, D)` for all places of the square.

    at: int64 places `(p,)` → their values `(p, D)`; follow: the column whose differences say where to look closer.
    """
    rows, columns = _first(len(squares.rows), shortcut.step), _first(len(squares.columns), shortcut.step)
    first = (rows[:, None] * len(squares.columns) + columns).flatten()
    known = at(first).unflatten(0, (len(rows), len(columns)))
    (above, down), (left, across) = _between(squares.rows, rows), _between(squares.columns, columns)
    below, right = (above + 1).clamp(max=len(rows) - 1), (left + 1).clamp(max=len(columns) - 1)
    corners = torch.stack([known[y][:, x] for y, x in product((above, below), (left, right))])
    upper, lower = (torch.lerp(corners[k], corners[k + 1], across[None, :, None].to(known)) for k in (0, 2))
    values = torch.lerp(upper, lower, down[:, None, None].to(known)).flatten(0, 1)
    differs = (corners[..., follow].amax(0) - corners[..., follow].amin(0)).flatten()
    differs[first] = -1
    values[first] = known.flatten(0, 1)
    next_ = differs.argsort(descending=True, stable=True)[: round(shortcut.share * (len(squares) - len(first)))].cpu()
    if len(next_):
        values[next_] = at(next_)
    return values


def _first(n: int, step: int) -> Tensor:
    """Which of n places along an axis are computed first: every `step`-th and the last."""
    return torch.tensor(sorted({*range(0, n, step), n - 1}))


def _between(at: tuple[int, ...], first: Tensor) -> tuple[Tensor, Tensor]:
    """For each place along an axis the one of the first places before it, and how far it is on the way to the next."""
    place = torch.tensor(at, dtype=torch.float32)
    known = place[first]
    before = (torch.searchsorted(first, torch.arange(len(at)), right=True) - 1).clamp(max=max(0, len(first) - 2))
    after = (before + 1).clamp(max=len(first) - 1)
    return before, (place - known[before]) / (known[after] - known[before]).clamp(min=1)


def ssim(found: Tensor, exact: Tensor) -> float:
    """Mean structural similarity of two maps `(H, W)` over all windows of 7 × 7 (smaller maps: one window), with sample
    covariance and the exact map's range as the data's (Wang et al., IEEE TIP 2004), as scikit-image has it."""
    sides = [min(7, side) for side in exact.shape]
    n = sides[0] * sides[1]
    reach = max(float(exact.max() - exact.min()), RANGE * float(exact.abs().max()))
    a, b = found.double()[None], exact.double()[None]
    mean_a, mean_b, aa, bb, ab = (F.avg_pool2d(v, sides, 1) for v in (a, b, a * a, b * b, a * b))
    sample = n / max(1, n - 1)
    var_a, var_b, both = (sample * (v - m) for v, m in ((aa, mean_a**2), (bb, mean_b**2), (ab, mean_a * mean_b)))
    c1, c2 = (0.01 * reach) ** 2, (0.03 * reach) ** 2
    similar = (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(similar.mean())


def cheapest(
    exact: Tensor, capped: Mapping[float, Tensor], work: Mapping[float, float], squares: Squares
) -> tuple[Shortcut, float] | None:
    """The shortcut with the least work whose maps are similar enough on every image, and the least similarity;
    None where none is.

    exact: `(N, P)` the followed probability at every place; capped: by cap, the same with windows that grow so far;
    work: by cap, of one place.
    """
    ways = [Shortcut(step, share, cap) for step, share, cap in product(STEPS, SHARES, capped) if step > 1 or not share]
    for way in sorted(ways, key=lambda way: work[way.cap] * way.computed(squares)):
        least = min(_similarity(way, whole, one, squares) for one, whole in zip(exact, capped[way.cap], strict=True))
        if least >= ENOUGH:
            return way, least
    return None


def _similarity(way: Shortcut, whole: Tensor, exact: Tensor, squares: Squares) -> float:
    shape = (len(squares.rows), len(squares.columns))
    found = drill_down(lambda places: whole[places, None], squares, way, 0)
    return ssim(found.view(shape), exact.view(shape))
