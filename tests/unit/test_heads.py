"""Fitted heads: the optimum equals scikit-learn's, folds keep groups whole, no head sees its images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from reportgen.data.groups import assign_folds, connected_groups
from reportgen.errors import DataError
from reportgen.models.heads import (
    ABSENT_CLASS_LOGIT,
    L2_PENALTIES,
    cross_fit_heads,
    fit_head,
)
from reportgen.models.softmax_regression import TOLERANCE, fit_softmax

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The matrices are tiny: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def clouds(n: int, channels: int = 12, classes: int = 3, apart: float = 1.5, seed: int = 0) -> tuple:
    """Positive features, as behind a ReLU, of overlapping classes: `(n, channels)` float32, `(n,)` int64."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n)
    centres = random.normal(size=(classes, channels)) * apart
    return np.maximum(centres[labels] + random.normal(size=(n, channels)) + 2, 0).astype(np.float32), labels


def slow_loss(weight: np.ndarray, bias: np.ndarray, x: np.ndarray, y: np.ndarray, penalty: float) -> float:
    """Mean cross-entropy and half the penalty times the squared weights, image by image, in float64."""
    total = 0.0
    for features, label in zip(x.astype(np.float64), y, strict=True):
        logits = weight @ features + bias
        total += np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label]
    return total / len(x) + penalty / 2 * float((weight**2).sum())


@pytest.mark.parametrize("penalty", [1e-1, 1e-3])
def test_softmax_fit_reaches_the_minimum(penalty: float) -> None:
    """A general minimizer with another start finds nothing lower, and scikit-learn finds the same."""
    x, y = clouds(24, 3)
    fitted = fit_softmax(torch.from_numpy(x), torch.from_numpy(y), 3, penalty)
    weight, bias = fitted.weight.numpy(), fitted.bias.numpy()
    ours = slow_loss(weight, bias, x, y, penalty)

    def unpacked(p: np.ndarray) -> float:
        return slow_loss(p[:9].reshape(3, 3), p[9:], x, y, penalty)

    assert ours <= minimize(unpacked, np.random.default_rng(1).normal(size=12), tol=1e-6).fun * 1.0005
    peer = LogisticRegression(C=1 / (penalty * len(x)), max_iter=2000, tol=1e-7).fit(x, y)
    assert ours == pytest.approx(slow_loss(peer.coef_, peer.intercept_, x, y, penalty), rel=1e-3)


def newton(x: np.ndarray, y: np.ndarray, classes: int, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """The minimum by Newton's method with the whole Hessian, in float64, until no derivative is above 1e-12."""
    z = np.column_stack([x.astype(np.float64), np.ones(len(x))])
    n, d = z.shape
    penalties = np.tile(np.r_[np.full(d - 1, penalty), 0], classes)
    target, theta = np.eye(classes)[y], np.zeros((classes, d))

    def loss(theta: np.ndarray) -> float:
        return slow_loss(theta[:, :-1], theta[:, -1], x, y, penalty)

    for _ in range(100):
        logits = z @ theta.T
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        gradient = ((p - target).T @ z / n).ravel() + penalties * theta.ravel()
        if np.abs(gradient).max() < 1e-12:
            return theta[:, :-1], theta[:, -1]
        blocks = [[(z.T * (p[:, a] * ((a == b) - p[:, b]))) @ z / n for b in range(classes)] for a in range(classes)]
        step = -np.linalg.lstsq(np.block(blocks) + np.diag(penalties), gradient, rcond=1e-14)[0]  # biases may shift
        length, before = 1.0, loss(theta)
        while loss(theta + length * step.reshape(classes, d)) > before and length > 1e-6:
            length /= 2
        theta = theta + length * step.reshape(classes, d)
    raise AssertionError("Newton's method did not converge")


@pytest.mark.parametrize("penalty", L2_PENALTIES)
def test_probabilities_of_a_fit_are_those_of_newtons_method(penalty: float) -> None:
    """More channels than images, so that a small penalty leaves the loss flat. In float32 to a largest derivative of
    1e-4, as it was once, they differ by 0.3."""
    x, y = clouds(40, 60, apart=0.4)
    unseen = clouds(200, 60, apart=0.4, seed=1)[0].astype(np.float64)
    fitted = fit_softmax(torch.from_numpy(x), torch.from_numpy(y), 3, penalty)
    assert fitted.gradient <= TOLERANCE
    weight, bias = newton(x, y, 3, penalty)
    assert np.linalg.norm(fitted.weight.numpy() - weight) <= 1.01 * TOLERANCE * np.linalg.norm(weight)
    own = torch.softmax(torch.from_numpy(unseen) @ fitted.weight.T + fitted.bias, 1)
    true = torch.softmax(torch.from_numpy(unseen @ weight.T + bias), 1)
    assert (own - true).abs().max() < 2e-3


def test_chosen_penalty_is_that_of_newtons_method() -> None:
    for seed in range(5):
        x, y = clouds(60, 40, apart=0.5, seed=seed)
        groups = np.arange(60)
        head = fit_head(x, y, groups, 3, 0, CPU)
        scale = np.sqrt(x.var(0, dtype=np.float64).mean())
        held_out = assign_folds(y.tolist(), groups.tolist(), 5, 0) == 0
        expected = {}
        for penalty in L2_PENALTIES:
            weight, bias = newton(x[~held_out] / scale, y[~held_out], 3, penalty)
            logits = torch.from_numpy(x[held_out] / scale @ weight.T + bias)
            expected[penalty] = float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(y[held_out])))
        for penalty, value in head.losses.items():
            assert value == pytest.approx(expected[penalty], rel=1e-3)
        assert head.penalty == min(head.losses, key=lambda tried: expected[tried])


def test_softmax_fit_does_not_depend_on_its_start() -> None:
    x, y = (torch.from_numpy(a) for a in clouds(80))
    cold = fit_softmax(x, y, 3, 1e-2)
    warm = fit_softmax(x, y, 3, 1e-2, start=torch.randn(3, 12, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(warm.weight, cold.weight, atol=2 * TOLERANCE * float(cold.weight.norm()), rtol=0)


def test_fitted_head_records_penalty_and_images() -> None:
    x, y = clouds(90)
    y = np.array([1, 4, 5])[y]  # of six classes, three are never seen
    head = fit_head(x, y, np.arange(90), 6, 0, CPU)
    assert head.weight.shape == (6, 12)
    assert head.n_images == 90
    assert head.penalty == min(head.losses, key=head.losses.__getitem__)
    unseen = [0, 2, 3]
    assert (head.weight[unseen] == 0).all()
    assert (head.bias[unseen] == ABSENT_CLASS_LOGIT).all()
    assert ((torch.from_numpy(x) @ head.weight.T + head.bias).argmax(1).numpy() == y).mean() > 0.8


@pytest.mark.parametrize("scale", [1e-4, 1e5])
def test_fitted_head_does_not_depend_on_the_scale_of_features(scale: float) -> None:
    x, y = clouds(90)
    head, scaled = (fit_head(x * np.float32(s), y, np.arange(90), 3, 0, CPU) for s in (1, scale))
    assert head.penalty == scaled.penalty
    torch.testing.assert_close(scaled.weight * scale, head.weight, atol=5e-2, rtol=0.1)


def test_constant_features_give_class_frequencies() -> None:
    y = np.array([0, 0, 0, 1] * 5)
    head = fit_head(np.full((20, 3), 7, np.float32), y, np.arange(20), 2, 0, CPU)
    answer = torch.softmax(torch.full((3,), 7.0) @ head.weight.T + head.bias, 0)
    torch.testing.assert_close(answer, torch.tensor([0.75, 0.25]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("labels", [[], [2, 2, 2]])
def test_head_cannot_be_fitted_on_one_class(labels: list[int]) -> None:
    x = np.ones((len(labels), 4), np.float32)
    with pytest.raises(DataError, match="cannot fit a head"):
        fit_head(x, np.array(labels, np.int64), np.arange(len(labels)), 3, 0, CPU)


# ---------------------------------------------------------------------------------------------------- splits


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 12)), min_size=1, max_size=60), st.integers(2, 6))
def test_folds_keep_groups_whole_and_sizes_even(rows: list[tuple[int, int]], parts: int) -> None:
    labels, groups = [label for label, _ in rows], [group for _, group in rows]
    part = assign_folds(labels, groups, parts, seed=3)
    assert {(g, p) for g, p in zip(groups, part, strict=True)} == {(g, part[groups.index(g)]) for g in groups}
    counts = np.bincount([part[groups.index(g)] for g in set(groups)], minlength=parts)
    assert counts.max() - counts.min() <= 1
    assert (part == assign_folds(labels, groups, parts, seed=3)).all()


def test_each_fold_gets_its_share_of_every_class() -> None:
    labels = [0] * 50 + [1] * 20
    part = assign_folds(labels, range(70), 5, seed=0)
    assert np.bincount(part[:50]).tolist() == [10] * 5
    assert np.bincount(part[50:]).tolist() == [4] * 5


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ((["a", "b", "a"],), [[0, 2], [1]]),
        ((["a", "b", "c"], ["", "", ""]), [[0], [1], [2]]),
        ((["a", "b", "c", "d"], ["x", "x", "y", "z"]), [[0, 1], [2], [3]]),
        ((["a", "b", "b", "c"], ["x", "x", "y", "y"]), [[0, 1, 2, 3]]),  # through a chain of shared names
        ((["a", "b"], ["a", ""]), [[0], [1]]),  # one list's names are not the other's
    ],
)
def test_images_that_share_a_name_form_one_group(names: tuple, groups: list[list[int]]) -> None:
    found = connected_groups(*names)
    assert sorted(np.flatnonzero(found == g).tolist() for g in np.unique(found)) == groups


# ------------------------------------------------------------------------------- no head sees its own images


def accuracy(x: np.ndarray, labels: np.ndarray, groups: np.ndarray, folds: int = 5) -> float:
    """Out-of-fold, one image at a time."""
    heads, fold = cross_fit_heads(x, labels, groups, 3, folds, 0, CPU)
    answers = [
        (heads[f].weight.numpy() @ features + heads[f].bias.numpy()).argmax()
        for features, f in zip(x, fold, strict=True)
    ]
    return float((np.array(answers) == labels).mean())


def test_out_of_fold_predictions_are_right_on_separable_data() -> None:
    x, y = clouds(120)
    assert accuracy(x, y, np.arange(120)) > 0.8


def test_out_of_fold_predictions_of_permuted_labels_are_at_chance() -> None:
    """60 channels for 90 images: a head that had seen its images would know nearly all of them by heart."""
    x, y = clouds(90, channels=60)
    shuffled = np.random.default_rng(5).permutation(y)
    by_heart = fit_softmax(torch.from_numpy(x), torch.from_numpy(shuffled), 3, 1e-4)
    assert ((x @ by_heart.weight.numpy().T + by_heart.bias.numpy()).argmax(1) == shuffled).mean() > 0.95
    assert accuracy(x, shuffled, np.arange(90)) < 1 / 3 + 3 * np.sqrt(2 / 9 / 90)


def test_copies_in_one_group_do_not_leak_labels() -> None:
    """Each image four times, under labels without sense: only a head that sees a copy can know them."""
    x, y = clouds(40, channels=60)
    y = np.random.default_rng(6).permutation(y)
    x, y, same = np.repeat(x, 4, 0), np.repeat(y, 4), np.repeat(np.arange(40), 4)
    assert accuracy(x, y, np.arange(160)) > 0.8
    assert accuracy(x, y, same) < 1 / 3 + 3 * np.sqrt(2 / 9 / 40)


def test_head_is_fitted_on_exactly_the_other_folds() -> None:
    x, y = clouds(50)
    y[:7] = -1
    heads, fold = cross_fit_heads(x, y, np.arange(50), 3, 5, 0, CPU)
    for f, head in enumerate(heads):
        rest = (fold != f) & (y >= 0)
        again = fit_head(x[rest], y[rest], np.arange(50)[rest], 3, 0, CPU)
        assert head.n_images == rest.sum()
        torch.testing.assert_close(head.weight, again.weight)
