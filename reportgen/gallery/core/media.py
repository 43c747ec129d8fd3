"""The picture files of a site. Each is named by the digest of its bytes, so it is written once and never changes."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable, Collection, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from PIL import Image

from reportgen.draw.webp import as_webp
from reportgen.store.files import write_atomic

T = TypeVar("T")
FileState = tuple[int, int]
"""Size of a file in bytes, and its time in nanoseconds. A file whose state is as before is taken to be unchanged."""
ABSENT: FileState = (-1, 0)
"""The state of a file that is not there."""
SUFFIXES = {"JPEG": "jpg", "WEBP": "webp"}
NAME_DIGITS = 20
"""Hex digits of the digest that a name has."""
JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
"""First bytes of the files."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A picture file: URL relative to the site's root, and its size in pixels."""

    url: str
    width: int
    height: int

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class AddedMedia:
    """Pictures that a build used. files: names; by_content, by_inputs: digest of a picture's bytes, and of what it was
    drawn from → the picture."""

    files: set[str] = field(default_factory=set)
    by_content: dict[str, MediaFile] = field(default_factory=dict)
    by_inputs: dict[str, MediaFile] = field(default_factory=dict)


def state_of(path: str | Path) -> FileState:
    """Return the state of a file."""
    try:
        stat = os.stat(path)
    except OSError:
        return ABSENT
    return stat.st_size, stat.st_mtime_ns


class Media:
    """Writes pictures into `site/media/`, and removes those that no page uses."""

    def __init__(
        self,
        site: Path,
        drawn: Mapping[str, MediaFile] = MappingProxyType({}),
        complete: Mapping[str, FileState] = MappingProxyType({}),
        image_format: str = "jpeg",
    ) -> None:
        """drawn: pictures of the last build by the digest of their inputs, if its code was the same.

        complete: the files that the last build finished, by name; image_format: `jpeg` or `webp`, of photographs.
        """
        self.site = site
        self.image_format = image_format
        self._folder = site / "media"
        self._before = self.states()
        self._drawn = drawn
        self._intact = {name for name, state in complete.items() if self._before.get(name) == state}
        self._by_key: dict[Hashable, MediaFile] = {}
        self._asked = set[str]()
        self.added = AddedMedia()

    def states(self) -> dict[str, FileState]:
        """The state of every file in the folder, by name."""
        found: dict[str, FileState] = {}
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                stat = entry.stat()
                found[entry.name] = stat.st_size, stat.st_mtime_ns
        return found

    def pictures_of(self, make: Callable[[], T]) -> tuple[T, list[str]]:
        """Return what `make` returns, and the names of the pictures that it asked for."""
        self._asked = set()
        made = make()
        return made, sorted(self._asked)

    def keep(self, names: Collection[str]) -> bool:
        """Keep pictures of the last build for what was made from them. False if one of them is no longer intact."""
        if not self._intact.issuperset(names):
            return False
        self.added.files.update(names)
        return True

    def used_drawings(self) -> dict[str, MediaFile]:
        """Pictures of the last build that are still used, by the digest of their inputs."""
        return {digest: media for digest, media in self._drawn.items() if media.name in self.added.files}

    def add_once(self, key: Hashable, read: Callable[[], bytes]) -> MediaFile:
        """The picture of a key. It is read and added at the first call only: many pages show the same photograph."""
        if key not in self._by_key:
            self._by_key[key] = self.add(read())
        return self._ask(self._by_key[key])

    def _ask(self, media: MediaFile) -> MediaFile:
        self._asked.add(media.name)
        return media

    def add(self, data: bytes) -> MediaFile:
        """Add a PNG or JPEG picture; a JPEG becomes WebP if that is the format of photographs. Errors: OutputError."""
        if self.image_format == "webp" and data.startswith(JPEG):
            return self.draw(as_webp, data)
        digest = hashlib.sha256(data).hexdigest()[:NAME_DIGITS]
        if digest not in self.added.by_content:
            suffix, size = _suffix_and_size(data)
            name = f"{digest}.{suffix}"
            path = self._folder / name
            if not (name in self._intact or self._is_complete(path, data)):
                write_atomic(path, data, durable=False)
            self.added.by_content[digest] = MediaFile(f"media/{name}", *size)
            self.added.files.add(name)
        return self._ask(self.added.by_content[digest])

    def _is_complete(self, path: Path, data: bytes) -> bool:
        """Whether the file has these bytes. One that appeared during this build is another process's, which writes
        atomically; an older one may be a fragment that an interrupted build left."""
        return path.is_file() and (path.name not in self._before or path.read_bytes() == data)

    def draw(self, function: Callable[..., bytes], *inputs: object) -> MediaFile:
        """Add the picture that a function draws from plain data. With the same inputs as in the last build, it is not
        drawn again."""
        key = pickle.dumps((self.image_format == "webp", function.__module__, function.__qualname__, inputs), 5)
        digest = hashlib.sha256(key).hexdigest()[:32]
        if digest not in self.added.by_inputs:
            media = self._drawn.get(digest)
            if media is None or media.name not in self._intact:
                media = self.add(function(*inputs))
            else:
                self.added.files.add(media.name)
            self.added.by_inputs[digest] = media
        return self._ask(self.added.by_inputs[digest])

    def merge(self, added: AddedMedia) -> None:
        """Take over what another process added to its copy."""
        self.added.files.update(added.files)
        self.added.by_content.update(added.by_content)
        self.added.by_inputs.update(added.by_inputs)

    def remove_unused(self) -> None:
        """Delete the pictures of earlier builds that this one did not use, and what killed processes left."""
        for path in self._folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)
        for name in self._before.keys() - self.added.files:
            (self._folder / name).unlink(missing_ok=True)


def _suffix_and_size(data: bytes) -> tuple[str, tuple[int, int]]:
    """Suffix of a picture file, and its width and height in pixels."""
    if data.startswith(PNG):  # most are maps, whose header is read sooner than Pillow opens a file
        return "png", (int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    with Image.open(io.BytesIO(data)) as picture:
        return SUFFIXES[picture.format or ""], picture.size
