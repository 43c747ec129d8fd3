"""Softmax regression with an L2 penalty, solved to its minimum: float32 for the way, float64 for the result."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

TOLERANCE = 1e-4
"""Norm of the gradient at which a fit ends, as a share of penalty · ‖W‖."""
ROUGH_TOLERANCE, ROUGH_STEPS = 1e-2, 200
"""The same share at which L-BFGS hands over to Newton's method, and its steps at most."""
NEWTON_STEPS, CG_STEPS = 200, 1_000
"""Steps of Newton's method, and of conjugate gradients in each, at most."""
CHUNK = 4_096
"""Rows that are converted to float64 at once."""


@dataclass(frozen=True)
class SoftmaxFit:
    """weight: `(K, C)`, bias: `(K,)`, float64; gradient: norm of the loss's gradient ÷ (penalty · ‖W‖)."""

    weight: Tensor
    bias: Tensor
    gradient: float


@dataclass(frozen=True)
class _Problem:
    """x: `(N, C)` float32, centred; features: `(N, C)` as given; mean: `(C,)` float64; labels: `(N,)` int64."""

    x: Tensor
    features: Tensor
    mean: Tensor
    labels: Tensor
    penalty: float

    def share(self, theta: Tensor, gradient: Tensor) -> float:
        """Return ‖gradient‖ ÷ (penalty · ‖W‖)."""
        return float(gradient.norm() / (self.penalty * theta[:, :-1].norm()).clamp(min=1e-12))


class _Point(NamedTuple):
    """theta: `(K, C + 1)` float64, weights and bias; gradient: same shape; probabilities: `(N, K)` float32."""

    theta: Tensor
    loss: float
    gradient: Tensor
    probabilities: Tensor


def fit_softmax(
    features: Tensor, labels: Tensor, classes: int, penalty: float, start: Tensor | None = None
) -> SoftmaxFit:
    """Return the weights and bias that minimize `mean cross-entropy + penalty / 2 · ‖W‖²`, in float64.

    The bias is not penalized, as in scikit-learn, whose `C` is `1 / (penalty · N)`. A stop at a fixed gradient, as in
    scikit-learn, would be far from the minimum where the penalty is small: the loss is flat there. The loss curves at
    least as strongly as the penalty, so at the end ‖W − W at the minimum‖ ≤ `TOLERANCE` · ‖W‖.

    L-BFGS in float32 comes close to the minimum, and truncated Newton steps (Nocedal and Wright, Numerical
    Optimization, section 7.1) reach it. Their gradients are in float64; the products with the Hessian, which are most
    of the work and only decide the direction, are in float32. Both work on centred features, which changes only the
    bias and saves most of the steps: pooled feature maps are positive, and their mean would dominate.

    features: `(N, C)` float; labels: `(N,)` int64; start: `(K, C)` initial weights, by default zeros.
    """
    mean = features.mean(0, dtype=torch.float64)
    problem = _Problem((features - mean.to(features.dtype)).float(), features, mean, labels, penalty)
    share = torch.bincount(labels, minlength=classes).double() / len(labels)
    bias = share.clamp(min=1e-9).log()  # the best constant prediction
    weight = mean.new_zeros(classes, len(mean)) if start is None else start.double()
    point = _evaluate(problem, _approach(problem, torch.cat([weight, bias[:, None]], 1)))
    for _ in range(NEWTON_STEPS):
        gradient = problem.share(point.theta, point.gradient)
        if gradient <= TOLERANCE:
            break
        step = _newton_step(problem, point, min(max(TOLERANCE / 2 / gradient, 0.1), 0.5))
        shorter = _search(problem, point, step)
        if shorter is None:
            break
        point = shorter
    weight, bias = point.theta[:, :-1], point.theta[:, -1]
    return SoftmaxFit(weight.contiguous(), bias - weight @ mean, problem.share(point.theta, point.gradient))


class _CloseEnoughError(Exception):
    """Ends L-BFGS, which offers no other way to stop at a norm of its gradient."""


def _approach(problem: _Problem, theta: Tensor) -> Tensor:
    """Return `theta` after L-BFGS in float32, with a gradient of about `ROUGH_TOLERANCE`."""
    theta = theta.float().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [theta], max_iter=ROUGH_STEPS, tolerance_grad=0, history_size=10, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        each = F.cross_entropy(_logits(problem.x, theta), problem.labels, reduction="none")
        value = each.double().mean() + problem.penalty / 2 * theta[:, :-1].double().square().sum()
        torch.autograd.backward(value)
        assert theta.grad is not None
        if problem.share(theta.detach(), theta.grad) <= ROUGH_TOLERANCE:
            raise _CloseEnoughError
        return value.detach()

    with suppress(_CloseEnoughError):
        optimiser.step(loss)
    return theta.detach().double()


def _evaluate(problem: _Problem, theta: Tensor) -> _Point:
    """Return the loss and its gradient in float64; the features are converted a chunk at a time."""
    n = len(problem.labels)
    loss = problem.penalty / 2 * theta[:, :-1].square().sum()
    gradient = torch.zeros_like(theta)
    gradient[:, :-1] = problem.penalty * theta[:, :-1]
    probabilities = problem.x.new_empty(n, len(theta))
    for rows in torch.arange(n, device=theta.device).split(CHUNK):
        x, labels = problem.features[rows].double() - problem.mean, problem.labels[rows]
        log_p = _logits(x, theta).log_softmax(1)
        loss -= log_p.gather(1, labels[:, None]).sum() / n
        residual = log_p.exp_()
        probabilities[rows] = residual.float()
        residual[torch.arange(len(rows)), labels] -= 1
        gradient[:, :-1] += residual.T @ x / n
        gradient[:, -1] += residual.sum(0) / n
    return _Point(theta, float(loss), gradient, probabilities)


def _newton_step(problem: _Problem, point: _Point, tolerance: float) -> Tensor:
    """Return the step `s` with `‖H · s + gradient‖ ≤ tolerance · ‖gradient‖`, by conjugate gradients in float32."""
    residual = -point.gradient.float()
    end = tolerance * float(residual.norm())
    step, direction = torch.zeros_like(residual), residual
    square = float(residual.square().sum())
    for _ in range(CG_STEPS):
        product = _hessian_product(problem, point.probabilities, direction)
        curvature = float((direction * product).sum())
        if curvature <= 0:  # rounding, along a shift of all biases, which changes nothing
            break
        step = step + square / curvature * direction
        residual = residual - square / curvature * product
        before, square = square, float(residual.square().sum())
        if square**0.5 <= end:
            break
        direction = residual + square / before * direction
    return step.double()


def _hessian_product(problem: _Problem, p: Tensor, v: Tensor) -> Tensor:
    """Return the Hessian of the loss times `v` `(K, C + 1)`: in each row of x, `(diag(p) − p · pᵀ) · v · x`."""
    change = _logits(problem.x, v)
    change = (change - (p * change).sum(1, keepdim=True)).mul_(p).div_(len(p))
    return torch.cat([change.T @ problem.x + problem.penalty * v[:, :-1], change.sum(0)[:, None]], 1)


def _search(problem: _Problem, point: _Point, step: Tensor) -> _Point | None:
    """Return the first of point + step, point + step / 2, … that lowers the loss enough (Armijo); None if none does."""
    slope = float((step * point.gradient).sum())
    for halvings in range(30):
        length = 0.5**halvings
        found = _evaluate(problem, point.theta + length * step)
        if found.loss <= point.loss + 1e-4 * length * slope:
            return found
    return None


def _logits(x: Tensor, theta: Tensor) -> Tensor:
    return torch.addmm(theta[:, -1], x, theta[:, :-1].T)
