"""Regions of an embedding map: planted clusters, nesting, names by their definition, and false alarms."""

from __future__ import annotations

from math import comb
from pathlib import Path

import numpy as np
import pytest

from reportgen.embedding import regions as regions_module
from reportgen.embedding.region_names import Attribute, name_regions, summarize_regions
from reportgen.embedding.regions import MapRegions, find_regions
from reportgen.store.results_cache import ResultsCache

CORNERS = np.array([[0.0, 0], [0, 10], [10, 0], [10, 10]])


def planted(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four clusters far apart, each of three that are close; and the number of each point's small cluster."""
    random = np.random.default_rng(seed)
    small = np.arange(n) % 12
    parts = np.array([[0, 0], [1.5, 0], [0, 1.5]])
    return CORNERS[small // 3] + parts[small % 3] + 0.15 * random.normal(size=(n, 2)), small


def agreement(members: np.ndarray, wanted: np.ndarray) -> float:
    """Jaccard index of two sets of rows."""
    return len(np.intersect1d(members, wanted)) / len(np.union1d(members, wanted))


@pytest.mark.parametrize("n", [120, 1200])
def test_planted_clusters_are_found_at_both_sizes_and_nested(n: int) -> None:
    positions, small = planted(n)
    regions = find_regions(positions)
    for k in range(12):
        assert max(agreement(regions.members(r), np.flatnonzero(small == k)) for r in range(len(regions))) > 0.9
    if n == 1200:  # the coarsest level asks for 60 images, and a small cluster has 100
        regions = find_regions(positions[small < 9])
        assert len(regions) >= 9


def test_coarse_level_has_large_clusters_and_fine_levels_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions_module, "MIN_SHARES", (0.15, 0.04, 0.004))
    positions, small = planted(600)
    regions = find_regions(positions)
    coarse = [r for r in range(len(regions)) if regions.levels[r, 0]]
    assert sorted(max(agreement(regions.members(r), np.flatnonzero(small // 3 == k)) for r in coarse)
                  for k in range(4))[0] > 0.9  # fmt: skip
    parts = [r for r in range(len(regions)) if regions.levels[r, 1] and regions.parent[r] >= 0]
    assert len(parts) >= 12
    for part in parts:
        parent = int(regions.parent[part])
        assert parent < part
        assert set(regions.members(part)) < set(regions.members(parent))
        assert len(set(small[regions.members(parent)] // 3)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_any_two_regions_are_nested_or_disjoint(seed: int) -> None:
    random = np.random.default_rng(seed)
    positions = random.normal(size=(9, 2))[random.integers(0, 9, 700)] + 0.25 * random.normal(size=(700, 2))
    regions = find_regions(positions)
    sets = [set(regions.members(r)) for r in range(len(regions))]
    assert [len(s) for s in sets] == sorted((len(s) for s in sets), reverse=True)
    for r, members in enumerate(sets):
        around = [q for q in range(r) if sets[q] & members]
        assert all(members <= sets[q] for q in around)
        assert regions.parent[r] == max(around, default=-1)
    for i in range(700):
        inside = [r for r, members in enumerate(sets) if i in members]
        assert regions.smallest[i] == max(inside, default=-1)


def test_images_beyond_the_sample_follow_the_nearest_sampled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    positions, small = planted(1200)
    positions[7] = np.nan
    monkeypatch.setattr(regions_module, "MAX_CLUSTERED", 480)
    regions = find_regions(positions)
    assert regions.n_clustered == 480
    assert regions.smallest[7] == -1
    for k in range(12):
        wanted = np.flatnonzero((small == k) & (np.arange(1200) != 7))
        assert max(agreement(regions.members(r), wanted) for r in range(len(regions))) > 0.85
    again = find_regions(positions.copy())
    np.testing.assert_array_equal(again.smallest, regions.smallest)
    np.testing.assert_array_equal(again.levels, regions.levels)


def test_regions_of_a_continued_map_stay_and_new_images_follow_the_nearest(tmp_path: Path) -> None:
    (positions, _), cache = planted(1200), ResultsCache(tmp_path)
    first = find_regions(positions, cache=cache)
    after = np.delete(positions, [3, 700], 0)
    after[50] = positions[900] + 1e-3
    after[60] = np.nan
    found = find_regions(after, cache=cache, continues=True)
    moved = np.isin(np.arange(1198), [50, 60], invert=True)
    kept = np.delete(np.arange(1200), [3, 700])
    before = [set(first.members(r)) for r in range(len(first))]
    for r in range(len(found)):
        members = set(kept[found.members(r)[moved[found.members(r)]]])
        assert members in [one - {3, 700, kept[50], kept[60]} for one in before]
        assert found.parent[r] < r
        assert 50 in found.members(r) or int(np.flatnonzero(kept == 900)[0]) not in found.members(r)
    assert len(found) == len(first)
    assert found.smallest[60] == -1
    assert found.n_clustered == 1196
    sizes = [len(found.members(r)) for r in range(len(found))]
    assert sizes == sorted(sizes, reverse=True)
    alone = find_regions(after, cache=cache)
    np.testing.assert_array_equal(alone.smallest, find_regions(after).smallest)  # it depends on nothing but positions


def test_region_that_has_lost_all_images_ends_in_new_regions(tmp_path: Path) -> None:
    (positions, _), cache = planted(1200), ResultsCache(tmp_path)
    extra = 5 + 0.01 * np.random.default_rng(1).normal(size=(6, 2))
    first = find_regions(np.vstack((positions, extra)), cache=cache)
    assert [1200, 1201, 1202, 1203, 1204, 1205] in [first.members(r).tolist() for r in range(len(first))]
    found = find_regions(positions, cache=cache, continues=True)
    np.testing.assert_array_equal(found.smallest, find_regions(positions).smallest)
    assert all(len(found.members(r)) for r in range(len(found)))


@pytest.mark.parametrize("positions", [np.zeros((0, 2)), np.zeros((3, 2)), np.zeros((40, 2)), np.full((20, 2), np.nan)])
def test_few_or_equal_points_have_regions_without_an_error(positions: np.ndarray) -> None:
    regions = find_regions(positions)
    assert len(regions.smallest) == len(positions)
    assert name_regions(regions, [], np.isfinite(positions).all(1)) == [None] * len(regions)


# ----------------------------------------------------------------------------------------------------- names


def one_region(members: list[int], n: int) -> MapRegions:
    smallest = np.full(n, -1)
    smallest[members] = 0
    return MapRegions(smallest, np.array([-1]), np.array([[True, False, False]]), n)


def fishers_p(count: int, n_inside: int, total: int, n: int) -> float:
    """The probability that a random subset has at least `count` of the images with a value, from binomials."""
    ways = sum(comb(total, c) * comb(n - total, n_inside - c) for c in range(count, min(total, n_inside) + 1))
    return ways / comb(n, n_inside)


@pytest.mark.parametrize("seed", range(40))
def test_a_name_follows_from_its_definition(seed: int) -> None:
    """Slowly, value by value: the share inside and outside, Fisher's exact p, and the preference for labels."""
    random = np.random.default_rng(seed)
    n, n_inside = 40, int(random.integers(5, 15))
    inside = set(range(n_inside))
    values = {kind: random.integers(-1, 4, n) for kind in ("label", "prediction")}
    for kind in values:
        values[kind][:n_inside] = np.where(random.random(n_inside) < random.random(), 2, values[kind][:n_inside])
    tests = sum(len({v for v in column if v >= 0}) for column in values.values())
    best = None
    for kind, column in values.items():
        found = []
        for value in range(4):
            count = sum(column[i] == value for i in inside)
            total = sum(v == value for v in column)
            share, other = count / n_inside, (total - count) / (n - n_inside)
            p = fishers_p(int(count), n_inside, int(total), n)
            if share >= 0.25 and share >= 2 * other and p * tests <= 0.05:
                found.append((share - other, -value))
        if found and (best is None or max(found)[0] > best[0] + 0.1):
            best = (max(found)[0], kind, f"{kind} {-max(found)[1]}")
    attributes = [Attribute(kind, column, [f"{kind} {v}" for v in range(4)]) for kind, column in values.items()]
    (name,) = name_regions(one_region(sorted(inside), n), attributes, np.ones(n, bool))
    assert (name and (name.kind, name.text)) == (best and best[1:])
    if name:
        assert name.inside.value - name.outside.value == pytest.approx(best[0])


@pytest.mark.parametrize("seed", range(60))
def test_a_name_of_several_labels_follows_from_its_definition(seed: int) -> None:
    """Slowly, over sets: the over-represented labels by their difference, then those that join the first one."""
    random = np.random.default_rng(seed)
    n, n_inside = 40, int(random.integers(8, 16))
    own = [{k for k in range(5) if random.random() < 0.15} for _ in range(n)]
    for k in range(int(random.integers(1, 5))):
        share = 0.4 + 0.6 * random.random()
        for labels in own[:n_inside]:
            if random.random() < share:
                labels.add(k)
    tests = len(set().union(*own))

    def shares(values: set[int]) -> tuple[float, float]:
        inside, outside = ([values <= labels for labels in part] for part in (own[:n_inside], own[n_inside:]))
        return sum(inside) / n_inside, sum(outside) / (n - n_inside)

    found = []
    for k in range(5):
        inside, outside = shares({k})
        p = fishers_p(round(inside * n_inside), n_inside, sum(k in labels for labels in own), n)
        if inside >= 0.25 and inside >= 2 * outside and p * tests <= 0.05:
            found.append((outside - inside, k))
    order = [k for _, k in sorted(found)]
    expected = order[:1]
    for k in order[1:]:
        inside, outside = shares({*expected, k})
        if inside >= 0.5 and inside >= 2 * outside and len(expected) < 3:
            expected.append(k)
    table = np.array([[k in labels for k in range(5)] for labels in own])
    attribute = Attribute("label", table, "abcde")
    (name,) = name_regions(one_region(list(range(n_inside)), n), [attribute], np.ones(n, bool))
    assert (list(name.values) if name else []) == ["abcde"[k] for k in expected]
    if name:
        assert (name.inside.value, name.outside.value) == pytest.approx(shares(set(expected)))
        assert name.text == ", ".join(name.values)


def test_planted_pair_of_labels_names_its_region() -> None:
    table = np.zeros((40, 3), bool)
    table[:12, 0] = table[:9, 1] = True  # nine of twelve images have both
    table[12:20, 1] = True
    (name,) = name_regions(one_region(list(range(12)), 40), [Attribute("label", table, "abc")], np.ones(40, bool))
    assert name is not None
    assert (name.values, name.inside.count, name.inside.n, name.outside.count) == (["a", "b"], 9, 12, 0)


def test_planted_clusters_get_the_names_of_their_classes() -> None:
    positions, small = planted(600, seed=3)
    random = np.random.default_rng(0)
    labels = np.where(random.random(600) < 0.9, small, random.integers(0, 12, 600))
    attribute = Attribute("label", labels, [f"class {k}" for k in range(12)])
    regions = find_regions(positions)
    names = name_regions(regions, [attribute], np.ones(600, bool))
    named = {name.text for name in names if name}
    assert named == {f"class {k}" for k in range(12)}
    for r, name in enumerate(names):
        if name:
            assert f"class {np.bincount(small[regions.members(r)]).argmax()}" == name.text
            assert name.inside.count == (labels[regions.members(r)] == int(name.text[6:])).sum()


def test_uniform_noise_gets_a_name_in_at_most_one_of_twenty_maps() -> None:
    """Uniform positions with values at random: 200 maps, of which any name in any region is a false alarm."""
    alarms = regions_seen = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        regions = find_regions(random.random((150, 2)))
        attributes = [Attribute(kind, random.integers(0, 6, 150), "abcdef") for kind in ("label", "prediction")]
        regions_seen += len(regions)
        alarms += any(name_regions(regions, attributes, np.ones(150, bool)))
    assert regions_seen > 200
    assert alarms <= 17  # 10 expected at most; the probability of more than 17 is 1 %


def test_a_value_that_is_frequent_everywhere_names_no_region() -> None:
    positions, _ = planted(240)
    everywhere = Attribute("label", np.where(np.arange(240) % 10 < 9, 0, 1), ["common", "rare"])
    regions = find_regions(positions)
    assert name_regions(regions, [everywhere], np.ones(240, bool)) == [None] * len(regions)


def test_summary_has_the_error_of_the_labelled_images_and_the_most_frequent_prediction() -> None:
    labels = np.array([0, 0, 1, -1, 1, 0, 1, 1])
    predicted = np.array([0, 1, 1, 1, 0, 0, 0, 1])
    regions, predictions = one_region([0, 1, 2, 3, 4], 8), Attribute("prediction", predicted, "ab")
    wrong, judged = labels != predicted, labels >= 0
    (summary,) = summarize_regions(regions, [], predictions, wrong, judged, np.ones(8, bool))
    assert summary.members.tolist() == [0, 1, 2, 3, 4]
    assert (summary.errors.count, summary.errors.n) == (2, 4)
    assert (summary.prediction[0], summary.prediction[1].count, summary.prediction[1].n) == ("b", 3, 5)
    assert summary.name is None
