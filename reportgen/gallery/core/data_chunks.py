"""Data for the browser as classic scripts with base64 columns: the one form that loads from file://, and fast.

A chunk is `reportgen.take(name, {columns: {key: [type, base64]}, texts: {key: "a\\nb"}, …})`; `data.js` decodes it.
One that is too large for a file has the body `{pieces: [URL, …]}`, and each of these files `{piece: number, text}`;
together the texts are the JSON of the body.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import OutputError
from reportgen.json_text import load_json
from reportgen.store.files import write_atomic
from reportgen.store.staging import Staging

CHUNKS = "data/chunks.js"
"""The chunk with the URLs of all others."""
MAX_CHUNK = 16 * 1024 * 1024
"""Bytes of a chunk in one file; a larger one is written in pieces."""
MAX_PIECE = 8 * 1024 * 1024
"""Bytes of a piece before it becomes a text in a script, which at most doubles them."""
TYPES = {"uint8": "u1", "int8": "i1", "uint16": "u2", "int16": "i2", "uint32": "u4", "int32": "i4", "float32": "f4"}


PIECE, PIECES = "-piece-", '{"pieces": ['
"""What is in the name of a piece, and how the body begins that lists the pieces of a chunk."""


def script(
    name: str, columns: Mapping[str, np.ndarray], texts: Mapping[str, Sequence[str]], more: Mapping[str, Any]
) -> bytes:
    """The bytes of a chunk.

    columns: arrays of a dtype in `TYPES`, stored little-endian; texts: one line a row; more: further JSON values.
    Each key is unique: the browser gets all of them as members of one object.
    """
    keys = [*columns, *texts, *more]
    if len(keys) != len(set(keys)):
        raise ValueError(f"chunk `{name}`: a key is used twice: {sorted(keys)}")
    packed = {
        key: [TYPES[array.dtype.name], base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()]
        for key, array in columns.items()
    }
    lines = {key: "\n".join(" ".join(text.splitlines()) for text in rows) for key, rows in texts.items()}
    body = {**more, "columns": packed, "texts": lines}
    return _take(name, body)


def write_chunk(site: Path, name: str, data: bytes) -> list[str]:
    """Write a chunk under `data/`, with the digest of its bytes in its name, and return the URLs of its files.

    Older ones stay until the pages that load this one are published.
    """
    if len(data) <= MAX_CHUNK:
        return [_write(site, name, data)]
    body = _json(data.decode())
    urls = []
    for number, start in enumerate(range(0, len(body), MAX_PIECE)):
        piece = _take(name, {"piece": number, "text": body[start : start + MAX_PIECE]})
        urls.append(_write(site, f"{name}{PIECE}{number}", piece))
    return [_write(site, name, _take(name, {"pieces": urls})), *urls]


def _take(name: str, body: Mapping[str, Any]) -> bytes:
    return f"reportgen.take({json.dumps(name)}, {json.dumps(body, allow_nan=False, sort_keys=True)});\n".encode()


def _write(site: Path, name: str, data: bytes) -> str:
    url = _url(name, data)
    if not (site / url).is_file() or (site / url).read_bytes() != data:
        write_atomic(site / url, data)
    return url


def chunk_of_inputs(site: Path, name: str, inputs: str) -> str | None:
    """The URL of a chunk that an earlier build wrote, if it is intact and its entry `inputs` is this digest."""
    for path in sorted((site / "data").glob(f"{name}.*.js")):
        data = path.read_bytes()
        if f"data/{path.name}" == _url(name, data) and f'"inputs": "{inputs}"'.encode() in data:
            return f"data/{path.name}"
    return None


def _url(name: str, data: bytes) -> str:
    return f"data/{name}.{hashlib.sha256(data).hexdigest()[:10]}.js"


def publish_chunk_urls(site: Path, scripts: Mapping[str, str], staging: Staging) -> None:
    """Stage `data/chunks.js`, which has the URLs of all chunks. Its own URL never changes, so a page that loads its
    data through it does not change when the data do. scripts: URLs of the scripts that pages load on demand.

    Of two chunks with one name, the one that it does not list yet is the new one (see `remove_unlisted_chunks`).
    """
    listed = _listed_urls(site)
    urls = {url.split("/")[1].split(".")[0]: url for url in sorted(_chunk_urls(site), key=lambda u: u not in listed)}
    used = {url for name, url in urls.items() if PIECE not in name for url in _pieces(site / url)}
    urls = {name: url for name, url in urls.items() if PIECE not in name or url in used}
    staging.write(site / CHUNKS, script("chunks", {}, {}, {"urls": {**urls, **scripts}}))


def remove_unlisted_chunks(site: Path) -> None:
    """Remove the chunks that `data/chunks.js` does not list: at the end of a build replaced ones, and before a build
    those of an interrupted one."""
    for url in _chunk_urls(site) - _listed_urls(site):
        (site / url).unlink(missing_ok=True)


def _chunk_urls(site: Path) -> set[str]:
    return {f"data/{path.name}" for path in (site / "data").glob("*.*.js")}


def _listed_urls(site: Path) -> set[str]:
    try:
        return set(chunk_body(site / CHUNKS)["urls"].values())
    except (OSError, ValueError, KeyError, AttributeError):
        return set()


def _pieces(path: Path) -> list[str]:
    """URLs of the pieces of a chunk that is written in pieces; none of another."""
    with open(path, encoding="utf-8") as file:
        if PIECES not in file.read(200):
            return []
    urls: list[str] = load_json(_json(path.read_text("utf-8")))["pieces"]
    return urls


def chunk_body(path: Path) -> dict[str, Any]:
    """The body of a chunk, its columns still packed. Errors: ValueError for a file that is no chunk; OSError."""
    body: dict[str, Any] = load_json(_json(path.read_text("utf-8")))
    if "pieces" in body:
        texts = [chunk_body(path.parents[1] / url)["text"] for url in body["pieces"]]
        body = load_json("".join(texts))
    return body


def _json(text: str) -> str:
    """The body of a chunk in one file, as JSON."""
    return text[text.index("{") : text.rindex("}") + 1]


def read_chunk(site: Path, name: str) -> dict[str, Any]:
    """A chunk as it was written, its columns still packed. Errors: OutputError if there is none."""
    urls = {f"data/{path.name}" for path in (site / "data").glob(f"{name}.*.js")}
    if len(urls) > 1:  # while a build is under way
        urls &= _listed_urls(site)
    if len(urls) != 1:
        raise OutputError(f"`{site}` has no chunk of data called `{name}`", "build the report again")
    return chunk_body(site / urls.pop())
