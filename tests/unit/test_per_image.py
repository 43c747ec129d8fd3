"""The cache of per-image results: what is missing is computed once, shard by shard, and what exists is reused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from reportgen.store.per_image import SHARD_SIZE, Arrays, PerImageResults, compute_missing, per_image_store
from reportgen.store.table import Key, Store, Table

KIND, SETTINGS = "test", {"weights": "w"}


def key(i: int, label: int = -1) -> Key:
    return f"{i:064x}", label


def value_of(key: Key) -> np.ndarray:
    return np.array([int(key[0], 16), key[1]], np.float32)


class Compute:
    """Yields `value` of each key and records the calls; raises KeyboardInterrupt after `stop_after` results."""

    def __init__(self, leave_out: Iterable[Key] = (), stop_after: int | None = None) -> None:
        self.leave_out, self.stop_after = set(leave_out), stop_after
        self.calls: list[list[Key]] = []

    def __call__(self, keys: list[Key]) -> Iterator[tuple[Key, Arrays]]:
        self.calls.append(keys)
        for n, one in enumerate(keys):
            if n == self.stop_after:
                raise KeyboardInterrupt
            if one not in self.leave_out:
                yield one, {"value": value_of(one)}

    @property
    def computed(self) -> list[Key]:
        return [one for keys in self.calls for one in keys]


def per_image(cache: Path, kind: str, settings: dict[str, str], keys: list[Key], compute: Compute) -> Table:
    """The results of these images, with those computed that the cache does not have."""
    store = per_image_store(cache, kind, settings)
    compute_missing(store, keys, compute)
    return store.select(key for key in keys if key in store)


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., np.ndarray]:
    """The stored values of keys, by a compute function."""

    def values(keys: list[Key], compute: Compute) -> np.ndarray:
        table = per_image(tmp_path, KIND, SETTINGS, keys, compute)
        assert table.keys == [one for one in keys if one not in compute.leave_out]
        return np.asarray(table["value"])

    return values


def test_missing_keys_are_computed_once_and_stored_ones_never(results: Callable[..., np.ndarray]) -> None:
    first, second = [key(i) for i in range(5)], [key(i) for i in range(3, 8)]
    compute = Compute()
    np.testing.assert_array_equal(results(first, compute), [value_of(one) for one in first])
    np.testing.assert_array_equal(results(second, compute), [value_of(one) for one in second])
    assert compute.calls == [first, [key(5), key(6), key(7)]]
    np.testing.assert_array_equal(results(second[::-1], compute), [value_of(one) for one in second[::-1]])
    assert len(compute.calls) == 2


def test_label_is_part_of_the_key(results: Callable[..., np.ndarray]) -> None:
    compute = Compute()
    assert results([key(1, 0), key(1, 2)], compute).tolist() == [[1, 0], [1, 2]]
    assert len(compute.computed) == 2


def test_results_are_committed_shard_by_shard(tmp_path: Path) -> None:
    keys = [key(i) for i in range(2 * SHARD_SIZE + 3)]
    per_image(tmp_path, KIND, SETTINGS, keys, Compute())
    store = Store(tmp_path, {**SETTINGS, "kind": KIND})
    assert [len(shard["samples/id"]) for shard in store.shards] == [SHARD_SIZE, SHARD_SIZE, 3]


@pytest.mark.parametrize("done", [0, 1, SHARD_SIZE - 1, SHARD_SIZE, SHARD_SIZE + 1, 3 * SHARD_SIZE - 1])
def test_interrupted_compute_loses_at_most_one_shard(
    results: Callable[..., np.ndarray], tmp_path: Path, done: int
) -> None:
    keys = [key(i) for i in range(3 * SHARD_SIZE)]
    with pytest.raises(KeyboardInterrupt):
        results(keys, Compute(stop_after=done))
    again = Compute()
    np.testing.assert_array_equal(results(keys, again), [value_of(one) for one in keys])
    kept = done // SHARD_SIZE * SHARD_SIZE
    assert again.computed == keys[kept:]
    assert not list(tmp_path.rglob("*.tmp"))


def test_keys_that_compute_leaves_out_are_not_in_the_table_and_tried_again(results: Callable[..., np.ndarray]) -> None:
    keys = [key(i) for i in range(4)]
    compute = Compute(leave_out=[key(1)])
    assert results(keys, compute)[:, 0].tolist() == [0, 2, 3]
    assert len(results([key(1)], compute)) == 0
    assert compute.calls == [keys, [key(1)]]
    assert results(keys, Compute())[:, 0].tolist() == [0, 1, 2, 3]


def test_duplicate_keys_are_computed_once_and_each_gets_its_row(results: Callable[..., np.ndarray]) -> None:
    compute = Compute()
    keys = [key(2), key(1), key(2), key(2)]
    assert results(keys, compute)[:, 0].tolist() == [2, 1, 2, 2]
    assert compute.calls == [[key(2), key(1)]]


def test_no_keys_give_an_empty_table_without_a_call(results: Callable[..., np.ndarray]) -> None:
    compute = Compute()
    assert len(results([], compute)) == 0
    assert compute.calls == []


def test_other_kind_or_settings_share_no_results(tmp_path: Path) -> None:
    compute = Compute()
    for kind, settings in ((KIND, SETTINGS), ("other", SETTINGS), (KIND, {**SETTINGS, "side": 3})):
        per_image(tmp_path, kind, settings, [key(0)], compute)
    assert compute.calls == [[key(0)]] * 3


def test_results_come_in_any_order(tmp_path: Path) -> None:
    keys = [key(i) for i in range(SHARD_SIZE + 2)]
    table = per_image(
        tmp_path, KIND, SETTINGS, keys, lambda missing: ((one, {"value": value_of(one)}) for one in missing[::-1])
    )
    assert np.asarray(table["value"])[:, 0].tolist() == list(range(SHARD_SIZE + 2))


def test_per_image_results_map_rows_of_the_audit_to_rows_of_the_table(tmp_path: Path) -> None:
    """Images 1 and 3 have the same bytes, image 4 was left out, and image 0 was not requested."""
    keys = [key(0), key(1), key(2), key(1), key(4)]
    table = per_image(tmp_path, KIND, SETTINGS, [keys[i] for i in (1, 2, 3, 4)], Compute(leave_out=[key(4)]))
    found = PerImageResults.of(table, keys, [1, 2, 3, 4])
    assert list(found) == [1, 2, 3]
    assert (1 in found, 4 in found, 0 in found) == (True, False, False)
    assert [int(found.of_image(i)["value"][0]) for i in found] == [1, 2, 1]
