"""The errors that a user can cause or meet.

A message is one line in lower case, without a final period: the thing that failed and the cause. `hint` is the way out.
`reportgen.cli` prints both and exits with `exit_code`; nothing else prints or exits.
"""

import difflib
from collections.abc import Iterable


class ReportgenError(Exception):
    """Base of all errors that are reported to the user in one line."""

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(ReportgenError):
    """A setting, flag or settings file that cannot be used."""


class DataError(ReportgenError):
    """A data set, table or class list that cannot be used at all; a single bad image is skipped and listed instead."""


class ImageError(ReportgenError):
    """An image that cannot be read or decoded; the job lists it and goes on."""


class ModelError(ReportgenError):
    """A model that cannot be loaded or run, or that cannot be cut into trunk and head."""


class StoreError(ReportgenError):
    """A store or shard that cannot be read or is not what it should be."""


class CorruptError(StoreError):
    """A shard whose bytes are not those that were written; its results can be computed again."""


class OutputError(ReportgenError):
    """A folder or file that cannot be written."""


def first_line(error: Exception) -> str:
    """Return the first line of an error's message: those of PyTorch have many."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error).strip()
    return (text.splitlines() or [type(error).__name__])[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that offers the nearest of the known names, at most three; empty if none is near."""
    close = difflib.get_close_matches(name, list(known), 3, 0.4)
    return f"did you mean {' or '.join(f'`{n}`' for n in close)}?" if close else ""
