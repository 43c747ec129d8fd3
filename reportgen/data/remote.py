"""Files that a URL names (`s3://`, `gs://`, `https://`, …), by fsspec: listing and reading, with retries.

Credentials come from the environment and from the files of fsspec's packages. No message has a URL's user or query,
which may hold some.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote

from reportgen.data.files import MAX_BYTES, cause, one_line
from reportgen.data.formats import has_image_ending
from reportgen.errors import DataError

READS_AT_ONCE = 16
"""Requests that are made at a time: most of their time is waiting."""
FILE_ENDINGS = (
    ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xml", ".parquet", ".pq", ".arrow", ".tar", ".gz", ".tgz",
    ".bz2", ".xz", ".zst", ".zip",
)  # fmt: skip
"""Endings of files that are data sets or annotations, or look so: of web servers, whose folders may have points."""
WAITS = (0.5, 2.0)
"""Seconds before the second and the third attempt of a request."""
SILENCE = 60.0
"""Seconds without an answer or a byte after which a request to a web server has failed."""
VERSION_KEYS = (
    "ETag", "etag", "generation", "LastModified", "Last-Modified", "last_modified", "updated", "mtime", "created",
)  # fmt: skip
"""Entries of what a file system states of a file; one of them changes whenever the content does."""
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class RemoteFile:
    """A file as it was listed. path: as its file system names it; version: of its content, or "" if none is stated."""

    path: str
    size: int | None
    version: str


class RemoteError(OSError):
    """A request that failed, after its retries."""


def shown(url: str) -> str:
    """Return a URL without what may be a secret: user, password, query and fragment."""
    return one_line(re.sub(r"://[^/@]*@", "://", re.split(r"[?#]", url, maxsplit=1)[0]))


def last_segment(url: str) -> str:
    """Return the name of the file or folder of a URL; that of the host or bucket if there is no path."""
    return PurePosixPath(unquote(shown(url).partition("://")[2])).name or "data"


class RemoteFiles:
    """The file system of a URL. Errors: DataError if its package is missing."""

    def __init__(self, url: str) -> None:
        self.shown = shown(url)
        self._secrets = [part for part in {url, url.partition("://")[2]} if part != self.shown]
        try:
            from fsspec.core import url_to_fs
            from fsspec.registry import known_implementations
        except ImportError:
            raise _missing(self.shown, "fsspec") from None
        protocol = url.partition("://")[0]
        try:
            self._fs, self.root = url_to_fs(url, **_options(protocol))
            self._fs.invalidate_cache()
        except ImportError:
            package = str(known_implementations.get(protocol, {}).get("class", protocol)).partition(".")[0]
            raise _missing(self.shown, "aiohttp" if package == "fsspec" else package) from None
        except Exception as error:  # an unknown scheme, a bad host, no credentials, …
            raise DataError(
                f"`{self.shown}` cannot be opened: {self._cause(error)}",
                "check the URL; fsspec must know its scheme, as `s3://`, `gs://` and `https://`",
            ) from None
        self.is_http = protocol in ("http", "https")

    def is_file(self) -> bool:
        """Whether the URL names a file; on a web server, the ending of its last part decides. Errors: RemoteError."""
        if self.is_http:
            name = last_segment(self.shown)
            return name.lower().endswith(FILE_ENDINGS) or has_image_ending(name)
        return bool(self._try(lambda: self._fs.isfile(self.root)))

    def list(self) -> dict[str, RemoteFile]:
        """Return the files below the URL, by path relative to it. Errors: RemoteError."""
        if self.is_http:
            return self.infos({unquote(name): path for name, path in self._linked_files().items()})
        root = self.root.rstrip("/")
        found: Mapping[str, Any] = self._try(lambda: self._fs.find(self.root, detail=True))
        return {
            path.removeprefix(root).lstrip("/"): _remote_file(path, info)
            for path, info in found.items()
            if path.startswith(f"{root}/") and not path.endswith("/")
        }

    def _linked_files(self) -> dict[str, str]:
        """Return the URLs of the files that a web server's pages of folders link to, by path relative to the URL."""
        root = self.root.rstrip("/") + "/"
        found: dict[str, str] = {}
        folders, seen = [root], {root}
        while folders:
            folder = folders.pop()
            for url in self._try(lambda folder=folder: self._fs.ls(folder, detail=False)):  # type: ignore[misc]
                if not url.startswith(folder) or url == folder or re.search("[?#]", url):
                    continue  # a link to another place, or to another order of the same page
                if not url.endswith("/"):
                    found[url.removeprefix(root)] = url
                elif url not in seen:
                    seen.add(url)
                    folders.append(url)
        return found

    def glob(self, pattern: str) -> dict[str, RemoteFile]:
        """Return the files whose name matches `*` and `?`, in the folder of the URL. Errors: RemoteError."""
        expression = re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
        return {name: file for name, file in self.list().items() if expression.fullmatch(name) and "/" not in name}

    def infos(self, paths: Mapping[str, str]) -> dict[str, RemoteFile]:
        """Return what is stated of each path, by the same keys; those that do not exist are left out.

        Errors: RemoteError.
        """

        def info(path: str) -> RemoteFile | None:
            try:
                return _remote_file(path, self._try(lambda: self._fs.info(path)))
            except FileNotFoundError:
                return None

        found = zip(paths, in_parallel(info, paths.values()), strict=True)
        return {name: file for name, file in found if file is not None}

    def read(self, file: RemoteFile) -> bytes:
        """Return the bytes of a file. Errors: RemoteError, FileNotFoundError."""
        if (file.size or 0) > MAX_BYTES:
            raise RemoteError(f"{file.size} bytes exceed the limit of {MAX_BYTES}")
        data: bytes = self._try(lambda: self._fs.cat_file(file.path))
        if file.size is not None and len(data) != file.size:
            raise RemoteError(f"it has {len(data)} bytes, and was listed with {file.size}")
        return data

    def copy(self, file: RemoteFile, target: Path) -> None:
        """Copy a file, which may be larger than the memory, to a local one. Errors: RemoteError, FileNotFoundError."""
        self._try(lambda: self._fs.get_file(file.path, str(target)))

    def _try(self, request: Callable[[], T]) -> T:
        """Return what a request returns; repeat it if its error may pass."""
        for wait in (*WAITS, None):
            try:
                return request()
            except FileNotFoundError:
                raise FileNotFoundError("no such file or folder") from None
            except Exception as error:  # each package has its own types
                if wait is None or _is_final(error):
                    raise RemoteError(self._cause(error)) from None
            time.sleep(wait)
        raise AssertionError

    def _cause(self, error: Exception) -> str:
        """The reason of an error on one line, without the URL's secrets."""
        text = cause(error)
        for secret in self._secrets:
            text = text.replace(secret, self.shown)
        return re.sub(r"(\w+://[^\s'\"?#]*)[?#][^\s'\"]*", r"\1", text)


def in_parallel(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return `function(item)` of each item, in order, some at a time."""
    with ThreadPoolExecutor(READS_AT_ONCE, "remote") as pool:
        return list(pool.map(function, items))


def _remote_file(path: str, info: Mapping[str, Any]) -> RemoteFile:
    stated = {key: str(info[key]) for key in VERSION_KEYS if info.get(key)}
    size = info.get("size")
    about = json.dumps([stated, size])
    version = hashlib.sha256(about.encode()).hexdigest() if stated else ""
    return RemoteFile(path, int(size) if size is not None else None, version)


def _is_final(error: Exception) -> bool:
    """Whether a request would fail again: no permission, or the server states that the request is wrong."""
    status = getattr(error, "status", None) or getattr(error, "code", None)
    refused = isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)
    return refused or isinstance(error, PermissionError | NotADirectoryError | IsADirectoryError | ImportError)


def _options(protocol: str) -> dict[str, Any]:
    """Return the options of a file system: that of HTTP would give up on a file that takes more than five minutes."""
    if protocol not in ("http", "https"):
        return {}
    from aiohttp import ClientTimeout

    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)}}


def _missing(name: str, package: str) -> DataError:
    is_ours = importlib.util.find_spec("fsspec") is None or package in ("fsspec", "aiohttp")
    hint = "pip install 'reportgen[remote]'" if is_ours else f"pip install {package}"
    return DataError(f"`{name}` needs {package}", hint)
