"""The 20 nearest of 20,000 features of 2,048 numbers, compared with scikit-learn's brute force and faiss's IndexFlatL2.

All three get the same float32 features and the same threads. Gate: our order is that of comparing all pairs in float64,
checked on 500 rows. How often the peers' order is the same is printed as well: float32 cannot tell close ones apart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import faiss
import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from benchmarks.made_up_features import made_up_features
from benchmarks.timing import OURS, Result, measure, table
from reportgen.embedding.neighbours import nearest_neighbours

K = 20


def run(quick: bool) -> Result:
    """20,000 features, 3 rounds; `quick`: 4,000 features, 3 rounds."""
    features, _ = made_up_features(4_000 if quick else 20_000)
    faiss.omp_set_num_threads(torch.get_num_threads())
    found: dict[str, np.ndarray] = {}

    def finds(name: str, find: Callable[[np.ndarray], np.ndarray]) -> None:
        found[name] = find(features)

    contestants = {OURS: ours, "scikit-learn": scikit_learn, "faiss": flat_l2}
    timings = measure({name: partial(finds, name, find) for name, find in contestants.items()}, 3)
    rows = np.linspace(0, len(features) - 1, 500).astype(int)
    exact = np.array([float64_order(features, i) for i in rows])
    same = {name: float((index[rows] == exact).all(1).mean()) for name, index in found.items()}
    lines = [f"{len(features):,} features of {features.shape[1]:,}, k = {K}", *table(timings)]
    lines += [f"{name}: {100 * share:.1f} % of the rows in float64's order" for name, share in same.items()]
    return Result({peer: timings.ratio(peer) for peer in ("scikit-learn", "faiss")}, same[OURS] == 1, lines)


def ours(features: np.ndarray) -> np.ndarray:
    return nearest_neighbours(features, K).index


def scikit_learn(features: np.ndarray) -> np.ndarray:
    return (
        NearestNeighbors(n_neighbors=K, algorithm="brute", n_jobs=torch.get_num_threads()).fit(features).kneighbors()[1]
    )


def flat_l2(features: np.ndarray) -> np.ndarray:
    index = faiss.IndexFlatL2(features.shape[1])
    index.add(features)
    return index.search(features, K + 1)[1][:, 1:]


def float64_order(features: np.ndarray, i: int) -> np.ndarray:
    row = features[i].astype(np.float64)
    few = np.array_split(features, max(1, len(features) // 128))  # what stays in the processor's cache
    squares = np.concatenate([np.square(row - some).sum(1) for some in few])
    squares[i] = np.inf
    return np.argsort(squares, kind="stable")[:K]
