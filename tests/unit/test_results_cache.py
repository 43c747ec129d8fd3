"""The cache of results: found by their inputs, recomputed when damaged, listed, verified and pruned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reportgen.store import inventory as cache
from reportgen.store.results_cache import ResultsCache
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
