"""Check that a site is complete: every link, picture, data file, digest and policy (`reportgen check`)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from reportgen.errors import OutputError
from reportgen.gallery.core.checksums import DIGEST_IN_NAME, checksum_faults, hash_files, site_files
from reportgen.gallery.core.data_chunks import CHUNKS, PIECE, chunk_body
from reportgen.json_text import load_json
from reportgen.parallel import parallel_map

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "worker-src blob:; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of every page except `NOT_FOUND` and `LIVE`."""
LIVE = "live.html"
"""The page that runs the network."""
LIVE_POLICY = POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
"""The policy of `LIVE`: it may compile WebAssembly, too. This is not `unsafe-eval`: text never becomes code."""
SHORT_PAGE = "image.html"
"""The page of every image that has no full page."""
NOT_FOUND = "404.html"
"""The page whose style and script are inline (`policy_of`): hosts serve it at any depth, so it cannot link to them."""
MAX_FILE_SIZE = 20 * 1024 * 1024
"""Bytes. The strictest of the common static hosts refuses files of more than 25 MiB."""
CHUNK_URL = re.compile(r"data/[\w-]+\.[0-9a-f]{10}\.js")
URL_COLUMNS = ("page", "photo", "thumbnail", "layer", "sheet")
"""Texts of a chunk that are URLs relative to the root."""
SHORT_IMAGES = re.compile(r"data/image-\d+\.")
"""The chunks of the images without a full page."""
SHORT_ID = re.compile(r'"id": "([0-9a-f.]+)"')
URL_ATTRIBUTES = {
    "a": "href",
    "link": "href",
    "img": "src",
    "script": "src",
    "image": "href",
    "iframe": "src",
    "source": "src",
}
"""Element → its attribute with a URL."""


@dataclass(frozen=True)
class Fault:
    """A broken part of a site. file: relative to the site; text: what is wrong."""

    file: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


@dataclass
class PageContent:
    """The references of a page, and what it contains that its policy forbids."""

    references: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    policy: str | None = None
    forbidden: list[str] = field(default_factory=list)
    inline: dict[str, str] = field(default_factory=lambda: {"style": "", "script": ""})
    json_blocks: list[str] = field(default_factory=list)


class _Parser(HTMLParser):
    """Reads a page into `content`."""

    def __init__(self) -> None:
        super().__init__()
        self.content = PageContent()
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.content.ids.add(values["id"])
        if tag == "meta" and values.get("http-equiv", "").lower() == "content-security-policy":
            self.content.policy = values.get("content")
        if tag in URL_ATTRIBUTES and URL_ATTRIBUTES[tag] in values:
            self.content.references.append(values[URL_ATTRIBUTES[tag]])
        self.content.forbidden += [
            f"`{name}` on <{tag}>" for name in values if name == "style" or name.startswith("on")
        ]
        self._in = ""
        if tag == "style":
            self._in = "style"
            self.content.forbidden.append("a <style> element")
        if tag == "script" and "src" not in values:
            self._in = "json" if values.get("type") == "application/json" else "script"
            if self._in == "script":
                self.content.forbidden.append("an inline script")
            else:
                self.content.json_blocks.append("")

    def handle_data(self, data: str) -> None:
        if self._in == "json":
            self.content.json_blocks[-1] += data
        elif self._in:
            self.content.inline[self._in] += data

    def handle_endtag(self, tag: str) -> None:
        self._in = ""


def policy_of(style: str, script: str) -> str:
    """The policy of a page with this inline style and script: no others, and requests to its own host only."""
    own = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    return (
        f"default-src 'none'; script-src 'sha256-{own[0]}'; style-src 'sha256-{own[1]}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def check_site(report: Path) -> tuple[list[Fault], int, int]:
    """Return everything that is broken in `report/site`, sorted by file, and the number of pages and files.

    Errors: OutputError if there is no site.
    """
    site = report / "site"
    if not (site / "index.html").is_file():
        raise OutputError(f"`{report}` has no report", "run `reportgen run` or `reportgen demo` first")
    paths = site_files(site)
    files = {name: Path(path) for name, path in paths.items()}
    names = [name for name in files if name.endswith(".html")]
    pages = dict(
        zip(names, parallel_map(_parse, [files[name] for name in names], lambda i: f"`{names[i]}`"), strict=True)
    )
    sums = hash_files(paths)
    faults = [Fault(name, text) for name, text in checksum_faults(site, sums)]
    chunks = [name for name in files if name.startswith("data/") and name.endswith(".js")]
    parts = [files[name] for name in chunks if SHORT_IMAGES.match(name)]
    short = set(chain(*parallel_map(_short_ids, parts, lambda i: f"`{parts[i]}`")))
    faults += [fault for name, page in pages.items() for fault in _page_faults(name, page, files, pages, short)]
    faults += [fault for name, path in files.items() for fault in _file_faults(name, path, sums[name])]
    if CHUNKS not in files:
        faults.append(Fault(CHUNKS, "is missing; scripts need it to find their data"))

    def faults_of(name: str) -> list[Fault]:
        return list(_chunk_faults(name, files, short))

    faults += chain(*parallel_map(faults_of, chunks, lambda i: f"`{chunks[i]}`"))
    return sorted(faults, key=lambda fault: (fault.file, fault.text)), len(pages), len(files)


def _parse(path: Path) -> PageContent:
    parser = _Parser()
    parser.feed(path.read_text("utf-8", "replace"))
    return parser.content


def _short_ids(chunk: Path) -> list[str]:
    """The ids of the images without a full page that are in a chunk."""
    return SHORT_ID.findall(chunk.read_text("utf-8", "replace"))


def _page_faults(
    name: str, page: PageContent, files: dict[str, Path], pages: dict[str, PageContent], short: set[str]
) -> Iterator[Fault]:
    policies = {NOT_FOUND: policy_of(**page.inline), LIVE: LIVE_POLICY}
    if page.policy != policies.get(name, POLICY):
        yield Fault(name, "its Content-Security-Policy is missing or differs")
    for text in dict.fromkeys(page.forbidden if name != NOT_FOUND else []):
        yield Fault(name, f"{text}, which the policy forbids")
    for block in page.json_blocks:
        try:
            urls = [text for text in _texts(load_json(block)) if CHUNK_URL.fullmatch(text)]
        except ValueError:
            yield Fault(name, "its data block is not JSON")
            continue
        yield from (Fault(name, f"`{url}` is missing") for url in urls if url not in files)
    for reference in dict.fromkeys(page.references):
        parts = urlsplit(reference)
        if parts.scheme == "data":
            continue
        if parts.scheme or parts.netloc or parts.path.startswith("/"):
            yield Fault(name, f"`{reference}` leads outside the site")
            continue
        target = _resolve(name, unquote(parts.path)) if parts.path else name
        if target not in files or not _has_image(reference, short):
            yield Fault(name, f"`{reference}` is missing")
        elif (
            parts.fragment and target in pages and "=" not in parts.fragment and parts.fragment not in pages[target].ids
        ):
            yield Fault(name, f"`{reference}` names an id that the page does not have")


def _has_image(url: str, short: set[str]) -> bool:
    """Whether a URL is not that of an image without a full page, or the site has this image."""
    _, _, image = url.partition(f"{SHORT_PAGE}#id=")
    return not image or image.partition("&")[0] in short


def _resolve(page: str, path: str) -> str:
    """The path in the site of a URL that is relative to a page; "" if it leaves the site."""
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


def _urls_of_short(image: Mapping[str, Any]) -> Iterator[str]:
    """The URLs of an image without a full page: of its photograph, neighbours, neighbours' pictures and facts."""
    yield image["photo"][0]
    for url, *_, picture in image["neighbours"]:
        yield from (url, picture[0])
    yield from (link[0] for link in image["around"] if link)
    yield from (url for _, _, url in image["facts"])


def _chunk_faults(name: str, files: dict[str, Path], short: set[str]) -> Iterator[Fault]:
    """Faults of the URLs in a chunk: of other chunks (`CHUNKS`), or of the pages and pictures of its images."""
    if PIECE in name:
        return  # it is read with the others of its chunk
    try:
        body = chunk_body(files[name])
        columns = [body["texts"].get(column, "").split("\n") for column in URL_COLUMNS]
        urls = [*body.get("urls", {}).values(), *chain(*columns)]
        if SHORT_IMAGES.match(name):
            urls += chain(*map(_urls_of_short, body["images"]))
    except (OSError, ValueError, KeyError, AttributeError, TypeError, IndexError):
        yield Fault(name, "is not a chunk of data")
        return
    for url in dict.fromkeys(filter(None, urls)):
        if url.partition("#")[0] not in files or not _has_image(url, short):
            yield Fault(name, f"`{url}` is missing")


def _file_faults(name: str, path: Path, digest: str) -> Iterator[Fault]:
    size = path.stat().st_size
    if size == 0 and not path.name.startswith("."):
        yield Fault(name, "is empty")
    if size > MAX_FILE_SIZE:
        yield Fault(name, f"has {size:,} bytes; static hosts accept at most {MAX_FILE_SIZE:,}")
    named = DIGEST_IN_NAME.match(path.name)
    if named and not digest.startswith(named[1]):
        yield Fault(name, "its bytes do not match the digest in its name")
    if path.suffix == ".json":
        try:
            load_json(path.read_text("utf-8"))
        except ValueError:
            yield Fault(name, "is not JSON")
