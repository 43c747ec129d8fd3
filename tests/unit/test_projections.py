"""Projections: PCA compared with NumPy's SVD, reproducible t-SNE, and trustworthiness from its definition."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as sklearns

from reportgen.embedding import projections as embedding
from reportgen.embedding.map_quality import MapQuality, measure_qualities, trustworthiness
from reportgen.embedding.projections import principal_components, tsne
from reportgen.embedding.space import Space


def measure_quality(space: Space, positions: np.ndarray, labels: np.ndarray) -> MapQuality | None:
    (quality,) = measure_qualities(space, [positions], labels)
    return quality


def clusters(n: int, columns: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, n)
    return 6 * random.normal(size=(4, columns))[labels] + random.normal(size=(n, columns)), labels


@pytest.mark.parametrize("shape", [(60, 12), (10, 30), (5, 3), (2, 7), (780, 770)])
def test_pca_equals_the_svd(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(1).normal(size=shape)
    u, s, v = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    found = principal_components(rows)
    assert found.positions.shape == (shape[0], min(8, *shape))
    for axis in range(min(8, *shape, shape[0] - 1)):
        sign = np.sign(v[axis][np.abs(v[axis]).argmax()])
        np.testing.assert_allclose(found.positions[:, axis], sign * u[:, axis] * s[axis], atol=1e-9)
    np.testing.assert_allclose(found.explained, (s**2 / (s**2).sum())[: min(8, *shape)], atol=1e-12)


def test_pca_does_not_flip_with_the_data() -> None:
    """The sign is the largest loading's, so the mirrored data have the mirrored map."""
    rows = np.random.default_rng(2).normal(size=(40, 5))
    np.testing.assert_allclose(principal_components(-rows).positions, -principal_components(rows).positions, atol=1e-9)


def test_pca_of_many_columns_that_hardly_vary_is_found() -> None:
    """Where Lanczos iteration finds no more eigenvectors, and where eigenvalues are equal."""
    random = np.random.default_rng(5)
    flat = random.normal(size=(800, 3)) @ random.normal(size=(3, 780))
    doubled = np.kron(random.normal(size=(400, 390)), np.eye(2))
    for rows in (flat, doubled):
        s = np.linalg.svd(rows - rows.mean(0), compute_uv=False)
        found = principal_components(rows)
        np.testing.assert_allclose(found.explained, (s**2 / (s**2).sum())[:8], atol=1e-12)
        np.testing.assert_allclose(np.square(found.positions).sum(0), s[:8] ** 2, atol=1e-9 * s[0] ** 2)


def test_pca_of_constant_rows_is_zero() -> None:
    for rows in (np.ones((5, 3)), np.ones((1, 3)), np.ones((800, 780))):
        found = principal_components(rows)
        assert not found.positions.any()
        assert not found.explained.any()


def test_non_finite_rows_have_no_position() -> None:
    rows, labels = clusters(40)
    rows[7, 3] = np.nan
    space, others = Space.of(rows), Space.of(np.delete(rows, 7, 0))
    components = principal_components(rows)
    assert np.isnan(components.positions[7]).all()
    np.testing.assert_allclose(np.delete(components.positions, 7, 0), principal_components(others.rows).positions)
    placed = tsne(space, components)
    assert np.isnan(placed[7]).all()
    np.testing.assert_allclose(np.delete(placed, 7, 0), tsne(others, principal_components(others.rows)))
    assert measure_quality(space, placed, labels).n_images == 39


def test_tsne_is_reproducible_and_keeps_neighbours() -> None:
    rows, labels = clusters(150)
    space, components = Space.of(rows), principal_components(rows)
    placed = tsne(space, components)
    np.testing.assert_array_equal(placed, tsne(Space.of(rows.copy()), principal_components(rows)))
    quality = measure_quality(space, placed, labels)
    assert quality.trustworthiness > 0.95
    assert quality.accuracy.value == 1
    shuffled = measure_quality(space, np.random.default_rng(0).permutation(placed), labels)
    assert shuffled.trustworthiness < 0.6
    assert shuffled.preservation < 0.2


def test_large_data_sets_are_placed_around_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "MAX_TSNE_IMAGES", 120)
    rows, labels = clusters(200)
    space = Space.of(rows)
    placed = tsne(space, principal_components(rows))
    assert np.isfinite(placed).all()
    assert measure_quality(space, placed, labels).accuracy.value == 1
    np.testing.assert_array_equal(placed, tsne(space, principal_components(rows)))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 20, 91])
def test_projections_of_few_images_are_finite(n: int) -> None:
    """Fewer than the perplexity asks for, down to one."""
    rows, labels = clusters(n)
    space = Space.of(rows)
    placed = tsne(space, principal_components(rows))
    assert placed.shape == (n, 2)
    assert np.isfinite(placed).all()
    assert (measure_quality(space, placed, labels) is None) == (n < 3)


def test_projections_of_identical_images_are_finite() -> None:
    same = Space.of(np.ones((30, 4)))
    assert not tsne(same, principal_components(same.rows)).any()
    rows = np.repeat(clusters(20)[0], 3, 0)
    placed = tsne(Space.of(rows), principal_components(rows))
    assert np.isfinite(placed).all()


def slow_trustworthiness(rows: np.ndarray, positions: np.ndarray, k: int) -> float:
    """Venna and Kaski 2001, from the definition."""
    n, total = len(rows), 0
    for i in range(n):
        by_rows = [j for j in np.argsort(np.square(rows - rows[i]).sum(1), kind="stable") if j != i]
        by_map = [j for j in np.argsort(np.square(positions - positions[i]).sum(1), kind="stable") if j != i][:k]
        total += sum(by_rows.index(j) + 1 - k for j in by_map if by_rows.index(j) >= k)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * total


def test_trustworthiness_equals_its_definition() -> None:
    random = np.random.default_rng(3)
    rows, positions = random.normal(size=(50, 6)), random.normal(size=(50, 2))
    near = np.array([[j for j in np.argsort(np.square(positions - p).sum(1)) if j != i][:7]
                     for i, p in enumerate(positions)])  # fmt: skip
    mirrored = near[::-1].copy()
    found, other = trustworthiness(rows, [near, mirrored], np.arange(50))
    assert [other] == trustworthiness(rows, [mirrored], np.arange(50))
    assert found == pytest.approx(slow_trustworthiness(rows, positions, 7))
    assert found == pytest.approx(sklearns(rows, positions, n_neighbors=7))
    assert trustworthiness(rows[:, :2], [np.array([[j for j in np.argsort(np.square(rows[:, :2] - p).sum(1))
        if j != i][:7] for i, p in enumerate(rows[:, :2])])], np.arange(50)) == [1]  # fmt: skip


def test_preservation_is_the_share_of_common_neighbours() -> None:
    rows, labels = clusters(60)
    space = Space.of(rows)
    positions = np.random.default_rng(4).normal(size=(60, 2))
    shares = []
    for i in range(60):
        nearest = [set([j for j in np.argsort(np.square(x - x[i]).sum(1)) if j != i][:15]) for x in (rows, positions)]
        shares.append(len(nearest[0] & nearest[1]) / 15)
    assert measure_quality(space, positions, labels).preservation == pytest.approx(np.mean(shares))
