"""The pictures of a site: each file is named by the digest of its bytes, so it is written once and never changes."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from reportgen.store.files import write_atomic


@dataclass(frozen=True)
class Media:
    """A picture file: URL relative to the site's root, and its size in pixels."""

    url: str
    width: int
    height: int


class Album:
    """Writes pictures into `site/media/`; `sweep` removes those that no page asked for."""

    def __init__(self, site: Path) -> None:
        self._folder = site / "media"
        self._there = {path.name for path in self._folder.glob("*")} if self._folder.is_dir() else set()
        self._used: dict[str, Media] = {}

    def add(self, data: bytes) -> Media:
        """A PNG or JPEG picture. Errors: OutputError."""
        digest = hashlib.sha256(data).hexdigest()[:20]
        if digest not in self._used:
            with Image.open(io.BytesIO(data)) as picture:
                name = f"{digest}.{'png' if picture.format == 'PNG' else 'jpg'}"
                self._used[digest] = Media(f"media/{name}", *picture.size)
            if name not in self._there:
                write_atomic(self._folder / name, data)
        return self._used[digest]

    def sweep(self) -> None:
        """Deletes the pictures of earlier builds that this one did not use."""
        for name in self._there - {Path(media.url).name for media in self._used.values()}:
            (self._folder / name).unlink(missing_ok=True)
