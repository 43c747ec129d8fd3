"""What settings name by a URL, as local paths: data sets as mirrors, single files as copies."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from reportgen.data.arrow import is_columnar
from reportgen.data.files import cause, indexed_files
from reportgen.data.formats import has_image_ending
from reportgen.data.mirror import Mirror
from reportgen.data.readers.dataset import METADATA
from reportgen.data.readers.packed import find_packed, numbered_names
from reportgen.data.readers.table_rows import read_rows
from reportgen.data.remote import RemoteFiles, last_segment, shown
from reportgen.errors import DataError
from reportgen.setting_values import as_url

SAVED_TO_DISK = ("state.json", "dataset_info.json", "dataset_dict.json")
"""Files of `save_to_disk` of Hugging Face's `datasets`."""
INDEX = ".index.json"


def local_data(source: Path, cache: Path) -> Path:
    """Return the local path of a data set: of a folder's mirror, or of copies of tables and packed files.

    cache: folder of the mirrors. Local paths do not change. Errors: DataError.
    """
    url = as_url(source)
    if url is None:
        return source
    try:
        return _local_data(url, cache)
    except OSError as error:
        raise _unreadable("data", url, error) from None


def local_annotations(source: Path, cache: Path) -> Path:
    """Return the local path of a copy of a file of annotations, or of a folder of them. Errors: DataError."""
    url = as_url(source)
    if url is None:
        return source
    try:
        if RemoteFiles(url).is_file():
            return _copied(url, cache)[1]
        mirror = Mirror(url, cache)
        files = mirror.remote.list()
        if not files:
            raise FileNotFoundError("it does not exist, or has no files")
        mirror.make_places({name: file for name, file in files.items() if not has_image_ending(name)})
        mirror.copy(mirror.files)
        return mirror.root
    except OSError as error:
        raise _unreadable("annotations", url, error) from None


def local_file(source: Path, cache: Path) -> Path:
    """Return the local path of a copy of a file; of an index of weights, with the files that it names.

    Errors: DataError.
    """
    url = as_url(source)
    if url is None:
        return source
    try:
        mirror, path = _copied(url, cache)
        if path.name.endswith(INDEX):
            mirror.make_places(mirror.remote.infos(_paths(mirror.remote, indexed_files(path))), keep_others=True)
            mirror.copy(mirror.files)
        return path
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _unreadable("file", url, error) from None


def _local_data(url: str, cache: Path) -> Path:
    name = last_segment(url)
    if (names := numbered_names(name)) or "*" in name:
        mirror = Mirror(_parent(url), cache, url)
        mirror.make_places(mirror.remote.infos(_paths(mirror.remote, names)) if names else mirror.remote.glob(name))
        mirror.copy(mirror.files)
        return mirror.root / name
    if RemoteFiles(url).is_file():
        mirror, path = _copied(url, cache)
        if not find_packed(path) and not has_image_ending(name):
            cells = [row["path"] for _, row in read_rows(path).rows if isinstance(row, dict) and row.get("path")]
            names = sorted({os.path.normpath(cell) for cell in cells if not cell.startswith("/")})
            inside = [name for name in names if not name.startswith("..")]
            mirror.make_places(mirror.remote.infos(_paths(mirror.remote, inside)) | mirror.files)
        return path
    mirror = Mirror(url, cache)
    files = mirror.remote.list()
    if not files:
        raise FileNotFoundError("it does not exist, or has no files")
    mirror.make_places(files)
    has_images = any(map(has_image_ending, files))
    mirror.copy([name for name in mirror.files if _is_needed(name, has_images)])
    return mirror.root


def _copied(url: str, cache: Path) -> tuple[Mirror, Path]:
    """Copy a file into a mirror of its folder that has only what the file needs."""
    remote, name = RemoteFiles(url), last_segment(url)
    found = remote.infos({name: remote.root})
    if not found:
        raise FileNotFoundError("it does not exist")
    mirror = Mirror(_parent(url), cache, url)
    mirror.make_places(found, keep_others=True)
    mirror.copy([name])
    return mirror, mirror.root / name


def _is_needed(name: str, has_images: bool) -> bool:
    """Whether a reader needs the content of a file in a folder, besides that of images."""
    path = PurePosixPath(name)
    is_packed = is_columnar(Path(name)) or path.suffix.lower() == ".tar"
    return name in METADATA or path.name in SAVED_TO_DISK or (is_packed and not has_images and len(path.parts) == 1)


def _paths(remote: RemoteFiles, names: Iterable[str]) -> dict[str, str]:
    """Return the path of each file in the folder of a URL, as its file system names it."""
    root = remote.root.rstrip("/")
    return {name: f"{root}/{quote(name) if remote.is_http else name}" for name in names}


def _parent(url: str) -> str:
    parent = shown(url).rpartition("/")[0]
    return f"{parent}/" if parent.endswith(":/") else parent


def _unreadable(what: str, url: str, error: Exception) -> DataError:
    return DataError(
        f"{what} `{shown(url)}` cannot be read: {cause(error)}",
        "check the URL; credentials come from the environment, as the package of its file system describes",
    )
