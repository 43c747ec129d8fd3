"""Linear softmax heads fitted on frozen last maps: GAP on their means, GMP on their maxima (PROTOCOLS: GAP and GMP)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn

from reportgen.errors import DataError
from reportgen.models.classifier import Classifier, OwnHead, Pooling

POOLINGS: dict[Pooling, Callable[[Tensor], Tensor]] = {
    "gap": lambda maps: maps.mean((2, 3)),
    "gmp": lambda maps: maps.amax((2, 3)),
}
PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""The search, strongest first, for features whose variance is 1 on average; the same for both poolings."""
NEVER = -100.0
"""The logit of a class that no training image has: it stays possible to rank, and has no probability."""
PARTS = 5
"""A fifth of the training images, by groups, is kept back while the penalty is chosen."""


@dataclass(frozen=True)
class FittedHead:
    """A head and how it came about. weight: `(K, C)`, bias: `(K,)`, float32; images: how many it was fitted on.

    losses: the mean loss on the images kept back, for each penalty that was tried.
    """

    weight: Tensor
    bias: Tensor
    penalty: float
    losses: dict[float, float]
    images: int


def fit_softmax(
    features: Tensor, labels: Tensor, classes: int, penalty: float, start: Tensor | None = None, steps: int = 500
) -> tuple[Tensor, Tensor]:
    """The weights that minimise `mean cross-entropy + penalty / 2 · ‖W‖²`; the bias is free, as in scikit-learn, whose
    `C` is `1 / (penalty · N)`.

    L-BFGS, until no derivative is above 1e-4 (scikit-learn's default). It works on centred features, which moves
    nothing but the bias and spares most of the steps: pooled maps are positive, and their mean would dominate.

    features: `(N, C)` float; labels: `(N,)` int64; start: `(K, C)` weights to begin at. Returns `(K, C)`, `(K,)`.
    """
    mean = features.mean(0)
    centred = features - mean
    share = torch.bincount(labels, minlength=classes).to(features.dtype) / len(labels)
    weight = features.new_zeros(classes, features.shape[1]) if start is None else start.clone()
    bias = share.clamp(min=1e-9).log()  # the best constant answer
    weight.requires_grad_(), bias.requires_grad_()
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=steps, history_size=10, tolerance_grad=1e-4, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(centred @ weight.T + bias, labels) + penalty / 2 * weight.square().sum()
        value.backward()
        return value.detach()

    optimiser.step(loss)
    weight, bias = weight.detach(), bias.detach()
    return weight, bias - weight @ mean


def deal(labels: Sequence[int], groups: Sequence[int], parts: int, seed: int) -> np.ndarray:
    """Which part each image belongs to, `(N,)` int64: whole groups, shuffled, dealt out class by class like cards."""
    random = np.random.default_rng(seed)
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    order = random.permutation(len(first))
    order = order[np.argsort(np.asarray(labels)[first][order], kind="stable")]
    part = np.empty(len(first), np.int64)
    part[order] = np.arange(len(first)) % parts
    return part[member]


def grouped(*names: Sequence[str]) -> np.ndarray:
    """`(N,)` group numbers: images are in one group if they share a name in any of the lists; "" is no name."""
    n = len(names[0])
    numbers = {
        key: n + j for j, key in enumerate(dict.fromkeys((k, v) for k, row in enumerate(names) for v in row if v))
    }
    edges = [(i, numbers[k, v]) for k, row in enumerate(names) for i, v in enumerate(row) if v]
    rows, columns = np.array(edges, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(n + len(numbers),) * 2)
    return connected_components(graph, directed=False)[1][:n]


def fit_head(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: int, seed: int, device: torch.device
) -> FittedHead:
    """The head for the penalty that is best on a fifth of these images kept back, fitted again on all of them.

    features: `(N, C)` float32; labels: `(N,)`, each in 0…K−1. Classes without an image get the logit `NEVER`.
    Errors: DataError unless there are two classes to tell apart.
    """
    present, y = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        raise DataError(
            f"a head cannot be fitted: the labelled images to fit it on have {len(present)} of the classes",
            "give more labelled images, or a training set with `fit_data`",
        )
    scale = float(np.sqrt(features.var(0, dtype=np.float64).mean())) or 1.0
    x = torch.from_numpy(features / np.float32(scale)).to(device)
    target = torch.from_numpy(y).to(device)
    kept_back = torch.from_numpy(deal(y.tolist(), groups.tolist(), PARTS, seed) == 0).to(device)
    losses: dict[float, float] = {}
    weight, best = None, None
    for penalty in PENALTIES:
        weight, bias = fit_softmax(x[~kept_back], target[~kept_back], len(present), penalty, weight)
        losses[penalty] = float(F.cross_entropy(x[kept_back] @ weight.T + bias, target[kept_back]))
        if losses[penalty] > min(losses.values()):
            break
        best = weight
    chosen = min(losses, key=losses.__getitem__)
    weight, bias = fit_softmax(x, target, len(present), chosen, best)
    every_weight, every_bias = weight.new_zeros(classes, weight.shape[1]), weight.new_full((classes,), NEVER)
    every_weight[present], every_bias[present] = weight / scale, bias
    return FittedHead(every_weight.cpu(), every_bias.cpu(), chosen, losses, len(labels))


def out_of_fold(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    classes: int,
    folds: int,
    seed: int,
    device: torch.device,
) -> tuple[list[FittedHead], np.ndarray]:
    """A head for each fold, fitted on the labelled images of the others, and the fold of each image, `(N,)`.

    labels: `(N,)`, −1 for none; groups: `(N,)`, images of one number stay in one fold.
    """
    fold = deal(labels.tolist(), groups.tolist(), folds, seed)
    heads = []
    for f in range(folds):
        rest = (fold != f) & (labels >= 0)
        heads.append(fit_head(features[rest], labels[rest], groups[rest], classes, seed, device))
    return heads, fold


class PooledHead(nn.Module):
    """The last maps `(N, C, h, w)` → logits `(N, K)`: pooling and one linear layer."""

    def __init__(self, pooling: Pooling, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, maps: Tensor) -> Tensor:
        return F.linear(POOLINGS[self.pooling](maps), self.weight, self.bias)


def with_head(classifier: Classifier, pooling: Pooling, head: FittedHead, class_names: Sequence[str]) -> Classifier:
    """The classifier with a fitted head in place of its own; its digest covers the head's weights."""
    digest = hashlib.sha256(f"{classifier.weights_digest} {pooling}".encode())
    digest.update(head.weight.numpy().tobytes() + head.bias.numpy().tobytes())
    device = next(iter(classifier.trunk.parameters())).device
    return replace(
        classifier,
        head=PooledHead(pooling, head.weight, head.bias),
        own=OwnHead(head.weight, head.bias, pooling),
        vocabulary=replace(classifier.vocabulary, names=tuple(class_names), wnids=None),
        weights_digest=digest.hexdigest(),
    ).to(device)
