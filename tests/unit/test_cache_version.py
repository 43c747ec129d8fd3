"""The version of the cache folder: a cache of another version is renamed, and one of this version is used again."""

from __future__ import annotations

from pathlib import Path

import pytest

from reportgen.config import AuditConfig
from reportgen.errors import OutputError
from reportgen.pipeline.run import run_audit
from reportgen.store.version import CACHE_VERSION, VERSION_FILE, set_aside_other_version
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK


def cache_with(folder: Path, files: dict[str, str]) -> Path:
    cache = folder / "cache"
    for name, text in files.items():
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text(text)
    return cache


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_missing_cache_gets_this_version(tmp_path: Path) -> None:
    assert set_aside_other_version(tmp_path / "cache") == []
    assert (tmp_path / "cache" / VERSION_FILE).read_text().strip() == CACHE_VERSION
    assert names_in(tmp_path) == ["cache/version"]


def test_empty_cache_folder_gets_this_version(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    assert set_aside_other_version(tmp_path / "cache") == []
    assert names_in(tmp_path) == ["cache/version"]


def test_cache_of_this_version_is_left_as_it_is(tmp_path: Path) -> None:
    cache = cache_with(tmp_path, {VERSION_FILE: f"{CACHE_VERSION}\n", "0123456789abcdef/000000.npz": "shard"})
    before = (cache / VERSION_FILE).stat().st_mtime_ns
    assert set_aside_other_version(cache) == []
    assert names_in(tmp_path) == ["cache/0123456789abcdef/000000.npz", "cache/version"]
    assert (cache / VERSION_FILE).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"0123456789abcdef/000000.npz": "shard"}, "1"),  # version 1 wrote no version
        ({VERSION_FILE: "3\n", "other": "data"}, "3"),
        ({VERSION_FILE: "\n"}, "unknown"),
        ({VERSION_FILE: "../elsewhere\n"}, "unknown"),
    ],
)
def test_cache_of_another_version_is_renamed_and_named(tmp_path: Path, files: dict[str, str], version: str) -> None:
    cache = cache_with(tmp_path, files)
    (line,) = set_aside_other_version(cache)
    old = tmp_path / f"cache-version-{version}-1"
    assert f"`{old}`" in line
    assert "another version" in line
    assert names_in(old) == sorted(files)
    assert names_in(cache) == [VERSION_FILE]
    assert set_aside_other_version(cache) == []


def test_unreadable_version_file_counts_as_another_version(tmp_path: Path) -> None:
    cache = cache_with(tmp_path, {"other": "data"})
    (cache / VERSION_FILE).write_bytes(b"\xff\xfe")
    (line,) = set_aside_other_version(cache)
    assert "cache-version-unknown-1" in line
    assert names_in(cache) == [VERSION_FILE]


def test_second_old_cache_gets_a_name_of_its_own(tmp_path: Path) -> None:
    for text in ("first", "second"):
        cache = cache_with(tmp_path, {"0123456789abcdef/000000.npz": text})
        (cache / VERSION_FILE).unlink(missing_ok=True)
        set_aside_other_version(cache)
    shards = [tmp_path / f"cache-version-1-{n}" / "0123456789abcdef" / "000000.npz" for n in (1, 2)]
    assert [shard.read_text() for shard in shards] == ["first", "second"]


def test_cache_that_cannot_be_renamed_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cache_with(tmp_path, {"data": "x"})

    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OutputError, match=r"cannot write `.*cache-version-1-1`"):
        set_aside_other_version(cache)
    assert names_in(cache) == ["data"]


def test_run_sets_a_version_1_cache_aside_and_reuses_a_current_one(tmp_path: Path) -> None:
    table = squares(tmp_path / "data", each=1)
    config = AuditConfig(
        data=table, classes=table.parent / "classes.txt", model=TINY_NETWORK, select="none",
        device="cpu", out=tmp_path / "report",
    )  # fmt: skip
    first = run_audit(config)
    assert (first.computed, first.reused, first.set_aside) == (3, 0, [])
    again = run_audit(config)
    assert (again.computed, again.reused, again.set_aside) == (0, 3, [])
    (config.out / "cache" / VERSION_FILE).unlink()
    after_update = run_audit(config)
    assert (after_update.computed, after_update.reused) == (3, 0)
    (line,) = after_update.set_aside
    assert str(config.out / "cache-version-1-1") in line
    assert list((config.out / "cache-version-1-1").glob("*/000000-*.npz"))
    assert run_audit(config).set_aside == []
