"""Shards and columns: any array is read back, every byte counts, hostile files are refused, and reading is lazy."""

from __future__ import annotations

import gc
import io
import json
import re
import struct
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reportgen.errors import StoreError
from reportgen.store import column
from reportgen.store.shard import ALIGNMENT, Shard, encode, write_shard
from reportgen.store.table import Store, Table

NAMES = st.from_regex(r"[a-z0-9_.]{1,12}(/[a-zé .0-9_-]{1,40}){0,3}", fullmatch=True)
DTYPES = hnp.boolean_dtypes() | hnp.integer_dtypes(endianness="?") | hnp.floating_dtypes() | hnp.byte_string_dtypes()
ANY = hnp.arrays(DTYPES | hnp.unicode_string_dtypes(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))


@settings(max_examples=80, deadline=None)
@given(arrays=st.dictionaries(NAMES, ANY, max_size=4), turned=st.booleans(), about=st.text(max_size=20))
def test_shard_and_numpy_read_back_any_arrays(tmp_path_factory, arrays, turned, about) -> None:
    path = tmp_path_factory.mktemp("shard") / "a.npz"
    if turned:  # not contiguous
        arrays = {name: array.T[..., ::-1] if array.ndim else array for name, array in arrays.items()}
    write_shard(path, arrays, {"about": about})
    shard = Shard(path)
    shard.verify()
    assert shard.attributes["about"] == about
    assert shard.names() == sorted(arrays)
    with np.load(path, allow_pickle=False) as loaded:
        for name, array in arrays.items():
            for found in (shard[name], loaded[name]):
                assert (found.dtype, found.shape) == (array.dtype, array.shape)
                assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(array).tobytes()


@given(names=st.lists(NAMES, min_size=1, max_size=6, unique=True))
@settings(max_examples=40, deadline=None)
def test_shard_members_start_at_multiples_of_64_bytes(tmp_path_factory, names) -> None:
    path = tmp_path_factory.mktemp("aligned") / "a.npz"
    write_shard(path, {name: np.arange(3.0) for name in names}, {})
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            lengths = struct.unpack_from("<HH", whole, info.header_offset + 26)
            assert (info.header_offset + 30 + sum(lengths)) % ALIGNMENT == 0
    shard = Shard(path)
    for name in names:
        assert shard[name].ctypes.data % ALIGNMENT == 0
        assert not shard[name].flags.owndata  # the file itself, not a copy


def test_shard_has_structured_arrays(tmp_path: Path) -> None:
    """Those of the notebook handle: text, flags, and fields that are arrays themselves."""
    fields = [("name", "<U11"), ("box", "<f8", (4,)), ("maps", "<f4", (2, 3)), ("fits", "|b1")]
    arrays = {"records": np.zeros(2, fields), "one": np.ones((), [("rank", "<i8")]), "none": np.empty(0, fields)}
    arrays["records"][1] = ("tabby", (1, 2, 3, 4), np.arange(6).reshape(2, 3), True)
    write_shard(tmp_path / "a.npz", arrays, {})
    shard = Shard(tmp_path / "a.npz")
    for name, array in arrays.items():
        assert shard[name].dtype == array.dtype
        np.testing.assert_array_equal(shard[name], array)


class Finalized:
    """An object that the garbage collector finalizes in Python code, where another thread may take over."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        for _ in range(50):
            pass


def test_shards_open_in_several_threads_during_garbage_collection(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.npz", {"a": np.arange(3.0), "b": np.array([b"text"])}, {})

    def open_often(_: int) -> None:
        for _ in range(50):
            Finalized()
            assert Shard(tmp_path / "a.npz")["a"].shape == (3,)

    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(open_often, range(40)))
    finally:
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)


def rows_of(n: int, start: int = 0) -> dict[str, np.ndarray]:
    ids = np.array([f"{i:064x}".encode() for i in range(start, start + n)], "S64")
    value = np.random.default_rng(start).normal(size=(n, 2, 3)).astype(np.float32)
    pictures = np.arange(start, start + 2 * n, dtype=np.int64).astype(np.uint8)
    return {
        "samples/id": ids,
        "samples/label": np.full(n, -1, np.int32),
        "value": value,
        "image/jpeg": pictures,
        "image/offset": np.arange(0, 2 * n + 1, 2),
    }


INDEX = (
    st.integers(-12, 11)
    | st.slices(12)
    | hnp.arrays(np.int64, st.integers(0, 20), elements=st.integers(-12, 11))
    | hnp.arrays(bool, 12)
)


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> tuple[Table, np.ndarray]:
    """A table of 12 rows of 15, in no order, from a store of three shards, and what it should hold."""
    store = Store(tmp_path_factory.mktemp("three"), {"weights": "w", "aliases": {"twin": "value"}})
    parts = [rows_of(n, start) for n, start in ((6, 0), (1, 6), (8, 7))]
    for part in parts:
        store.commit(part)
    whole = np.concatenate([part["value"] for part in parts])
    chosen = [3, 4, 5, 6, 7, 14, 0, 9, 8, 1, 2, 10]
    return store.select([(f"{i:064x}", -1) for i in chosen]), whole[chosen]


PART = st.integers(-2, 1) | st.slices(2) | st.just([1]) | st.just([True, False]) | st.none()


@given(index=INDEX | st.just(Ellipsis), parts=st.lists(PART, max_size=2), dots=st.none() | st.integers(0, 2))
@settings(max_examples=400, deadline=None)
def test_column_is_indexed_as_numpy_indexes_the_whole_array(three, index, parts, dots) -> None:
    table, whole = three
    if index is not Ellipsis and dots is not None:
        parts.insert(dots, Ellipsis)
    at = (index, *parts) if parts else index
    try:
        wanted = whole[at]
    except IndexError:  # two lists that do not go together
        with pytest.raises(IndexError):
            table["twin"][at]
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column, "ROWS_AT_A_TIME", 5)
        found = table["twin"][at]
    np.testing.assert_array_equal(found, wanted)
    assert np.shape(found) == wanted.shape


@pytest.mark.parametrize("index", [None, np.array(3), [[0, 1], [2, 3]], (None, 0), (np.zeros((1, 1), int), 0)])
def test_column_rejects_other_ways_to_choose_rows(three, index) -> None:
    with pytest.raises(IndexError, match="rows are indexed by an integer, a slice or one list of integers"):
        three[0]["value"][index]


@given(index=INDEX)
@settings(max_examples=100, deadline=None)
def test_column_returns_writable_copies_of_large_rows(three, index) -> None:
    table, whole = three
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column, "SMALL_ROW", 1)  # so that any row is a large one
        found, ids = table["value"][index], table["samples/id"][index]
    np.testing.assert_array_equal(found, whole[index])
    np.testing.assert_array_equal(ids, np.asarray(table["samples/id"])[index])
    if np.shape(index):
        found[...] = 0  # the caller's own
        np.testing.assert_array_equal(table["value"][index], whole[index])


def test_byte_strings_keep_their_zeros_however_they_are_read(tmp_path: Path, monkeypatch) -> None:
    store = Store(tmp_path, {"weights": "w"})
    texts = np.array([b"a\0\0", b"", b"\0b"], "S4000")
    store.commit({**rows_of(3), "text": texts})
    table = store.select([(f"{i:064x}", -1) for i in (2, 1, 0)])
    monkeypatch.setattr(column, "SMALL_ROW", 1)
    np.testing.assert_array_equal(table["text"][[0, 1, 2]], texts[[2, 1, 0]])


def test_column_converts_to_an_array_and_iterates_in_blocks(three, tmp_path: Path) -> None:
    table, whole = three
    rows = table["value"]
    assert (rows.shape, rows.dtype, rows.ndim, len(rows)) == (whole.shape, whole.dtype, 3, 12)
    np.testing.assert_array_equal(np.asarray(rows), whole)
    assert np.asarray(rows, np.float64).dtype == np.float64
    assert [len(block) for block in rows.blocks(5)] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate(list(rows.blocks(5))), whole)
    long = Store(tmp_path, {"weights": "w"})
    parts = [rows_of(20), rows_of(30, 20)]
    for part in parts:
        long.commit(part)
    fifty = long.select([(f"{i:064x}", -1) for i in range(2, 50)])
    blocks = list(fifty["value"].blocks(12))
    assert [len(block) for block in blocks] == [12, 6, 12, 12, 6]
    assert not any(block.flags.owndata or block.flags.writeable for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), np.concatenate([part["value"] for part in parts])[2:])
    with pytest.raises(IndexError):
        rows[12]
    assert table.ragged("image/jpeg", 5) == bytes([7 + 14, 7 + 15])
    assert table.names() == ["image/jpeg", "image/offset", "samples/id", "samples/label", "twin", "value"]


def test_column_reads_nothing_before_rows_are_requested(three, monkeypatch) -> None:
    table, _ = three
    taken = []
    plain = np.empty
    monkeypatch.setattr(np, "empty", lambda shape, *rest: taken.append(shape) or plain(shape, *rest))
    rows = table["value"]
    rows[3]
    assert taken == []
    rows[2:4]
    assert taken == [(2, 2, 3)]


def test_shard_with_any_byte_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_shard(path, {"a/b": np.arange(5, dtype=np.int16)}, {"x": 1})
    whole = path.read_bytes()

    def refused(data: bytes) -> bool:
        path.write_bytes(data)
        try:
            Shard(path).verify()
        except StoreError as error:
            return str(error).startswith("shard `a.npz` is corrupt (")
        return False

    assert not refused(whole)
    assert all(refused(whole[:size]) for size in range(len(whole)))
    assert refused(whole + b"\0")
    for at in range(len(whole)):
        assert refused(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]), at


def npy(shape: object, descr: str = "<f8", data: bytes = b"", fortran: bool = False) -> bytes:
    header = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    return buffer.getvalue()


HEAD = json.dumps({"format": 2}).encode()
HOSTILE = {
    "huge": [("a.npy", npy((1 << 32,)))],
    "negative": [("a.npy", npy((-1, -1), data=bytes(8)))],
    "object": [("a.npy", pickled())],
    "fortran": [("a.npy", npy((2, 2), data=bytes(32), fortran=True))],
    "no array": [("a.txt", b"x")],
    "too short": [("a.npy", b"\x93NUM")],
    "version": [("a.npy", npy((0,)).replace(b"\x01\x00", b"\x03\x00", 1))],
    "bad header": [("a.npy", b"\x93NUMPY\x01\x00\x04\x00((((")],
    "nested header": [("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"-" * 8999 + b"\n")],
    "twice": [("a.npy", npy((0,))), ("a.npy", npy((0,)))],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_shard_is_refused_before_memory_is_allocated(tmp_path: Path, members) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*members, (".attributes.json", HEAD)]:
            archive.writestr(name, data)
        archive.comment = bytes(64)
    with pytest.raises(StoreError, match=r"shard `a\.npz` is corrupt"):
        Shard(path)


@pytest.mark.parametrize("head", [b"[]", b"{}", b"null", b'{"format": 1}', b"{" * 5000, b"\xff", b""])
def test_shard_with_foreign_attributes_is_refused(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(".attributes.json", head)
        archive.comment = bytes(64)
    with pytest.raises(StoreError, match=r"shard `a\.npz` is corrupt"):
        Shard(path)


def test_compressed_shard_member_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for bomb in (".attributes.json", "a.npy"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(bomb, bytes(1 << 24))
            archive.comment = bytes(64)
        with pytest.raises(StoreError, match="corrupt"):
            Shard(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.pop("samples/id"),
        lambda rows: rows.update({"value": rows["value"][:-1]}),
        lambda rows: rows.update({"value": rows["value"].astype(np.float64)}),
        lambda rows: rows.update({"samples/label": rows["samples/label"].astype(np.int64)}),
        lambda rows: rows.update({"image/offset": rows["image/offset"][::-1].copy()}),
        lambda rows: rows.update({"image/jpeg": rows["image/jpeg"][:-1]}),
        lambda rows: rows.update({"scalar": np.float32(1)}),
    ],
)
def test_store_sets_aside_a_sound_shard_with_other_arrays(tmp_path: Path, change) -> None:
    store = Store(tmp_path, {"weights": "w"})
    store.commit(rows_of(4))
    wrong = rows_of(4, 4)
    change(wrong)
    head = {"fingerprint": store.fingerprint, "name": "000001.npz", "settings": {}}
    (store.folder / "000001.npz").write_bytes(encode(wrong, head))
    again = Store(tmp_path, {"weights": "w"})
    assert (len(again.shards), len(again.set_aside)) == (1, 1)
    assert "000001.npz" in again.set_aside[0]
    assert [p.name for p in sorted(store.folder.iterdir())] == ["000000.npz", "000001.corrupt"]


def test_store_refuses_two_shards_that_changed_names(tmp_path: Path) -> None:
    store = Store(tmp_path, {"weights": "w"})
    store.commit(rows_of(2))
    store.commit(rows_of(2, 2))
    one, two = (store.folder / name for name in ("000000.npz", "000001.npz"))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    again = Store(tmp_path, {"weights": "w"})
    assert len(again.shards) == 0
    assert all("belongs to another store" in line for line in again.set_aside)


MANY = """
import resource, sys
from pathlib import Path
import numpy as np
from reportgen.errors import StoreError
from reportgen.store.table import Store, Table

folder, hard = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
try:
    store = Store(folder, {"weights": "w"})
except StoreError as error:
    print(error)
else:
    print(len(store.shards), store.set_aside)
"""


def test_store_keeps_sound_shards_when_open_files_run_out(tmp_path: Path) -> None:
    store = Store(tmp_path, {"weights": "w"})
    for k in range(60):
        store.commit(rows_of(2, 2 * k))

    def opened(hard: int) -> str:
        command = [sys.executable, "-c", MANY, str(tmp_path), str(hard)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert opened(400) == "60 []"  # more than the soft limit allows
    assert re.fullmatch(r"shard `.*/\d{6}\.npz` cannot be read \(Too many open files\)", opened(40))
    assert sorted(path.suffix for path in store.folder.iterdir()) == [".npz"] * 60


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O error"), MemoryError()])
@pytest.mark.parametrize("when", [0, 1], ids=["opened", "verified"])
def test_store_leaves_an_unreadable_shard_in_place(tmp_path: Path, monkeypatch, error, when) -> None:
    store = Store(tmp_path, {"weights": "w"})
    store.commit(rows_of(2))
    calls = []

    def fails(*given: object) -> object:
        calls.append(given)
        if len(calls) > when:
            raise error
        return open(*given)

    monkeypatch.setattr("reportgen.store.shard.open", fails, raising=False)
    with pytest.raises(StoreError, match=r"`.*/000000\.npz` cannot be read \((Permission|I/O|MemoryError)"):
        Store(tmp_path, {"weights": "w"})
    assert [path.name for path in store.folder.iterdir()] == ["000000.npz"]
