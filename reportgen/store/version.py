"""The version of the cache's layout. A cache of another version is moved out of the way, not read."""

from __future__ import annotations

from pathlib import Path

from reportgen.errors import OutputError
from reportgen.store.files import write_atomic, write_error

CACHE_VERSION = "2"
VERSION_FILE = "version"


def set_aside_other_version(cache: Path) -> list[str]:
    """Rename a cache of another version and return a line that reports it; return no line otherwise.

    Errors: OutputError.
    """
    version = _version_of(cache)
    lines = []
    if version not in (None, CACHE_VERSION):
        names = (cache.with_name(f"cache-version-{version}-{n}") for n in range(1, 1000))
        old = next(path for path in names if not path.exists())
        try:
            cache.rename(old)
        except OSError as error:
            raise write_error(old, error) from error
        lines = [
            f"the cache was written by another version of reportgen and has been moved to `{old}`, which you may delete"
        ]
    if version != CACHE_VERSION:
        write_atomic(cache / VERSION_FILE, f"{CACHE_VERSION}\n".encode())
    return lines


def check_version(cache: Path) -> None:
    """Begin a cache, or refuse one of another version. Unlike a run, several processes may do so at once.

    Errors: OutputError.
    """
    version = _version_of(cache)
    if version not in (None, CACHE_VERSION):
        raise OutputError(
            f"`{cache}` was written by another version of reportgen", "move it away, or name another folder with --out"
        )
    if version is None:
        write_atomic(cache / VERSION_FILE, f"{CACHE_VERSION}\n".encode())


def _version_of(cache: Path) -> str | None:
    """Return the version of a cache; None for an empty or missing one. Version 1 had no version file."""
    try:
        if (cache / VERSION_FILE).is_file():
            version = (cache / VERSION_FILE).read_text("ascii").strip()
            return version if version.isalnum() else "unknown"  # it becomes part of a folder's name
        return "1" if any(not path.name.startswith(".") for path in cache.iterdir()) else None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, NotADirectoryError):
        return "unknown"
