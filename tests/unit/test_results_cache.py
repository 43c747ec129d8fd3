"""The cache of results: found by their inputs, recomputed when damaged, listed, verified and pruned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reportgen.store import inventory as cache
from reportgen.store.results_cache import ResultsCache, row_keys
from reportgen.store.usage import begin_use, end_use

ROWS = np.arange(6.0).reshape(2, 3)


def test_results_cache_computes_the_same_inputs_once(tmp_path: Path) -> None:
    calls = []

    def twice(rows: np.ndarray) -> dict[str, np.ndarray]:
        calls.append(rows.shape)
        return {"twice": 2 * rows}

    keep = ResultsCache(tmp_path).get
    for inputs in ([ROWS, 5], [ROWS.copy(), 5], [np.asfortranarray(ROWS), 5]):
        np.testing.assert_array_equal(keep("twice", inputs, lambda: twice(ROWS))["twice"], 2 * ROWS)
    assert len(calls) == 1
    different = [
        [ROWS, 6],
        [ROWS, "5"],
        [ROWS + 1, 5],
        [ROWS.reshape(3, 2), 5],
        [ROWS.astype(np.float32), 5],
        [5, ROWS],
    ]
    for inputs in different:
        keep("twice", inputs, lambda: twice(ROWS))
    assert len(calls) == 1 + len(different)
    assert len(list(tmp_path.glob("twice-*.npz"))) == len(calls)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data.replace(b"\x40", b"\x41")]
)
def test_damaged_result_is_named_and_computed_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    keep = ResultsCache(tmp_path / "cache").get
    keep("half", [ROWS], lambda: {"half": ROWS / 2})
    (path,) = (tmp_path / "cache").glob("half-*.npz")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    (fault,) = cache.find_faults(tmp_path)
    assert path.name in fault
    np.testing.assert_array_equal(keep("half", [ROWS], lambda: {"half": ROWS / 2})["half"], ROWS / 2)
    assert path.read_bytes() == whole
    assert cache.find_faults(tmp_path) == []


def test_rows_of_an_earlier_result_are_not_computed_again(tmp_path: Path) -> None:
    cache, computed = ResultsCache(tmp_path), []

    def doubled(values: list[int]) -> list[int]:
        def compute(rows: np.ndarray) -> dict[str, np.ndarray]:
            computed.append([values[row] for row in rows])
            return {"doubled": 2 * np.array(values)[rows], "pair": np.array([[values[row], 0.5] for row in rows])}

        found = cache.get_rows("doubled", row_keys([value, "more"] for value in values), compute)
        assert found.keys() == {"doubled", "pair"}
        assert found["pair"].tolist() == [[value, 0.5] for value in values]
        result: list[int] = found["doubled"].tolist()
        return result

    assert doubled([1, 2, 3, 2]) == [2, 4, 6, 4]
    assert doubled([1, 2, 3, 2]) == [2, 4, 6, 4]  # the stored result
    assert doubled([3, 5, 1, 2, 7]) == [6, 10, 2, 4, 14]  # in another order, with two new ones
    assert doubled([7, 5]) == [14, 10]  # of two earlier results, the one that has more of them
    assert computed == [[1, 2, 3, 2], [5, 7]]


def test_row_has_another_key_if_anything_differs_that_it_depends_on() -> None:
    rows = [[ROWS], [ROWS.T], [ROWS, 1], [ROWS.astype(np.float32)], [1], ["1"], [np.array(1)]]
    keys = row_keys(rows)
    assert keys.shape == (len(rows), 16)
    assert len({key.tobytes() for key in keys}) == len(rows)
    np.testing.assert_array_equal(keys, row_keys(rows))


def test_prune_deletes_results_that_the_last_run_did_not_use(tmp_path: Path) -> None:
    keep = ResultsCache(tmp_path / "cache").get
    for k in (1, 2):
        begin_use(tmp_path / "cache")
        keep("k", [k], lambda: {"k": ROWS})
        end_use(tmp_path / "cache")
    assert [entry.is_used for entry in sorted(cache.cache_entries(tmp_path), key=lambda entry: entry.is_used)] == [
        False,
        True,
    ]
    assert all("k, cached" in entry.summary_line() for entry in cache.cache_entries(tmp_path))
    (pruned,) = cache.prune(tmp_path)
    assert not pruned.path.exists()
    assert len(cache.cache_entries(tmp_path)) == 1
