"""Updated neighbours equal a full computation, bit by bit; rows are matched by their values."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.embedding import neighbour_updates as module
from reportgen.embedding import space as space_module
from reportgen.embedding.neighbour_updates import updated_neighbours
from reportgen.embedding.neighbours import Neighbours, nearest_neighbours
from reportgen.embedding.row_matching import changed_share, in_same_order, match_rows, row_digests
from reportgen.embedding.space import Space
from reportgen.store.results_cache import ResultsCache


@pytest.fixture(autouse=True)
def only_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Update however many lists are to be searched for, and in blocks that small inputs have several of."""
    monkeypatch.setattr(module, "MAX_RECOMPUTED_SHARE", 1.0)
    monkeypatch.setattr(module, "BLOCK", 8)


def assert_updated(before: np.ndarray, after: np.ndarray, k: int) -> None:
    source = match_rows(row_digests(before), row_digests(after))
    found = updated_neighbours(after, k, nearest_neighbours(before, k), source)
    expected = nearest_neighbours(after, k)
    np.testing.assert_array_equal(found.index, expected.index)
    assert found.distance.tobytes() == expected.distance.tobytes()
    np.testing.assert_array_equal(found.left_out, expected.left_out)


def changed(rows: np.ndarray, random: np.random.Generator, whole: bool) -> np.ndarray:
    """The rows after some were removed, changed, added and moved. whole: of small whole numbers, so with many ties."""

    def fresh(n: int) -> np.ndarray:
        made = random.integers(0, 3, (n, rows.shape[1])) if whole else random.normal(size=(n, rows.shape[1]))
        return made.astype(rows.dtype)

    after = rows[random.random(len(rows)) > random.choice([0, 0.1, 0.5])]
    rest = np.flatnonzero(random.random(len(after)) < random.choice([0, 0.1]))
    after[rest] = fresh(len(rest))
    added = fresh(int(random.integers(0, 6)))
    after = np.insert(after, random.integers(0, len(after) + 1, len(added)), added, axis=0)
    if random.random() < 0.3 and len(after):
        after = np.roll(after, int(random.integers(0, len(after))), axis=0)
    after[random.random(len(after)) < random.choice([0, 0.05]), 0] = np.nan
    return after


@given(st.integers(0, 50), st.integers(1, 4), st.integers(1, 12), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_updated_neighbours_equal_a_full_computation(n: int, columns: int, k: int, whole: bool, seed: int) -> None:
    """Additions, removals, changes, moves, ties and rows that are not finite, in several updates."""
    random = np.random.default_rng(seed)
    rows = changed(np.zeros((0, columns), np.float32), random, whole)
    rows = np.vstack((rows, random.integers(0, 3, (n, columns)).astype(np.float32) if whole else
                      random.normal(size=(n, columns)).astype(np.float32)))  # fmt: skip
    for _ in range(2):
        after = changed(rows, random, whole)
        assert_updated(rows, after, k)
        rows = after


def test_distances_that_differ_by_less_than_their_roots_keep_their_order() -> None:
    """In float64, 1 + 2⁻⁵² is larger than 1, and has the same root."""
    tiny = 2.0**-26
    before = np.array([[0.0, 0.0], [1.0, tiny], [-1.0, 0.0], [5.0, 5.0]])
    after = np.insert(before, 3, [[0.0, 1.0], [tiny, -1.0]], axis=0)
    squares = np.square(after).sum(1)
    assert squares[1] > squares[3]
    assert np.sqrt(squares[1]) == np.sqrt(squares[3])
    for k in (1, 2, 3):
        assert_updated(before, after, k)


def test_only_touched_lists_are_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    before = random.normal(size=(400, 8)).astype(np.float32)
    after = before.copy()
    after[[100, 200, 201, 202]] += 1  # more than `MAX_COMPARED`
    pairs: list[int] = []

    def counted(rows: np.ndarray, k: int, reference: np.ndarray | None = None) -> object:
        pairs.append(len(rows) * len(rows if reference is None else reference))
        return nearest_neighbours(rows, k, reference)

    monkeypatch.setattr(module, "nearest_neighbours", counted)
    earlier = nearest_neighbours(before, 5)
    updated_neighbours(after, 5, earlier, match_rows(row_digests(before), row_digests(after)))
    is_searched = np.isin(earlier.index, [100, 200, 201, 202]).any(1)
    is_searched[[100, 200, 201, 202]] = True
    lost = int(is_searched.sum())
    assert pairs == [400 * lost, 4 * (400 - lost)]


def test_space_updates_the_neighbours_of_the_most_similar_earlier_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    cache = ResultsCache(tmp_path)
    near, far = (random.normal(size=(120, 6)).astype(np.float32) for _ in range(2))
    for rows in (near, far):
        Space.of(rows, cache)
    matched: list[int] = []

    def seen(rows: np.ndarray, k: int, earlier: Neighbours, source: np.ndarray) -> Neighbours:
        matched.append(int((source >= 0).sum()))
        return updated_neighbours(rows, k, earlier, source)

    monkeypatch.setattr(space_module, "updated_neighbours", seen)
    for rows in (near[:-1], far[2:], near):
        found, expected = Space.of(rows, cache).neighbours, nearest_neighbours(rows, 90)
        np.testing.assert_array_equal(found.index, expected.index)
        np.testing.assert_array_equal(found.distance, expected.distance)
    assert matched == [119, 118]  # the third is found as it is


def test_equal_rows_are_matched_one_to_one() -> None:
    digests = row_digests(np.array([[1.0], [2.0], [1.0], [3.0]]))
    assert match_rows(digests, digests).tolist() == [0, 1, 2, 3]
    assert match_rows(digests[:2], digests).tolist() == [0, 1, -1, -1]
    assert match_rows(digests, digests[[2, 3, 0, 0]]).tolist() == [0, 3, 2, -1]
    assert changed_share(digests, digests[[2, 3, 0, 0]]) == 0.25
    assert changed_share(digests, digests[:1]) == 0.75
    assert changed_share(digests[:0], digests[:0]) == 0


@given(st.permutations(range(7)), st.integers(0, 2**7 - 1))
@settings(max_examples=80, deadline=None)
def test_rows_in_the_same_order_are_a_longest_increasing_subsequence(order: list[int], unmatched: int) -> None:
    source = np.array([-1 if unmatched >> i & 1 else value for i, value in enumerate(order)])
    kept = in_same_order(source)
    values = kept[kept >= 0]
    assert (np.diff(values) > 0).all()
    assert set(kept[kept >= 0]) <= set(source)
    assert ((kept == source) | (kept == -1)).all()
    present = source[source >= 0].tolist()
    longest = max(size for size in range(len(present) + 1) for c in combinations(present, size) if list(c) == sorted(c))
    assert len(values) == longest
