"""Maps that continue those of earlier runs: which one, how far, how good, and how to get one that does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reportgen.embedding import continued_maps as module
from reportgen.embedding.continued_maps import is_continued, projected
from reportgen.embedding.map_quality import measure_qualities
from reportgen.embedding.maps import make_embedding_maps
from reportgen.embedding.space import Space
from reportgen.store.results_cache import ResultsCache

N = 160


@pytest.fixture(autouse=True)
def small_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_CONTINUED", 100)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions that computed a map, in their order."""
    calls: list[str] = []

    def counted(name: str) -> Callable[..., np.ndarray]:
        plain = getattr(module, name)
        return lambda *given: calls.append(name) or plain(*given)  # type: ignore[func-returns-value]

    for name in ("tsne", "continued_tsne", "placed_rows"):
        monkeypatch.setattr(module, name, counted(name))
    return calls


def clusters(n: int = N, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, n)
    centres = np.random.default_rng(9).normal(size=(4, 12))
    return (6 * centres[labels] + random.normal(size=(n, 12))).astype(np.float32), labels


def test_map_after_few_changes_continues_and_keeps_its_quality(tmp_path: Path, computed: list[str]) -> None:
    (rows, labels), cache = clusters(), ResultsCache(tmp_path)
    first = projected(Space.of(rows, cache), cache, fresh=False)
    other, other_labels = clusters(6, seed=1)
    after, labels = np.vstack((rows[4:], other)), np.concatenate((labels[4:], other_labels))
    after[50, 0] = np.nan
    space = Space.of(after, cache)
    second = projected(space, cache, fresh=False)
    assert computed == ["tsne", "continued_tsne"]
    assert (is_continued(first), is_continued(second)) == (False, True)
    assert np.isnan(second["tsne"][50]).all()
    assert np.isfinite(np.delete(second["tsne"], 50, 0)).all()
    fresh = projected(space, cache, fresh=True)
    qualities = measure_qualities(space, [second["tsne"], fresh["tsne"]], labels)
    assert qualities[0].trustworthiness > qualities[1].trustworthiness - 0.01
    assert qualities[0].preservation > qualities[1].preservation - 0.05
    np.testing.assert_array_equal(second["axes"], fresh["axes"])
    moved = np.delete(second["tsne"][: N - 4] - first["tsne"][4:], 50, 0)
    width = np.ptp(first["tsne"], 0).max()
    assert np.median(np.abs(moved)) < 0.05 * width  # a map that is computed anew may be turned or mirrored


def test_continued_map_is_found_again_and_a_fresh_one_is_preferred(tmp_path: Path, computed: list[str]) -> None:
    (rows, _), cache = clusters(), ResultsCache(tmp_path)
    projected(Space.of(rows, cache), cache, fresh=False)
    space = Space.of(rows[2:], cache)
    continued = [projected(space, cache, fresh=False)["tsne"] for _ in range(2)]
    np.testing.assert_array_equal(*continued)
    fresh = projected(space, cache, fresh=True)
    np.testing.assert_array_equal(projected(space, cache, fresh=False)["tsne"], fresh["tsne"])
    assert computed == ["tsne", "continued_tsne", "tsne"]
    alone = projected(space, ResultsCache(tmp_path / "empty"), fresh=False)
    np.testing.assert_array_equal(fresh["tsne"], alone["tsne"])  # it depends on nothing but its rows


def test_up_to_one_percent_of_new_images_are_placed_and_no_other_one_moves(tmp_path: Path, computed: list[str]) -> None:
    """The share counts from the last map on which all images moved, so many changed images end in one."""
    (rows, _), (other, _), cache = clusters(), clusters(4, seed=1), ResultsCache(tmp_path)
    after, maps = rows.copy(), [projected(Space.of(rows, cache), cache, fresh=False)]
    for changed in range(4):
        after[changed] = other[changed]
        maps.append(projected(Space.of(after, cache), cache, fresh=False))
        space = Space.of(after, cache)
        if changed == 0:
            known = np.isin(space.neighbours.index[0], [0], invert=True)
            nearest = maps[0]["tsne"][space.neighbours.index[0][known][:10]]
            assert np.abs(maps[1]["tsne"][0] - np.median(nearest, axis=0)).max() < 0.1
            np.testing.assert_array_equal(maps[1]["tsne"][1:], maps[0]["tsne"][1:])
    assert computed == ["tsne", "placed_rows", "continued_tsne", "placed_rows", "continued_tsne"]
    assert all(is_continued(found) for found in maps[1:])


def test_axes_of_pca_stay_where_only_new_images_are_placed(tmp_path: Path) -> None:
    """The axes are those of a singular value decomposition of the first rows; the others' positions do not change."""
    (rows, labels), (other, _), cache = clusters(), clusters(1, seed=1), ResultsCache(tmp_path)
    first = projected(Space.of(rows, cache), cache, fresh=False)
    after = rows.copy()
    after[7] = other[0]
    second = projected(Space.of(after, cache), cache, fresh=False)
    mean = rows.mean(0, dtype=np.float64)
    axes = np.linalg.svd(rows - mean, full_matrices=False)[2][:8]
    axes *= np.sign(axes[np.arange(8), np.abs(axes).argmax(1)])[:, None]
    np.testing.assert_allclose(first["axes"], (rows - mean) @ axes.T, atol=1e-9)
    np.testing.assert_allclose(second["axes"][7], axes @ (after[7] - mean), atol=1e-9)
    np.testing.assert_array_equal(np.delete(second["axes"], 7, 0), np.delete(first["axes"], 7, 0))
    np.testing.assert_array_equal(second["explained"], first["explained"])
    pixels = Space.of(rows[:, :4])
    notes = {
        fresh: [m.note for m in make_embedding_maps(Space.of(after, cache), pixels, labels, cache, fresh).maps]
        for fresh in (False, True)
    }
    assert "; axes and shares are those of an earlier run (--fresh-maps computes them anew)" in notes[False][1]
    assert not any("earlier" in note for note in notes[True])
    fresh = projected(Space.of(after, cache), cache, fresh=True)
    np.testing.assert_array_equal(fresh["axes"], projected(Space.of(after), None, fresh=False)["axes"])


def test_grid_of_a_continued_map_keeps_the_cells_of_all_images_that_did_not_change(tmp_path: Path) -> None:
    (rows, labels), (other, _), cache = clusters(), clusters(2, seed=1), ResultsCache(tmp_path)
    pixels = Space.of(rows[:, :4], cache)

    def cells(rows: np.ndarray, fresh: bool = False) -> np.ndarray:
        maps = make_embedding_maps(Space.of(rows, cache), pixels, labels, cache, fresh).maps
        (found,) = (one.positions for one in maps if one.name == "grid")
        assert len(np.unique(found, axis=0)) == N
        return found

    first, after = cells(rows), rows.copy()
    after[7] = other[0]
    np.testing.assert_array_equal(np.delete(cells(after), 7, 0), np.delete(first, 7, 0))
    fresh = cells(after, fresh=True)
    again = make_embedding_maps(Space.of(after), Space.of(rows[:, :4]), labels).maps
    (expected,) = (one.positions for one in again if one.name == "grid")
    np.testing.assert_array_equal(fresh, expected)  # it depends on nothing but its rows


def test_many_small_changes_end_in_a_new_map(tmp_path: Path, computed: list[str]) -> None:
    """What counts is the share that has changed since the last map that was computed from all images."""
    (rows, _), cache = clusters(), ResultsCache(tmp_path)
    for removed in range(0, 25, 8):  # 0, 5, 10 and 15 % of 160
        projected(Space.of(rows[removed:], cache), cache, fresh=False)
    assert computed == ["tsne", "continued_tsne", "continued_tsne", "tsne"]


def test_small_and_damaged_maps_are_computed_from_all_images(
    tmp_path: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (rows, _), cache = clusters(), ResultsCache(tmp_path)
    projected(Space.of(rows, cache), cache, fresh=False)
    (path,) = tmp_path.glob("maps-*.npz")
    path.write_bytes(path.read_bytes()[:-1])
    projected(Space.of(rows[1:], cache), cache, fresh=False)
    monkeypatch.setattr(module, "MIN_CONTINUED", N)
    projected(Space.of(rows[2:], cache), cache, fresh=False)
    assert computed == ["tsne", "tsne", "tsne"]


def test_equal_new_images_do_not_stay_at_one_point(tmp_path: Path) -> None:
    (rows, _), cache = clusters(), ResultsCache(tmp_path)
    projected(Space.of(rows, cache), cache, fresh=False)
    added = np.vstack((rows, np.full((2, 12), 40, np.float32)))
    found = projected(Space.of(added, cache), cache, fresh=False)
    assert is_continued(found)
    assert (found["tsne"][-1] != found["tsne"][-2]).all()
