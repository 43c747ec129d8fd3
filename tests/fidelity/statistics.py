"""Neighbours, embedding, calibration, intervals and tests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import binomtest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as sklearn_trustworthiness
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from reportgen.embedding.map_quality import trustworthiness
from reportgen.embedding.neighbours import nearest_neighbours
from reportgen.embedding.projections import principal_components
from reportgen.embedding.space import knn_accuracy
from reportgen.metrics.confidence.calibration import calibrate
from reportgen.metrics.intervals import Rate
from reportgen.metrics.paired import mcnemar
from tests.fidelity.case import Case
from tests.fidelity.comparison import Comparison, compare, needs


def neighbours(case: Case) -> Iterator[Comparison]:
    rows = case.array("features/gap").astype(np.float64)
    k = min(10, len(rows) - 1)
    ours = nearest_neighbours(case.array("features/gap"), k)
    distance, index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows).kneighbors()
    yield compare("Nearest neighbours: images", "scikit-learn, brute force", ours.index, index)
    yield compare("Nearest neighbours: distances", "scikit-learn, brute force", ours.distance, distance, 1e-4)
    labels = np.array([sample.label for sample in case.inputs.samples])
    if labels.max() != labels.min():
        right = []
        for i in range(len(rows)):
            rest = np.arange(len(rows)) != i
            model = KNeighborsClassifier(1, algorithm="brute").fit(rows[rest], labels[rest])
            right.append(model.predict(rows[i : i + 1])[0] == labels[i])
        rate = knn_accuracy(ours, labels, 1)
        assert rate is not None
        yield compare("kNN accuracy, k = 1, leave-one-out", "scikit-learn", [rate.value], [np.mean(right)], 1e-12)


@needs("faiss")
def neighbours_of_peer(case: Case) -> Iterator[Comparison]:
    import faiss

    rows = np.ascontiguousarray(case.array("features/gap"), np.float32)
    k = min(10, len(rows) - 1)
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    square, _ = index.search(rows, k + 1)
    expected = np.sqrt(np.maximum(np.sort(square, 1)[:, 1:], 0))
    yield compare(
        "Nearest neighbours: distances",
        "faiss, IndexFlatL2 (float32)",
        nearest_neighbours(rows, k).distance,
        expected,
        1e-2,
    )


def embedding(case: Case) -> Iterator[Comparison]:
    rows = case.array("features/gap").astype(np.float64)
    ours = principal_components(rows)
    axes = min(8, len(rows) - 1)
    pca = PCA(axes, svd_solver="full").fit(rows)
    pair = (np.abs(positions[:, :axes]) for positions in (ours.positions, pca.transform(rows)))
    yield compare("PCA: positions but for the sign", "scikit-learn", *pair, 1e-6)
    yield compare("PCA: explained variance", "scikit-learn", ours.explained[:axes], pca.explained_variance_ratio_, 1e-9)
    plane, k = ours.positions[:, :2], max(1, min(15, (len(rows) - 1) // 2))
    near = NearestNeighbors(n_neighbors=k).fit(plane).kneighbors(return_distance=False)
    (found,) = trustworthiness(rows, [near], np.arange(len(rows)))
    yield compare(
        "Trustworthiness", "scikit-learn", [found], [sklearn_trustworthiness(rows, plane, n_neighbors=k)], 1e-9
    )


def calibration(case: Case) -> Iterator[Comparison]:
    scores, labels = case.outputs[1].double().softmax(1).numpy(), np.array([s.label for s in case.inputs.samples])
    confidence, right = scores.max(1), scores.argmax(1) == labels
    ece = 0.0
    for m in range(15):
        members = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if members.any():
            ece += members.mean() * abs(right[members].mean() - confidence[members].mean())
    ours = calibrate(case.figures.classification.scores[:, 0], case.figures.classification.top1_correct)
    assert ours is not None
    yield compare("Expected calibration error, 15 bins", "plain loop over bins", [ours.ece], [ece], 1e-4)


def intervals_and_tests(case: Case) -> Iterator[Comparison]:
    del case
    pairs = [(k, n) for n in (1, 5, 34, 500) for k in range(0, n + 1, max(1, n // 20))]
    expected = []
    for k, n in pairs:
        interval = binomtest(k, n).proportion_ci(method="wilson")
        expected.append((interval.low, interval.high))
    yield compare("Wilson intervals", "scipy", [Rate(k, n).interval for k, n in pairs], expected, 1e-9)
    counts = [(a, b) for a in range(20) for b in range(20) if a + b]
    doubled = [min(1.0, 2 * binomtest(min(a, b), a + b, alternative="less").pvalue) for a, b in counts]
    yield compare(
        "McNemar's exact test, p values", "scipy, doubled tail", [mcnemar(a, b) for a, b in counts], doubled, 1e-12
    )


ALL = (neighbours, neighbours_of_peer, embedding, calibration, intervals_and_tests)
