"""The record of the last build: what each page and picture was made from, so that only what changed is made again."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes

from reportgen.gallery.core import assets
from reportgen.gallery.core.glossary import glossary_text
from reportgen.gallery.core.media import ABSENT, FileState, MediaFile, state_of
from reportgen.json_text import load_json

MANIFEST_FILE = "built.json"
"""Name of the manifest in the folder `cache`."""
FILLED_LATER = {"merged_reviews.html"}
"""Pages that other commands fill in a finished report. The next build clears them: they belong to the old report."""


@dataclass(frozen=True, slots=True)
class PageRecord:
    """A page as it was written.

    inputs: digest of everything that it was made from; size, time: of the file (ns); key: digest of the same things as
    they are known before the page is made, or ""; pictures: names of those that it shows, if it has a key.
    """

    inputs: str
    size: int
    time: int
    key: str = ""
    pictures: Sequence[str] = ()

    @classmethod
    def of(cls, inputs: str, file: Path, key: str = "", pictures: Sequence[str] = ()) -> PageRecord:
        """The record of a file that was just written."""
        return cls(inputs, *state_of(file), key, pictures)

    @property
    def state(self) -> FileState:
        """The state in which the file was written."""
        return self.size, self.time


@dataclass(frozen=True)
class Manifest:
    """What a build made.

    pages: by URL; drawn: digest of the inputs of a picture → the picture; pictures: states of all picture files, by
    name; cards: digest of the inputs of an image's card → names of its pictures; checksums: state of the site's list.
    """

    pages: dict[str, PageRecord] = field(default_factory=dict)
    drawn: dict[str, MediaFile] = field(default_factory=dict)
    pictures: dict[str, FileState] = field(default_factory=dict)
    cards: dict[str, list[str]] = field(default_factory=dict)
    checksums: FileState = ABSENT

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The manifest of the last build; an empty one if there is none, or if other code wrote it."""
        try:
            stored = load_json(path.read_text("ascii"))
            if stored["code"] != code_digest():
                return cls()
            names = list(stored["pictures"])
            pages = {
                url: PageRecord(inputs, size, time, key, [names[number] for number in pictures])
                for url, (inputs, size, time, key, pictures) in stored["pages"].items()
            }
            drawn = {key: MediaFile(*row) for key, row in stored["drawn"].items()}
            states = {name: (size, time) for name, (size, time) in stored["pictures"].items()}
            size, time = stored["checksums"]
            return cls(pages, drawn, states, stored["cards"], (size, time))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return cls()

    def encode(self) -> bytes:
        """The bytes that `read` reads."""
        names = sorted(self.pictures)
        number = {name: n for n, name in enumerate(names)}
        pages = {
            url: [page.inputs, page.size, page.time, page.key, [number[name] for name in page.pictures]]
            for url, page in sorted(self.pages.items())
        }
        drawn = {key: [media.url, media.width, media.height] for key, media in sorted(self.drawn.items())}
        pictures = {name: self.pictures[name] for name in names}
        stored = {"pages": pages, "drawn": drawn, "pictures": pictures, "cards": dict(sorted(self.cards.items()))}
        return json.dumps({"code": code_digest(), "checksums": self.checksums, **stored}).encode("ascii")

    def unchanged_since(self, last: Manifest) -> set[str]:
        """The files of the site, relative to it, that are in the state in which the last build left them."""
        pages = {url for url, page in self.pages.items() if url in last.pages and page.state == last.pages[url].state}
        return pages | {f"media/{name}" for name, state in self.pictures.items() if last.pictures.get(name) == state}

    def is_current(self, url: str, inputs: str, file: Path) -> bool:
        """Whether the file is what the last build wrote from the same inputs."""
        record = self.pages.get(url)
        return record is not None and record.inputs == inputs and record.state == state_of(file)


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
