"""The pictures of a site: each file is named by the digest of its bytes, so it is written once and never changes."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Hashable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from reportgen.draw.webp import as_webp
from reportgen.store.files import write_atomic

ENDINGS = {"JPEG": "jpg", "WEBP": "webp"}
JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
"""What files of these forms begin with."""


@dataclass(frozen=True)
class Media:
    """A picture file: URL relative to the site's root, and its size in pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True)
class Added:
    """What came into an album. files: names; known: digest of its bytes → picture; drawn: digest of what it was drawn
    of → picture."""

    files: set[str] = field(default_factory=set)
    known: dict[str, Media] = field(default_factory=dict)
    drawn: dict[str, Media] = field(default_factory=dict)


class Album:
    """Writes pictures into `site/media/`; `sweep` removes those that no page asked for."""

    def __init__(
        self,
        site: Path,
        drawn: Mapping[str, Media] | None = None,
        finished: Set[str] = frozenset(),
        pictures: str = "jpeg",
    ) -> None:
        """drawn: by the last build, if its code was the same; finished: names of the files that it finished; pictures:
        `webp` for an album whose photographs are WebP files."""
        self._folder = site / "media"
        self._there = {path.name for path in self._folder.glob("*")} if self._folder.is_dir() else set()
        self._before = drawn or {}
        self._finished = finished & self._there
        self._webp = pictures == "webp"
        self._once: dict[Hashable, Media] = {}
        self.added = Added()

    def once(self, key: Hashable, picture: Callable[[], bytes]) -> Media:
        """The picture that many pages show: read and added when the first of them asks for this key."""
        if key not in self._once:
            self._once[key] = self.add(picture())
        return self._once[key]

    def add(self, data: bytes) -> Media:
        """A PNG or JPEG picture; a JPEG as WebP in an album of those. Errors: OutputError."""
        if self._webp and data.startswith(JPEG):
            return self.draw(as_webp, data)
        digest = hashlib.sha256(data).hexdigest()[:20]
        if digest not in self.added.known:
            ending, size = _form(data)
            name = f"{digest}.{ending}"
            media = Media(f"media/{name}", *size)
            path = self._folder / name
            if name not in self._finished and not self._is_whole(path, data):
                write_atomic(path, data, durable=False)
            self.added.known[digest] = media
            self.added.files.add(name)
        return self.added.known[digest]

    def _is_whole(self, path: Path, data: bytes) -> bool:
        """A file that was not there when the album was opened is another process's of this build, which writes whole
        files; one that was may be what an interrupted build left."""
        return path.read_bytes() == data if path.name in self._there else path.exists()

    def draw(self, picture: Callable[..., bytes], *of: object) -> Media:
        """The picture that a function draws of plain data; the same of the same is drawn once, builds apart."""
        what = pickle.dumps((self._webp, picture.__module__, picture.__qualname__, of), 5)
        key = hashlib.sha256(what).hexdigest()[:32]
        if key not in self.added.drawn:
            media = self._before.get(key)
            if media is None or (name := Path(media.url).name) not in self._finished:
                media = self.add(picture(*of))
            else:
                self.added.files.add(name)
            self.added.drawn[key] = media
        return self.added.drawn[key]

    def take(self, added: Added) -> None:
        """Takes over what another process added to its copy of this album."""
        self.added.files.update(added.files)
        self.added.known.update(added.known)
        self.added.drawn.update(added.drawn)

    def sweep(self) -> None:
        """Deletes the pictures of earlier builds that this one did not use."""
        for name in self._there - self.added.files:
            (self._folder / name).unlink(missing_ok=True)


def _form(data: bytes) -> tuple[str, tuple[int, int]]:
    """Ending, and width and height in pixels, of a picture file."""
    if data.startswith(PNG):  # most are maps, whose header is read sooner than Pillow opens a file
        return "png", (int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    with Image.open(io.BytesIO(data)) as picture:
        return ENDINGS[picture.format or ""], picture.size
