"""Data sets whose images are packed in few files: which files, and their samples."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from reportgen.data.arrow import is_columnar
from reportgen.data.class_names import ClassNames
from reportgen.data.files import cause, one_line
from reportgen.data.formats import is_image
from reportgen.data.readers.folder import list_files
from reportgen.data.readers.image_rows import class_names_of, has_images, read_image_rows
from reportgen.data.readers.tar import class_folders, is_tar, read_tar
from reportgen.data.samples import RejectedInput, Sample
from reportgen.errors import DataError
from reportgen.json_text import load_json

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
SHARD_NUMBER = re.compile(r"[-_.]?\d+(-of-\d+)?$")
MAX_FILES = 100_000


def find_packed(source: Path) -> list[Path]:
    """Return the files that hold the images of `source`: itself, those of a pattern or of a folder; none for others.

    Patterns: `{000..012}` for a range of numbers, and `*` and `?` in the file name. Errors: DataError.
    """
    if source.is_dir():
        return _files_of_folder(source)
    files = [source] if source.exists() else _expand(source)
    return files if files and all(map(_is_packed, files)) else []


def read_packed(files: Sequence[Path], class_names: ClassNames) -> tuple[list[Sample], list[RejectedInput]]:
    """Return the samples of all files, sorted by name, and what was left out. Errors: DataError."""
    samples: list[Sample] = []
    refused: list[RejectedInput] = []
    for path in files:
        found, left_out = (read_tar if is_tar(path) else read_image_rows)(path, class_names)
        samples += found
        refused += left_out
    return sorted(samples, key=lambda sample: sample.name), refused


def packed_class_names(files: Sequence[Path]) -> tuple[str, ...] | None:
    """Return the class names that the files state, in their order, or None: for tar files, the class folders.

    Errors: DataError.
    """
    return class_folders(files) if is_tar(files[0]) else class_names_of(files[0])


def numbered_names(pattern: str) -> list[str]:
    """Return the names that a range of numbers such as `{000..012}` stands for; none without a range.

    Errors: DataError.
    """
    match = RANGE.search(pattern)
    if match is None:
        return []
    first, last = match.groups()
    if not 0 <= int(last) - int(first) < MAX_FILES:
        raise DataError(f"data `{one_line(pattern)}` is not an ascending range of at most {MAX_FILES} files")
    numbers = (f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1))
    return [pattern[: match.start()] + number + pattern[match.end() :] for number in numbers]


def _is_packed(path: Path) -> bool:
    return is_tar(path) or has_images(path)


def _expand(pattern: Path) -> list[Path]:
    """Return the files of a pattern, sorted; none if it is a plain name. Errors: DataError if a file does not exist."""
    if names := numbered_names(str(pattern)):
        paths = [Path(name) for name in names]
        if missing := next((path for path in paths if not path.exists()), None):
            raise DataError(f"data `{one_line(str(pattern))}`: `{one_line(missing.name)}` does not exist")
        return paths
    if not {"*", "?"} & set(pattern.name):
        return []
    return sorted(pattern.parent.glob(pattern.name))


def _files_of_folder(folder: Path) -> list[Path]:
    """Return the files of a folder that holds a data set in packed files; none if it is a folder of images."""
    if (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file():
        return _files_saved_to_disk(folder)
    if (folder / "dataset_dict.json").is_file():
        splits = sorted(path.parent.name for path in folder.glob("*/state.json"))
        raise _several(folder, splits, f"give one of its folders: --data {one_line(str(folder / splits[0]))}")
    try:
        top = sorted(Path(entry.path) for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError:
        return []  # the reader of folders names the cause
    candidates = [path for path in top if is_columnar(path) or path.suffix.lower() == ".tar"]
    if not candidates or any(is_image(folder, name) for name in list_files(folder)[0]):
        return []
    files = [path for path in candidates if _is_packed(path)]
    splits = sorted({SHARD_NUMBER.sub("", path.stem) for path in files})
    if len(splits) > 1:
        raise _several(folder, splits, f"give one: --data '{one_line(str(folder / splits[0]))}*{files[0].suffix}'")
    return files


def _files_saved_to_disk(folder: Path) -> list[Path]:
    """Return the Arrow files of a folder that `save_to_disk` of `datasets` wrote, in their order. Errors: DataError."""
    try:
        rows = load_json((folder / "state.json").read_bytes())["_data_files"]
        return [folder / Path(row["filename"]).name for row in rows]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"`{one_line(str(folder / 'state.json'))}` cannot be read: {cause(error)}") from None


def _several(folder: Path, splits: Sequence[str], hint: str) -> DataError:
    shown = ", ".join(f"`{one_line(name)}`" for name in itertools.islice(splits, 12))
    return DataError(f"data `{one_line(str(folder))}` holds several data sets: {shown}", hint)
