"""Linear softmax heads fitted on pooled feature maps of a frozen trunk: GAP on their means, GMP on their maxima."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.data.class_names import ClassNames
from reportgen.data.groups import assign_folds
from reportgen.errors import DataError
from reportgen.models.class_tokens import without_class_tokens
from reportgen.models.classifier import Classifier, LinearHead, Pooling
from reportgen.models.softmax_regression import fit_softmax

POOLINGS: dict[Pooling, Callable[[Tensor], Tensor]] = {
    "gap": lambda maps: maps.mean((2, 3)),
    "gmp": lambda maps: maps.amax((2, 3)),
}
L2_PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""L2 penalties that are tried, strongest first, on features whose variance is 1 on average."""
ABSENT_CLASS_LOGIT = -100.0
"""Logit of a class without training images: it can be ranked, and its probability is 0."""
VALIDATION_FOLDS = 5
"""One in so many of the training images is held out while the penalty is chosen."""


@dataclass(frozen=True)
class FittedHead:
    """A head, and how it was fitted. weight: `(K, C)`, bias: `(K,)`, float32; n_images: number of training images.

    losses: penalty → mean cross-entropy on the held-out images; gradient: as in `SoftmaxFit`.
    """

    weight: Tensor
    bias: Tensor
    penalty: float
    losses: dict[float, float]
    n_images: int
    gradient: float


def fit_head(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: int, seed: int, device: torch.device
) -> FittedHead:
    """Choose the penalty on a held-out fifth of the images, and fit the head with it on all of them.

    features: `(N, C)` float32; labels: `(N,)`, each in 0…K−1; groups: `(N,)`, images of a group are not
    separated. Classes without images get the logit `ABSENT_CLASS_LOGIT`.
    Errors: DataError for fewer than two classes.
    """
    present, y = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        raise DataError(
            f"cannot fit a head: its labelled training images cover {len(present)} of the classes",
            "add labelled images, or give a training set with `fit_data`",
        )
    if device.type == "mps":  # has no float64
        device = torch.device("cpu")
    scale = float(np.sqrt(features.var(0, dtype=np.float64).mean())) or 1.0
    x = torch.from_numpy(features).to(device) / scale
    target = torch.from_numpy(y).to(device)
    held_out = torch.from_numpy(assign_folds(y.tolist(), groups.tolist(), VALIDATION_FOLDS, seed) == 0).to(device)
    losses: dict[float, float] = {}
    weight, best = None, None
    for penalty in L2_PENALTIES:
        fit = fit_softmax(x[~held_out], target[~held_out], len(present), penalty, weight)
        weight = fit.weight
        losses[penalty] = float(F.cross_entropy(x[held_out].double() @ weight.T + fit.bias, target[held_out]))
        if losses[penalty] > min(losses.values()):
            break
        best = weight
    chosen = min(losses, key=losses.__getitem__)
    fit = fit_softmax(x, target, len(present), chosen, best)
    weights = torch.zeros(classes, features.shape[1])
    biases = torch.full((classes,), ABSENT_CLASS_LOGIT)
    weights[present], biases[present] = (fit.weight / scale).float().cpu(), fit.bias.float().cpu()
    return FittedHead(weights, biases, chosen, losses, len(labels), fit.gradient)


def cross_fit_heads(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    classes: int,
    folds: int,
    seed: int,
    device: torch.device,
) -> tuple[list[FittedHead], np.ndarray]:
    """Fit a head for each fold on the labelled images of the other folds; return the heads and the folds `(N,)`.

    labels: `(N,)`, −1 for none; groups: `(N,)`, images of a group are in the same fold. Errors: DataError.
    """
    fold = assign_folds(labels.tolist(), groups.tolist(), folds, seed)
    heads = []
    for f in range(folds):
        rest = (fold != f) & (labels >= 0)
        heads.append(fit_head(features[rest], labels[rest], groups[rest], classes, seed, device))
    return heads, fold


class PooledHead(nn.Module):
    """Feature maps `(N, C, h, w)` → logits `(N, K)`: global pooling and one linear layer."""

    def __init__(self, pooling: Pooling, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, maps: Tensor) -> Tensor:
        return F.linear(POOLINGS[self.pooling](maps), self.weight, self.bias)


def replace_head(classifier: Classifier, pooling: Pooling, head: FittedHead, class_names: Sequence[str]) -> Classifier:
    """Return the classifier with a fitted head in place of its own. Its digest covers the head's weights."""
    digest = hashlib.sha256(f"{classifier.weights_digest} {pooling}".encode())
    digest.update(head.weight.numpy().tobytes() + head.bias.numpy().tobytes())
    trunk = classifier.trunk
    device = next(iter(trunk.parameters())).device
    return replace(
        classifier,
        trunk=without_class_tokens(trunk) if isinstance(trunk, fx.GraphModule) else trunk,
        head=PooledHead(pooling, head.weight, head.bias),
        linear_head=LinearHead(head.weight, head.bias, pooling),
        class_names=ClassNames(tuple(class_names)),
        weights_digest=digest.hexdigest(),
        original=None,
        reads_tokens=False,
    ).to(device)
