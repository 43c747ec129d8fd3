"""Is a published site whole: every link, picture, data file, digest and policy (`reportgen check`)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from reportgen.errors import OutputError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "worker-src blob:; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy that every page carries but `NOT_FOUND`."""
NOT_FOUND = "404.html"
"""Has its style and script inside (`policy_of`), for it does not know from where it is served."""
LARGEST = 25 * 1024 * 1024
"""Bytes that the strictest of the usual static hosts takes for one file."""
DIGEST_IN_NAME = re.compile(r"^(?:.*\.)?([0-9a-f]{10,64})\.[a-z0-9]+$")
ADDRESSES = "data/chunks.js"
"""The chunk through which the pages' scripts find the others."""
CHUNK = re.compile(r"data/[\w-]+\.[0-9a-f]{10}\.js")
LINKED = ("page", "photo", "layer")
"""Texts of a chunk that are addresses, as seen from the root."""
REFERENCES = {
    "a": "href",
    "link": "href",
    "img": "src",
    "script": "src",
    "image": "href",
    "iframe": "src",
    "source": "src",
}


@dataclass(frozen=True)
class Fault:
    """One thing that is broken: the file it is in, relative to the site, and what is wrong."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


@dataclass
class _Page(HTMLParser):
    """What one page refers to and what its policy forbids."""

    references: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    policy: str | None = None
    forbidden: list[str] = field(default_factory=list)
    inside: dict[str, str] = field(default_factory=lambda: {"style": "", "script": ""})
    json_blocks: list[str] = field(default_factory=list)
    _in: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "meta" and given.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = given.get("content")
        if tag in REFERENCES and REFERENCES[tag] in given:
            self.references.append(given[REFERENCES[tag]])
        self.forbidden += [f"`{name}` on <{tag}>" for name in given if name == "style" or name.startswith("on")]
        self._in = ""
        if tag == "style":
            self._in = "style"
            self.forbidden.append("a <style> element")
        if tag == "script" and "src" not in given:
            self._in = "json" if given.get("type") == "application/json" else "script"
            if self._in == "script":
                self.forbidden.append("a script inside the page")
            else:
                self.json_blocks.append("")

    def handle_data(self, data: str) -> None:
        if self._in == "json":
            self.json_blocks[-1] += data
        elif self._in:
            self.inside[self._in] += data

    def handle_endtag(self, tag: str) -> None:
        self._in = ""


def policy_of(style: str, script: str) -> str:
    """The policy of a page with this style and this script inside: no others, and it may ask its own host."""
    own = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    return (
        f"default-src 'none'; script-src 'sha256-{own[0]}'; style-src 'sha256-{own[1]}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def check_site(report: Path) -> list[Fault]:
    """Everything that is broken in `report/site`, in order of the files. Errors: OutputError where there is no site."""
    site = report / "site"
    if not (site / "index.html").is_file():
        raise OutputError(f"`{report}` holds no report", "run `reportgen run` or `reportgen demo` first")
    files = {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*")) if path.is_file()}
    pages = {name: _parse(path) for name, path in files.items() if name.endswith(".html")}
    faults = [fault for name, page in pages.items() for fault in _page_faults(name, page, files, pages)]
    faults += [fault for name, path in files.items() for fault in _file_faults(name, path)]
    if ADDRESSES not in files:
        faults.append(Fault(ADDRESSES, "is not there, and scripts find their data through it"))
    chunks = (name for name in files if name.startswith("data/") and name.endswith(".js"))
    faults += [fault for name in chunks for fault in _chunk_faults(name, files)]
    return sorted(faults, key=lambda fault: (fault.file, fault.what))


def _parse(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text("utf-8", "replace"))
    return page


def _page_faults(name: str, page: _Page, files: dict[str, Path], pages: dict[str, _Page]) -> Iterator[Fault]:
    if page.policy != (policy_of(**page.inside) if name == NOT_FOUND else POLICY):
        yield Fault(name, "its Content-Security-Policy is missing or another")
    for what in dict.fromkeys(page.forbidden if name != NOT_FOUND else []):
        yield Fault(name, f"{what}, which the policy forbids")
    for text in page.json_blocks:
        try:
            told = _texts(json.loads(text))
        except ValueError:
            yield Fault(name, "its data block is not JSON")
            continue
        yield from (Fault(name, f"`{url}` is not there") for url in told if CHUNK.fullmatch(url) and url not in files)
    for reference in dict.fromkeys(page.references):
        parts = urlsplit(reference)
        if parts.scheme == "data":
            continue
        if parts.scheme or parts.netloc or parts.path.startswith("/"):
            yield Fault(name, f"`{reference}` leads outside the site")
            continue
        target = _resolve(name, unquote(parts.path)) if parts.path else name
        if target not in files:
            yield Fault(name, f"`{reference}` is not there")
        elif (
            parts.fragment and target in pages and "=" not in parts.fragment and parts.fragment not in pages[target].ids
        ):
            yield Fault(name, f"`{reference}` names no place on that page")


def _resolve(page: str, path: str) -> str:
    """A relative address as seen from a page, as a path in the site; "" when it leaves the site."""
    steps = page.split("/")[:-1]
    for step in path.split("/"):
        if step == "..":
            if not steps:
                return ""
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    return "/".join(steps)


def _texts(value: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _chunk_faults(name: str, files: dict[str, Path]) -> Iterator[Fault]:
    """What a chunk leads to: the other chunks (`ADDRESSES`), or the pages and pictures of its images."""
    text = files[name].read_text("utf-8", "replace")
    try:
        body = json.loads(text[text.index("{") : text.rindex("}") + 1])
        columns = [body["texts"].get(column, "").split("\n") for column in LINKED]
        urls = [*body.get("urls", {}).values(), *chain(*columns)]
    except (ValueError, KeyError, AttributeError, TypeError):
        yield Fault(name, "is no chunk of data")
        return
    yield from (Fault(name, f"`{url}` is not there") for url in dict.fromkeys(urls) if url and url not in files)


def _file_faults(name: str, path: Path) -> Iterator[Fault]:
    size = path.stat().st_size
    if size == 0 and not path.name.startswith("."):
        yield Fault(name, "is empty")
    if size > LARGEST:
        yield Fault(name, f"has {size:,} bytes; static hosts take at most {LARGEST:,}")
    named = DIGEST_IN_NAME.match(path.name)
    if named and not hashlib.sha256(path.read_bytes()).hexdigest().startswith(named[1]):
        yield Fault(name, "its bytes are not those that its name says")
    if path.suffix == ".json":
        try:
            json.loads(path.read_text("utf-8"))
        except ValueError:
            yield Fault(name, "is not JSON")
