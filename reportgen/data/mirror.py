"""Mirrors of remote folders: local folders where every file has its place, and gets its content when it is read.

The readers of data sets see a local folder. Tables and packed files are copied into it; images are empty files until
they are read. A file that was read stays until its version changes, up to `MAX_KEPT_BYTES`; its digest is noted, so
that an unchanged image is not read again to be identified.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from reportgen.data.files import cause, one_line
from reportgen.data.remote import RemoteError, RemoteFile, RemoteFiles, in_parallel, last_segment, shown
from reportgen.data.samples import RejectedInput, Sample
from reportgen.errors import DataError, ImageError, ReportgenError

MAX_KEPT_BYTES = 4_000_000_000
"""Bytes of images that are kept of one remote folder. Further ones are read again whenever they are needed."""
DIGESTS = "digests.txt"
"""File of the keys and digests of what was read, one a line."""
_OPEN: dict[str, Mirror] = {}
"""The mirrors of this process, by their folder."""


class Mirror:
    """A local folder with the files of a remote one. root: the folder, named as the remote one; url: without secrets.

    files: by path relative to `root`; rejected: what has no place there; wanted: the URL of which it is, that of the
    folder or of files in it, which have a mirror of their own.
    """

    def __init__(self, url: str, cache: Path, wanted: str = "") -> None:
        self.remote = RemoteFiles(url)
        self.url = shown(url)
        own = cache / hashlib.sha256(shown(wanted or url).encode()).hexdigest()[:16]
        self.root = Path(os.path.abspath(own / one_line(last_segment(url))))
        self.files: dict[str, RemoteFile] = {}
        self.rejected: list[RejectedInput] = []
        self._own, self._lock = own, threading.Lock()
        self._digests = self._read_digests()
        self._kept_bytes = 0
        self.root.mkdir(parents=True, exist_ok=True)
        _OPEN[str(self.root)] = self

    def make_places(self, files: Mapping[str, RemoteFile], keep_others: bool = False) -> None:
        """Make a place for each file. The content of an unchanged one stays; local files that are no more are removed.

        keep_others: keep those of earlier calls.
        """
        for name, file in sorted(files.items()):
            try:
                self._make_place(name, file)
            except (OSError, ValueError) as error:
                self.rejected.append(RejectedInput(one_line(name), f"has no place in a local folder: {cause(error)}"))
        if keep_others:
            return
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                if str(path.relative_to(self.root)) not in self.files:
                    path.unlink()

    def _make_place(self, name: str, file: RemoteFile) -> None:
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise ValueError("its name is not a path within a folder")
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.is_file() and self._key(name, file) in self._digests):
            path.write_bytes(b"")
        if name not in self.files:
            self._kept_bytes += path.stat().st_size
        self.files[name] = file

    def copy(self, names: Iterable[str]) -> None:
        """Copy whole files, unless they are there. Errors: DataError."""

        def copy(name: str) -> None:
            path, file = self.root / name, self.files[name]
            if path.stat().st_size and self._key(name, file) in self._digests:
                return
            partial = self._own / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.part"
            try:
                self.remote.copy(file, partial)
            except OSError as error:
                raise DataError(f"`{self.url}/{one_line(name)}` cannot be read: {cause(error)}") from None
            os.replace(partial, path)
            self._note(name, "copied")

        in_parallel(copy, names)

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a file's bytes if they were read before and are unchanged."""
        known = self._digests.get(self._key(name, self.files[name]))
        return known if known != "copied" else None

    def read(self, name: str) -> bytes:
        """Return the bytes of a file, from its place if they are there. Errors: OSError."""
        path, file = self.root / name, self.files[name]
        if data := path.read_bytes():
            return data
        data = self.remote.read(file)
        if file.version:
            with self._lock:
                self._kept_bytes += len(data)
                is_kept = self._kept_bytes <= MAX_KEPT_BYTES
            if is_kept:
                partial = self._own / f"{threading.get_ident()}.part"
                partial.write_bytes(data)
                os.replace(partial, path)
            self._note(name, hashlib.sha256(data).hexdigest())
        return data

    def _key(self, name: str, file: RemoteFile) -> str:
        """The name of a version of a file; it never recurs for a file without a stated version."""
        return hashlib.sha256(f"{name} {file.version}".encode()).hexdigest() if file.version else ""

    def _read_digests(self) -> dict[str, str]:
        try:
            lines = (self._own / DIGESTS).read_text("ascii").splitlines()
        except (OSError, ValueError):
            return {}
        return dict(line.split(" ") for line in lines if re.fullmatch(r"[0-9a-f]{64} ([0-9a-f]{64}|copied)", line))

    def _note(self, name: str, digest: str) -> None:
        """Note what was read, after its content is in its place: an interrupted run reads it again."""
        if key := self._key(name, self.files[name]):
            with self._lock:
                self._digests[key] = digest
                with open(self._own / DIGESTS, "a", encoding="ascii") as file:
                    file.write(f"\n{key} {digest}\n")


@dataclass(frozen=True)
class RemoteImage:
    """The place of an image in a mirror. root: of the mirror; name: relative to it. See `ImagePart`."""

    root: str
    name: str

    def read(self, path: Path) -> bytes:
        """Return the bytes of the image. Errors: ImageError."""
        try:
            return _OPEN[self.root].read(self.name)
        except (OSError, RemoteError) as error:
            raise ImageError(f"`{one_line(PurePosixPath(self.name).name)}` cannot be read: {cause(error)}") from None

    def known_digest(self) -> str | None:
        """Return the SHA-256 of its bytes without reading them, if they are unchanged since they were read."""
        return _OPEN[self.root].digest(self.name)


def remote_images(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples; those whose files are in mirrors are read there."""

    def placed(sample: Sample) -> Sample:
        mirror = _mirror_of(sample.path) if sample.part is None else None
        if mirror is None:
            return sample
        return replace(sample, part=RemoteImage(str(mirror.root), os.path.relpath(sample.path, mirror.root)))

    return [placed(sample) for sample in samples] if _OPEN else list(samples)


def remote_rejections(source: Path) -> list[RejectedInput]:
    """Return what of a data set's remote folder has no place in its mirror."""
    mirror = _mirror_of(source)
    return mirror.rejected if mirror else []


def _mirror_of(path: Path) -> Mirror | None:
    text = os.path.abspath(path)
    return next((mirror for root, mirror in _OPEN.items() if f"{text}/".startswith(f"{root}/")), None)


def with_urls(text: str) -> str:
    """Return a text with the URLs of remote folders in place of their local paths."""
    for root, mirror in _OPEN.items():
        text = text.replace(root, mirror.url)
    return text


@contextmanager
def urls_in_messages() -> Iterator[None]:
    """Let errors name remote folders by their URLs."""
    try:
        yield
    except ReportgenError as error:
        error.args = tuple(with_urls(str(text)) for text in error.args)
        error.hint = error.hint and with_urls(error.hint)
        raise
