"""The store: arrays are read back, damaged shards are set aside, and existing results are reused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.config import AuditConfig
from reportgen.errors import OutputError, StoreError
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from reportgen.store.files import exclusive_run, write_atomic
from reportgen.store.shard import Shard, write_shard
from reportgen.store.table import Store
from tests.support.jobs import inputs_of
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

ARRAYS = {
    "logits": np.arange(12, dtype=np.float32).reshape(3, 4),
    "features/gap": np.full((3, 2), np.nan, np.float16),
    "samples/id": np.array([b"a" * 64, b"b" * 64, b"c" * 64], "S64"),
    "samples/label": np.array([0, -1, 2], np.int32),
    "empty": np.zeros((3, 0, 7), np.uint8),
}


def test_shard_returns_its_arrays_and_numpy_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_shard(path, ARRAYS, {"mine": "x"})
    shard = Shard(path)
    shard.verify()
    assert shard.names() == sorted(ARRAYS)
    assert shard.attributes["mine"] == "x"
    with np.load(path, allow_pickle=False) as loaded:
        for name, array in ARRAYS.items():
            for found in (shard[name], loaded[name]):
                assert found.dtype == array.dtype
                np.testing.assert_array_equal(found, array)
    assert not shard["logits"].flags.writeable


def test_shard_bytes_do_not_depend_on_the_order_of_arrays(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.npz", ARRAYS, {})
    write_shard(tmp_path / "b.npz", dict(reversed(ARRAYS.items())), {})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_truncated_or_changed_shard_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_shard(path, ARRAYS, {})
    whole = path.read_bytes()
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(StoreError, match=r"shard `a\.npz` is corrupt"):
            Shard(path)
    at = whole.index(ARRAYS["logits"].tobytes())
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(StoreError, match="its digest does not match"):
        Shard(path).verify()


def test_store_selects_rows_by_image_and_label(tmp_path: Path) -> None:
    store = Store(tmp_path, {"weights": "w"})
    store.commit(ARRAYS)
    store.commit({name: array[::-1] if name == "logits" else array for name, array in ARRAYS.items()})
    assert ("a" * 64, 0) in store
    assert ("a" * 64, 1) not in store
    table = store.select([("c" * 64, 2), ("a" * 64, 0)])
    np.testing.assert_array_equal(table["logits"], ARRAYS["logits"][[2, 0]])
    assert table.find(["a" * 64, "c" * 64]).tolist() == [1, 0]
    with pytest.raises(KeyError, match="no array `logit`, only empty, features/gap, logits"):
        table["logit"]
    again = Store(tmp_path, {"weights": "w"})
    assert len(again.shards) == 2
    assert not Store(tmp_path, {"weights": "other"}).shards


A, B, C = (("a" * 64, 0), ("b" * 64, -1), ("c" * 64, 2))
"""The keys of `ARRAYS`."""


def test_store_select_returns_a_new_table_of_the_keys_in_their_order(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", {"weights": "w"})
    store.commit(ARRAYS)
    table = store.select(iter([C, A, C]))
    assert (table.keys, len(table)) == ([C, A, C], 3)
    assert table is not store.select([C, A, C])
    np.testing.assert_array_equal(table["logits"], ARRAYS["logits"][[2, 0, 2]])
    assert (table.settings, table.fingerprint, table.cache) == (store.settings, store.fingerprint, tmp_path / "cache")
    assert table.names() == sorted(ARRAYS)
    assert "logits" in table
    assert "logit" not in table
    with pytest.raises(KeyError):
        store.select([A, ("d" * 64, 0)])


def test_two_selections_of_one_store_do_not_affect_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path, {"weights": "w"})
    store.commit(ARRAYS)
    first = store.select([A, B])
    column = first["logits"]
    second, none = store.select([C]), store.select([])
    for table, rows in ((first, [0, 1]), (second, [2]), (none, [])):
        np.testing.assert_array_equal(table["logits"], ARRAYS["logits"][rows])
        assert table["features/gap"].shape == (len(rows), 2)
    np.testing.assert_array_equal(column, ARRAYS["logits"][[0, 1]])
    assert first.find(["b" * 64]).tolist() == [1]
    with pytest.raises(KeyError):
        second.find(["b" * 64])


def test_table_stays_as_it_is_when_the_store_grows(tmp_path: Path) -> None:
    store = Store(tmp_path, {"weights": "w"})
    store.commit(ARRAYS)
    table = store.select([B, C])
    more = {name: array + 1 if name == "logits" else array for name, array in ARRAYS.items()}
    store.commit({**more, "samples/label": np.array([5, 6, 7], np.int32)})
    np.testing.assert_array_equal(table["logits"], ARRAYS["logits"][1:])
    both = store.select([B, ("b" * 64, 6)])
    np.testing.assert_array_equal(both["logits"], [ARRAYS["logits"][1], ARRAYS["logits"][1] + 1])


def config_of(folder: Path, **settings: object) -> AuditConfig:
    given: dict = {"data": folder / "data" / "table.csv", "classes": folder / "data" / "classes.txt"} | settings
    return AuditConfig(model=TINY_NETWORK, device="cpu", select="none", out=folder / "report", **given)


def run(folder: Path) -> RunSummary:
    return run_audit(config_of(folder))


def extracted(folder: Path, **settings: object) -> tuple[int, int]:
    """Numbers of computed and reused images of a run's forward pass."""
    extraction = inputs_of(config_of(folder, **settings)).models[0].run.extraction
    return extraction.computed, extraction.reused


def test_run_sets_a_damaged_shard_aside_and_recomputes_it(tmp_path: Path) -> None:
    squares(tmp_path / "data", each=2)
    first = run(tmp_path)
    table = first.audit.main.table
    (path,) = (table.cache / table.fingerprint[:16]).glob("*.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    second = run(tmp_path)
    assert (second.computed, second.reused) == (6, 0)
    assert len(second.set_aside) == 1
    assert path.name in second.set_aside[0]
    np.testing.assert_array_equal(second.audit.main.table["logits"], table["logits"])
    assert path.read_bytes() == whole
    third = run(tmp_path)
    assert (third.computed, third.reused, third.set_aside) == (0, 6, [])


def test_run_computes_new_images_only(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=2)
    assert extracted(tmp_path) == (6, 0)
    pixels = np.random.default_rng(9).integers(0, 255, (30, 30, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "data" / "new.png")
    text = table.read_text()
    table.write_text(text + "new.png,red,,,,\n")
    assert extracted(tmp_path) == (1, 6)
    (tmp_path / "data" / "copy.png").write_bytes((tmp_path / "data" / "red-0.png").read_bytes())
    table.write_text(text + "copy.png,red,,,,\n")
    assert extracted(tmp_path) == (0, 7)
    table.write_text(text.replace("red-0.png,red", "red-0.png,blue"))
    assert extracted(tmp_path) == (1, 5)  # the label's map is another
    assert extracted(tmp_path, resize="crop") == (6, 0)


def test_run_computes_files_of_the_same_bytes_once(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=1)
    (tmp_path / "data" / "twin.png").write_bytes((tmp_path / "data" / "red-0.png").read_bytes())
    table.write_text(table.read_text() + "twin.png,red,,,,\n")
    found = run(tmp_path)
    assert (found.computed, found.reused) == (3, 1)
    logits = dict(
        zip((s.name for s in found.audit.samples), np.asarray(found.audit.main.table["logits"]).tolist(), strict=True)
    )
    assert logits["twin.png"] == logits["red-0.png"]


def test_atomic_write_leaves_the_old_file_on_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"one")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OutputError, match=r"no room for `.*/deep/file` \([\d,]+ bytes free\)"):
        write_atomic(path, b"two")
    assert [(p.name, p.read_bytes()) for p in path.parent.iterdir()] == [("file", b"one")]


def test_second_run_is_refused_and_only_own_leftovers_are_removed(tmp_path: Path) -> None:
    ours = [tmp_path / "cache" / "ab" / ".000000.npz.123.tmp", tmp_path / ".metrics.json.7.tmp"]
    mine = [tmp_path / "other" / ".x.1.tmp", tmp_path / ".mine.tmp", tmp_path / "x.1.tmp"]
    for path in ours + mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with exclusive_run(tmp_path):
        assert [p.exists() for p in ours + mine] == [False] * 2 + [True] * 3
        with pytest.raises(OutputError, match="another run is writing"), exclusive_run(tmp_path):
            pass
    with exclusive_run(tmp_path):
        pass


def test_ending_helper_process_does_not_hold_the_lock(tmp_path: Path) -> None:
    begin, end = os.pipe()
    with exclusive_run(tmp_path):
        if (helper := os.fork()) == 0:
            os.close(end)
            os.read(begin, 1)  # until this process lets it go
            os._exit(0)
    try:
        with exclusive_run(tmp_path):
            pass
    finally:
        os.close(begin)
        os.close(end)
        os.waitpid(helper, 0)
