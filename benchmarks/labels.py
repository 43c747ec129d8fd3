"""Planted wrong labels that are ranked first, compared with cleanlab.

Features: the 1,797 handwritten digits of scikit-learn, and 2,000 made-up ones of 20 classes that overlap. Of the
labels, 2 % and 5 % are wrong. cleanlab gets its usual probabilities, those of scikit-learn's logistic regression in
five folds, and ranks by its default score. Figure: average precision. Printed too: how many labels are listed and how
many of them are wrong, also by reportgen's earlier rule (all ten neighbours have other labels). Gate: our mean average
precision is at least cleanlab's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from cleanlab.rank import get_label_quality_scores
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.timing import OURS, Result, measure, table
from reportgen.embedding.neighbours import nearest_neighbours
from reportgen.embedding.projections import principal_components
from reportgen.embedding.space import N_SHOWN, label_outliers
from reportgen.metrics.label_errors import MAX_AXES, LabelErrors, find_label_errors

SHARES = (0.02, 0.05)
Rank = Callable[[np.ndarray, np.ndarray], np.ndarray]


def run(quick: bool) -> Result:
    """Two seeds of each; `quick`: one."""
    ranks: dict[str, Rank] = {OURS: lambda x, y: find(x, y).own, "cleanlab": cleanlab}
    precision: dict[str, list[float]] = {name: [] for name in ranks}
    lines = []
    for name in ("digits", "overlapping"):
        for share in SHARES:
            own: dict[str, list[float]] = {rank: [] for rank in ranks}
            listed = np.zeros((2, 2), int)
            for seed in range(1 if quick else 2):
                features, labels, wrong = planted(name, share, seed)
                for rank, score in ranks.items():
                    own[rank].append(average_precision_score(wrong, -score(features, labels)))
                near = nearest_neighbours(features, N_SHOWN).index
                found = (
                    find(features, labels).other >= 0,
                    np.isin(np.arange(len(labels)), label_outliers(near, labels)),
                )
                listed += [[one.sum(), (one & wrong).sum()] for one in found]
            for rank, values in own.items():
                precision[rank] += values
                lines.append(f"{name}, {100 * share:.0f} % wrong: {rank} average precision {np.mean(values):.3f}")
            (n, right), (old_n, old_right) = listed.tolist()
            lines.append(f"    listed: {n}, of them wrong: {right}; by the earlier rule: {old_n}, {old_right}")
    features, labels, _ = planted("digits", 0.05, 0)
    timings = measure({name: lambda rank=rank: rank(features, labels) for name, rank in ranks.items()}, 1)
    gate = bool(np.mean(precision[OURS]) >= np.mean(precision["cleanlab"]))
    return Result({"cleanlab": timings.ratio("cleanlab")}, gate, [*lines, *table(timings)])


def planted(name: str, share: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features `(N, D)` float32, labels `(N,)`, and which of them are wrong."""
    random = np.random.default_rng(seed)
    if name == "digits":
        features, truth = load_digits(return_X_y=True)
        classes = 10
    else:
        classes, n, d = 20, 2_000, 256
        truth = random.integers(0, classes, n)
        centres = 0.28 * random.normal(size=(classes, d))
        features = np.maximum(0, centres[truth] + random.normal(size=(n, d)))
    wrong = random.random(len(truth)) < share
    labels = np.where(wrong, (truth + random.integers(1, classes, len(truth))) % classes, truth)
    return features.astype(np.float32), labels, wrong


def find(features: np.ndarray, labels: np.ndarray) -> LabelErrors:
    components = principal_components(features, MAX_AXES).positions
    near = nearest_neighbours(features, N_SHOWN).index
    return find_label_errors(components, near, labels, np.arange(len(labels)))


def cleanlab(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    network = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    probabilities = cross_val_predict(network, features, labels, cv=5, method="predict_proba")
    return get_label_quality_scores(labels, probabilities)
