"""URLs: recognized and shown without secrets; listing, copies, and the mirror of a remote folder."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from reportgen.data import mirror as mirrors
from reportgen.data import remote
from reportgen.data.mirror import Mirror
from reportgen.data.remote import RemoteFiles, last_segment, shown
from reportgen.errors import DataError
from reportgen.setting_values import as_url
from tests.support.remote_servers import http_server

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://bucket/photos", "s3://bucket/photos"),
        (Path("s3://bucket/photos"), "s3://bucket/photos"),  # a Path has one slash less
        (Path("https://example.org/a/b.csv?x=1"), "https://example.org/a/b.csv?x=1"),
        (Path("memory://photos"), "memory://photos"),
        (Path("photos/cat"), None),
        (Path("/photos"), None),
        ("DEFAULT", None),
        ("IMAGENET1K_V1", None),
        (Path("C:/photos"), None),
    ],
)
def test_urls_are_told_from_paths(text: str | Path, url: str | None) -> None:
    assert as_url(text) == url


def test_url_is_shown_without_user_and_query() -> None:
    url = f"https://me:{SECRET}@example.org/a%20b/c.pth?X-Amz-Signature={SECRET}#part"
    assert shown(url) == "https://example.org/a%20b/c.pth"
    assert last_segment(url) == "c.pth"
    assert last_segment("s3://bucket") == "bucket"
    assert last_segment("https://example.org/a%20b/") == "a b"


def test_error_of_a_request_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "WAITS", ())
    files = RemoteFiles("memory://photos")
    files._secrets = [f"https://example.org/?sig={SECRET}"]

    def fail() -> None:
        raise OSError(f"403 for https://example.org/?sig={SECRET} at https://other.org/a?token={SECRET} ended")

    with pytest.raises(remote.RemoteError) as caught:
        files._try(fail)
    assert SECRET not in str(caught.value)
    assert str(caught.value).startswith("403 for memory://photos at https://other.org/a ended")


@pytest.mark.parametrize(
    ("url", "module", "message", "hint"),
    [
        ("s3://bucket/x", "s3fs", "`s3://bucket/x` needs s3fs", "pip install s3fs"),
        ("gs://bucket/x", "gcsfs", "`gs://bucket/x` needs gcsfs", "pip install gcsfs"),
        ("https://example.org/x", "aiohttp", "needs aiohttp", "pip install 'reportgen[remote]'"),
        ("s3://bucket/x", "fsspec", "needs fsspec", "pip install 'reportgen[remote]'"),
    ],
)
def test_missing_package_is_named(url: str, module: str, message: str, hint: str) -> None:
    """In a process of its own: fsspec keeps the file systems that it has imported."""
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from reportgen.data.remote import RemoteFiles\n"
        "from reportgen.errors import DataError\n"
        f"try: RemoteFiles({url!r})\n"
        "except DataError as error: print(error, error.hint, sep=chr(10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found, way_out = done.stdout.splitlines()
    assert message in found
    assert way_out == hint


def test_unknown_scheme_is_one_line() -> None:
    with pytest.raises(DataError, match="`nonsense://a/b` cannot be opened: ") as caught:
        RemoteFiles("nonsense://a/b")
    assert "\n" not in str(caught.value)


def test_server_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SILENCE", 0.5)
    monkeypatch.setattr(remote, "WAITS", ())
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"image")
    with http_server(tmp_path) as server:
        server.silent = {"b.jpg"}
        files = RemoteFiles(server.url)
        listed = files.list()
        assert files.read(listed["a.jpg"]) == b"image"
        with pytest.raises(remote.RemoteError, match=r"(?i)timeout"):
            files.read(listed["b.jpg"])


@pytest.fixture
def memory() -> fsspec.AbstractFileSystem:
    files = fsspec.filesystem("memory")
    files.store.clear()
    for name, data in {"cat/a.jpg": b"A", "cat/b.jpg": b"BB", "notes.txt": b"text"}.items():
        files.pipe(f"/photos/{name}", data)
    return files


def opened(cache: Path) -> Mirror:
    made = Mirror("memory://photos", cache)
    made.make_places(made.remote.list())
    return made


def reads_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    read = RemoteFiles.read

    def counted(self: RemoteFiles, file: remote.RemoteFile) -> bytes:
        found.append(file.path.removeprefix("/photos/"))
        return read(self, file)

    monkeypatch.setattr(RemoteFiles, "read", counted)
    return found


def test_mirror_has_empty_files_that_are_read_once(memory, tmp_path: Path, monkeypatch) -> None:
    reads = reads_of(monkeypatch)
    first = opened(tmp_path)
    assert first.root.name == "photos"
    assert {str(p.relative_to(first.root)): p.stat().st_size for p in first.root.rglob("*.*")} == {
        "cat/a.jpg": 0,
        "cat/b.jpg": 0,
        "notes.txt": 0,
    }
    assert first.digest("cat/b.jpg") is None
    assert [first.read("cat/b.jpg"), first.read("cat/b.jpg")] == [b"BB"] * 2
    second = opened(tmp_path)
    assert second.digest("cat/b.jpg") == hashlib.sha256(b"BB").hexdigest()
    assert second.read("cat/b.jpg") == b"BB"
    assert reads == ["cat/b.jpg"]


def test_changed_file_is_read_again_and_a_deleted_one_is_gone(memory, tmp_path: Path, monkeypatch) -> None:
    reads = reads_of(monkeypatch)
    first = opened(tmp_path)
    for name in first.files:
        first.read(name)
    memory.pipe("/photos/cat/a.jpg", b"Z")  # of the same size; its time differs
    memory.rm("/photos/cat/b.jpg")
    second = opened(tmp_path)
    assert sorted(second.files) == ["cat/a.jpg", "notes.txt"]
    assert not (second.root / "cat/b.jpg").exists()
    assert second.digest("cat/a.jpg") is None
    assert second.read("cat/a.jpg") == b"Z"
    assert second.read("notes.txt") == b"text"
    assert reads == ["cat/a.jpg", "cat/b.jpg", "notes.txt", "cat/a.jpg"]


def test_files_beyond_the_limit_are_known_by_their_digest_but_not_kept(memory, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(mirrors, "MAX_KEPT_BYTES", 2)
    reads = reads_of(monkeypatch)
    first = opened(tmp_path)
    for name in ("cat/a.jpg", "cat/b.jpg"):
        first.read(name)
    second = opened(tmp_path)
    assert second.digest("cat/b.jpg") == hashlib.sha256(b"BB").hexdigest()
    assert (second.root / "cat/b.jpg").stat().st_size == 0
    second.read("cat/a.jpg")
    second.read("cat/b.jpg")
    assert reads == ["cat/a.jpg", "cat/b.jpg", "cat/b.jpg"]


def test_file_without_a_version_is_always_read(memory, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(remote, "VERSION_KEYS", ())
    reads = reads_of(monkeypatch)
    for _ in range(2):
        mirror = opened(tmp_path)
        assert mirror.digest("cat/a.jpg") is None
        mirror.read("cat/a.jpg")
    assert reads == ["cat/a.jpg"] * 2


def test_interrupted_write_is_read_again(memory, tmp_path: Path) -> None:
    """The digest is noted last: content without it is not trusted."""
    first = opened(tmp_path)
    (first.root / "cat/a.jpg").write_bytes(b"half")
    assert opened(tmp_path).read("cat/a.jpg") == b"A"
    digests = next(tmp_path.rglob(mirrors.DIGESTS))
    digests.write_text(digests.read_text()[:-20])  # a line that was not finished
    assert opened(tmp_path).read("cat/a.jpg") == b"A"


@pytest.mark.parametrize("name", ["../outside.jpg", "cat/../../outside.jpg", "cat//a.jpg", "./a.jpg"])
def test_names_that_lead_out_of_the_folder_have_no_place(name: str, memory, tmp_path: Path) -> None:
    mirror = Mirror("memory://photos", tmp_path / "cache")
    mirror.make_places({name: remote.RemoteFile("/photos/x", 1, "1")})
    assert mirror.files == {}
    assert [row.reason for row in mirror.rejected] == [
        "has no place in a local folder: its name is not a path within a folder"
    ]
    assert not list(tmp_path.rglob("*.jpg"))


def test_file_that_is_also_a_folder_has_no_place(memory, tmp_path: Path) -> None:
    """As S3 allows: `a` and `a/b` may both be objects."""
    mirror = Mirror("memory://photos", tmp_path)
    mirror.make_places({name: remote.RemoteFile(f"/photos/{name}", 1, "1") for name in ("a", "a/b.jpg")})
    assert list(mirror.files) == ["a"]
    assert [row.where for row in mirror.rejected] == ["a/b.jpg"]


def test_request_is_repeated_unless_its_error_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "WAITS", (0, 0))
    files = RemoteFiles("memory://photos")
    for errors, expected in (
        ([OSError("reset"), TimeoutError()], 3),
        ([OSError("reset")] * 3, 3),
        ([FileNotFoundError()], 1),
        ([PermissionError("denied")], 1),
    ):
        remaining, calls = list(errors), []

        def request(remaining: list[Exception] = remaining, calls: list[int] = calls) -> str:
            calls.append(1)
            if remaining:
                raise remaining.pop(0)
            return "done"

        try:
            assert files._try(request) == "done"
        except OSError:
            assert len(errors) in (1, 3)
        assert len(calls) == expected
