"""The record of files that could not be decoded: a later run does not try them again unless it is asked to.

A damaged file costs little to try, but one that blocks its decoder costs two minutes in every run.
"""

from __future__ import annotations

import json
from pathlib import Path

from reportgen.data.files import one_line
from reportgen.data.formats import ending
from reportgen.gallery.core.manifest import code_digest, digest_of
from reportgen.json_text import load_json
from reportgen.pipeline import image_loader
from reportgen.pipeline.network_sources import versions
from reportgen.store.files import write_atomic

RECORD = "failed-files.json"
"""File of the cache with the record: `{"made_by": digest, "failed": {"<SHA-256 of the bytes> <ending>": reason}}`."""


class FailedFiles:
    """The files that runs with the same code and libraries could not decode, by their bytes and their ending.

    The ending matters for formats without a signature.
    """

    def __init__(self, cache: Path, decode: str) -> None:
        """Read the record. decode: the setting."""
        self._path = cache / RECORD
        self._made_by = digest_of(code_digest(), versions(), decode)
        self._failed = self._read()
        self._stored = dict(self._failed)

    def reason(self, identity: str, name: str) -> str | None:
        """Return why the file could not be decoded; None if no run tried it. identity: SHA-256 of its bytes in hex."""
        reason = self._failed.get(f"{identity} {ending(name)}")
        return None if reason is None else f"{_start(name)}{reason}"

    def add(self, identity: str, name: str, reason: str) -> None:
        """Record a file that cannot be decoded."""
        self._failed[f"{identity} {ending(name)}"] = reason.removeprefix(_start(name))

    def save(self) -> None:
        """Write the record, if it has changed, with what other parts have recorded. Errors: OutputError."""
        if self._failed != self._stored:
            self._failed = self._read() | self._failed
            data = json.dumps({"made_by": self._made_by, "failed": self._failed}, sort_keys=True).encode()
            write_atomic(self._path, data)
            self._stored = dict(self._failed)

    def _read(self) -> dict[str, str]:
        try:
            record = load_json(self._path.read_text("utf-8"))
            failed = record["failed"] if record["made_by"] == self._made_by else {}
            return {str(key): str(reason) for key, reason in failed.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def forget_failed_files(cache: Path) -> None:
    """Remove the record, so that all files are tried again."""
    (cache / RECORD).unlink(missing_ok=True)
    image_loader.forget_fatal_files()


def _start(name: str) -> str:
    """The beginning of a reason: the file that it is about."""
    return f"`{one_line(name)}` "
