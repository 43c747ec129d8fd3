"""The record of the last build: what each page and picture was made from, so that only what changed is made again."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes

from reportgen.gallery.core import assets
from reportgen.gallery.core.glossary import glossary_text
from reportgen.gallery.core.media import MediaFile
from reportgen.json_text import load_json

MANIFEST_FILE = "built.json"
"""Name of the manifest in the folder `cache`."""
FILLED_LATER = {"merged_reviews.html"}
"""Pages that other commands fill in a finished report. The next build clears them: they belong to the old report."""


@dataclass(frozen=True)
class PageRecord:
    """A page as it was written. inputs: digest of everything that it was made from; size, time: of the file (ns)."""

    inputs: str
    size: int
    time: int

    @classmethod
    def of(cls, inputs: str, file: Path) -> PageRecord:
        """The record of a file that was just written."""
        stat = file.stat()
        return cls(inputs, stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True)
class Manifest:
    """pages: by URL; drawn: digest of the inputs of a picture → the picture; pictures: names of all picture files."""

    pages: dict[str, PageRecord] = field(default_factory=dict)
    drawn: dict[str, MediaFile] = field(default_factory=dict)
    pictures: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The manifest of the last build; an empty one if there is none, or if other code wrote it."""
        try:
            stored = load_json(path.read_text("ascii"))
            if stored["code"] != code_digest():
                return cls()
            pages = {url: PageRecord(*row) for url, row in stored["pages"].items()}
            return cls(pages, {key: MediaFile(*row) for key, row in stored["drawn"].items()}, set(stored["pictures"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def encode(self) -> bytes:
        """The bytes that `read` reads."""
        rows = {
            name: {key: list(vars(row).values()) for key, row in sorted(getattr(self, name).items())}
            for name in ("pages", "drawn")
        }
        return json.dumps({"code": code_digest(), "pictures": sorted(self.pictures), **rows}).encode("ascii")

    def is_current(self, url: str, inputs: str, file: Path) -> bool:
        """Whether the file is what the last build wrote from the same inputs."""
        record = self.pages.get(url)
        return (
            record is not None and record.inputs == inputs and file.is_file() and record == PageRecord.of(inputs, file)
        )


def digest_of(*inputs: object) -> str:
    """SHA-256 of plain data: dataclasses, containers, text, numbers and arrays.

    Different data have different digests. Equal data may differ too, as 1 and 1.0 do.
    """
    data = io.BytesIO()
    pickler = pickle.Pickler(data, 5)
    pickler.fast = True  # no memo: whether equal objects are one object differs from process to process
    pickler.dump(inputs)
    return hashlib.sha256(data.getbuffer()).hexdigest()


@cache
def code_digest() -> str:
    """SHA-256 of the package's own code and of the version of Jinja."""
    sources = [path.read_bytes() for path in sorted(assets.PACKAGE.rglob("*.py"))]
    return hashlib.sha256(b"\0".join([jinja2.__version__.encode(), *sources])).hexdigest()


def template_digests(names: Iterable[str], env: jinja2.Environment, shared: Mapping[str, Any]) -> dict[str, str]:
    """Digest of each template: of its text, of the texts that it extends and imports, of the shared variables that any
    of them names, and of the glossary, from which filters take tooltips."""
    terms = glossary_text()

    @cache
    def read(name: str) -> tuple[str, frozenset[str], tuple[str, ...]]:
        assert env.loader is not None
        text = env.loader.get_source(env, name)[0]
        return text, *_names_in(text, env)

    def digest(name: str) -> str:
        waiting, texts, variables = [name], {}, set[str]()
        while waiting:
            current = waiting.pop()
            if current not in texts:
                texts[current], named, others = read(current)
                variables |= named
                waiting += others
        used = sorted((name, value) for name, value in shared.items() if name in variables)
        return digest_of(sorted(texts.items()), used, terms)

    return {name: digest(name) for name in names}


@lru_cache(maxsize=256)  # several builds of a run read the same templates
def _names_in(text: str, env: jinja2.Environment) -> tuple[frozenset[str], tuple[str, ...]]:
    """The variables of a template, and the templates that it extends and imports."""
    tree = env.parse(text)
    others = tuple(other for other in meta.find_referenced_templates(tree) if other is not None)
    return frozenset(node.name for node in tree.find_all(nodes.Name)), others
