"""The site's list of its own files with their SHA-256, so that a damaged, missing or added file is found.

`sha256sum -c SHA256SUMS` checks it too, without reportgen.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from reportgen.store.files import write_atomic

CHECKSUMS = "SHA256SUMS"
"""Name of the list. It does not name itself."""
FILES_AT_A_TIME = 256
"""Files that a thread reads before it asks for more: a million files are no million waiting tasks."""
LINE = re.compile(r"([0-9a-f]{64})  (.+)")
DIGEST_IN_NAME = re.compile(r"^(?:.*\.)?([0-9a-f]{10,64})\.[a-z0-9]+$")
HEADER = re.compile(r"# (\d+) files, (\d+) bytes; SHA-256 of the lines below: ([0-9a-f]{64})")


def site_files(site: Path) -> dict[str, str]:
    """Return every file of a site by its path relative to it, in order, without the list of checksums."""
    start = len(os.path.join(site, ""))
    found = [os.path.join(folder, name) for folder, _, names in os.walk(site) for name in names]
    paths = {path[start:].replace(os.sep, "/"): path for path in found}
    return {name: paths[name] for name in sorted(paths) if name != CHECKSUMS}


def write_checksums(site: Path, unchanged: Collection[str] = ()) -> None:
    """Write the list of a finished site, unless it is there already. unchanged: files that are as they were when the
    list was written; they are not read again. Errors: OutputError."""
    files = site_files(site)
    lines = (site / CHECKSUMS).read_text("utf-8").splitlines()[1:] if unchanged else []
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    known = {name: listed[name] for name in unchanged if name in listed and name in files}
    sums = known | hash_files({name: path for name, path in files.items() if name not in known})
    body = "".join(f"{sums[name]}  {name}\n" for name in files)
    total = sum(os.path.getsize(path) for path in files.values())
    digest = hashlib.sha256(body.encode()).hexdigest()
    text = f"# {len(files)} files, {total} bytes; SHA-256 of the lines below: {digest}\n{body}"
    path = site / CHECKSUMS
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_atomic(path, text.encode())


def listed_lines(site: Path, without: Collection[str]) -> list[bytes]:
    """Return the lines of the list, without the header and these files. Errors: OSError."""
    lines = (site / CHECKSUMS).read_bytes().splitlines()[1:]
    return [line for line in lines if line.partition(b"  ")[2].decode("utf-8", "replace") not in without]


def hash_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of each file by name."""

    def digests(paths: Sequence[str]) -> list[str]:
        found = []
        for path in paths:
            with open(path, "rb") as file:
                found.append(hashlib.file_digest(file, "sha256").hexdigest())
        return found

    paths = list(files.values())
    parts = [paths[start : start + FILES_AT_A_TIME] for start in range(0, len(paths), FILES_AT_A_TIME)]
    with ThreadPoolExecutor() as pool:
        return dict(zip(files, chain.from_iterable(pool.map(digests, parts)), strict=True))


def is_named_by_digest(name: str, digest: str) -> bool:
    """Whether the name of a file contains the beginning of its SHA-256."""
    named = DIGEST_IN_NAME.match(name.rpartition("/")[2])
    return named is not None and digest.startswith(named[1])


def checksum_faults(site: Path, found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for each file that differs from the list. found: the SHA-256 of all `site_files`.

    Not for files that are named by the digest of their bytes: an interrupted build may leave some, and no page shows
    them.
    """
    try:
        text = (site / CHECKSUMS).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        yield CHECKSUMS, "is missing or cannot be read, so changed files are not found; build the site again"
        return
    header, _, body = text.partition("\n")
    about, lines = HEADER.fullmatch(header), [LINE.fullmatch(line) for line in body.splitlines()]
    listed = {line[2]: line[1] for line in lines if line}
    if not about or len(listed) != len(lines) or hashlib.sha256(body.encode()).hexdigest() != about[3]:
        yield CHECKSUMS, "was changed"
        return
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            yield name, f"is missing; {CHECKSUMS} lists it"
        elif name not in listed and not is_named_by_digest(name, found[name]):
            yield name, f"is not part of the site: {CHECKSUMS} does not list it"
        elif name in listed and found[name] != listed[name]:
            yield name, f"was changed: its SHA-256 is not that in {CHECKSUMS}"
