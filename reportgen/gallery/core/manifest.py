"""What the last build made of what: the next one draws and writes only what is made of something else now."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes

from reportgen.gallery.core import assets
from reportgen.gallery.core.media import Media

LEDGER = "built.json"
"""File of the cache."""


@dataclass(frozen=True)
class Written:
    """A page as it was written. inputs: digest of all that it was made of; size, time: of the file (ns)."""

    inputs: str
    size: int
    time: int


@dataclass(frozen=True)
class Ledger:
    """pages: by their URL; drawn: digest of what a picture was drawn of → the picture; pictures: names of all files."""

    pages: dict[str, Written] = field(default_factory=dict)
    drawn: dict[str, Media] = field(default_factory=dict)
    pictures: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """The ledger of the last build; an empty one where there is none, or where the code was another."""
        try:
            found = json.loads(path.read_text("ascii"))
            if found["code"] != code_digest():
                return cls()
            pages = {url: Written(*row) for url, row in found["pages"].items()}
            return cls(pages, {key: Media(*row) for key, row in found["drawn"].items()}, set(found["pictures"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def encode(self) -> bytes:
        """What `read` reads."""
        rows = {
            what: {key: list(vars(row).values()) for key, row in sorted(getattr(self, what).items())}
            for what in ("pages", "drawn")
        }
        return json.dumps({"code": code_digest(), "pictures": sorted(self.pictures), **rows}).encode("ascii")

    def holds(self, url: str, inputs: str, file: Path) -> bool:
        """Whether the file is what the last build wrote, and these inputs would make it again."""
        written = self.pages.get(url)
        return written is not None and written.inputs == inputs and file.is_file() and written == stamped(inputs, file)


def stamped(inputs: str, file: Path) -> Written:
    """The note of a page that was just written."""
    stat = file.stat()
    return Written(inputs, stat.st_size, stat.st_mtime_ns)


def digest_of(*inputs: object) -> str:
    """SHA-256 of plain data: dataclasses, containers, text, numbers and arrays. What is equal may differ in it, as 1
    and 1.0 do, but what differs never has the same."""
    data = io.BytesIO()
    pickler = pickle.Pickler(data, 5)
    pickler.fast = True  # without a memo: the bytes must not tell which of equal objects are one, as a process has them
    pickler.dump(inputs)
    return hashlib.sha256(data.getbuffer()).hexdigest()


@cache
def code_digest() -> str:
    """SHA-256 of the package's own code and of the version of what renders pages."""
    sources = [path.read_bytes() for path in sorted(assets.PACKAGE.rglob("*.py"))]
    return hashlib.sha256(b"\0".join([jinja2.__version__.encode(), *sources])).hexdigest()


def inputs_of(names: Iterable[str], env: jinja2.Environment, given: Mapping[str, Any]) -> dict[str, str]:
    """Of each template the digest of its text, of the texts that it extends and imports, and of those of the `given`
    variables that any of them names."""

    @cache
    def read(name: str) -> tuple[str, set[str], list[str]]:
        assert env.loader is not None
        text = env.loader.get_source(env, name)[0]
        tree = env.parse(text)
        others = [other for other in meta.find_referenced_templates(tree) if other is not None]
        return text, {name.name for name in tree.find_all(nodes.Name)}, others

    def digest(name: str) -> str:
        waiting, seen, wanted = [name], {}, set()
        while waiting:
            at = waiting.pop()
            if at not in seen:
                seen[at], named, others = read(at)
                wanted |= named
                waiting += others
        return digest_of(sorted(seen.items()), sorted((key, value) for key, value in given.items() if key in wanted))

    return {name: digest(name) for name in names}
