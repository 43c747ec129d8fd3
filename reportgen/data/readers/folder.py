"""A folder of images: with a folder for each class (torchvision's ImageFolder convention), or flat."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path, PurePosixPath

from reportgen.data.class_names import Vocabulary
from reportgen.data.files import cause, one_line
from reportgen.data.samples import Refused, Sample
from reportgen.errors import DataError

ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"))


def read_folder(
    root: Path, vocabulary: Vocabulary, annotations: Path | None = None
) -> tuple[list[Sample], list[Refused]]:
    """The images below `root`, sorted by name, labelled by their first-level folder, and all that was left out.

    Images at the top have no label. Those of a folder that names no class stay, unlabelled; the folder is listed.
    The file or folder `annotations` may lie among them.
    """
    names, refused = list_files(root)
    if annotations is not None:
        own = os.path.abspath(annotations)
        names = [n for n in names if is_image(n) or not f"{os.path.abspath(root / n)}/".startswith(f"{own}/")]
    images = [name for name in names if is_image(name)]
    endings = Counter(PurePosixPath(name).suffix.lower() for name in names if not is_image(name))
    for ending, count in sorted(endings.items()):
        what = f"with ending `{one_line(ending)}`" if ending else "without an ending"
        refused.append(Refused(f"*{one_line(ending)}", f"{_count(count, 'file')} {what}, not an image"))
    labels: dict[str, int | None] = {"": None}
    for folder, count in sorted(Counter(map(_class_folder, images)).items()):
        try:
            labels[folder] = vocabulary.index(folder) if folder else None
        except LookupError as error:
            labels[folder] = None
            refused.append(Refused(f"{one_line(folder)}/", f"{error}; {_count(count, 'image')} left unlabelled"))
    return [Sample(root / name, name, labels[_class_folder(name)]) for name in images], refused


def folder_class_names(source: Path) -> tuple[str, ...] | None:
    """The sorted names of the class folders of `source`, or None where it is no tree of class folders.

    It is one if images lie in its folders and none beside them. As in torchvision, every folder counts as a class.
    """
    if not source.is_dir():
        return None
    images = [name for name in list_files(source)[0] if is_image(name)]
    if not images or not all(map(_class_folder, images)):
        return None
    with os.scandir(source) as entries:
        return tuple(sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name[0] != "."))


def list_files(root: Path) -> tuple[list[str], list[Refused]]:
    """Every file below `root` as a sorted path with forward slashes, and what is no readable file inside of `root`.

    Names with a leading dot are passed over. Links to files inside are files; links to folders are never followed,
    so that no loop can arise and no image counts twice. DataError if `root` cannot be listed.
    """
    names: list[str] = []
    refused: list[Refused] = []
    real_root = Path(os.path.realpath(root))
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as scan:
                entries = [entry for entry in scan if not entry.name.startswith(".")]
        except OSError as error:
            if not folder:
                raise DataError(f"folder `{one_line(str(root))}` cannot be read: {cause(error)}") from None
            refused.append(Refused(one_line(folder), cause(error)))
            continue
        for entry in entries:
            name = folder + entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{name}/")
            elif reason := _unfit(entry, real_root):
                refused.append(Refused(one_line(name), reason))
            else:
                names.append(name)
    return sorted(names), sorted(refused, key=lambda row: row.where)


def is_image(name: str) -> bool:
    """Whether the ending says that the file is an image."""
    return PurePosixPath(name).suffix.lower() in ENDINGS


def _unfit(entry: os.DirEntry[str], real_root: Path) -> str | None:
    """Why an entry that is no folder cannot be read as a file of the data set, or None."""
    if entry.is_file(follow_symlinks=False):
        return None
    try:
        target = Path(os.path.realpath(entry.path, strict=True))
        mode = target.stat().st_mode
    except OSError as error:
        return f"link: {cause(error)}" if entry.is_symlink() else cause(error)
    if not target.is_relative_to(real_root):
        return "link: leads out of the data set's folder"
    if stat.S_ISDIR(mode):
        return "link: leads to a folder, and links to folders are not followed"
    return None if stat.S_ISREG(mode) else "not a regular file"


def _class_folder(name: str) -> str:
    """The first-level folder of a name, "" for a file at the top."""
    folder, slash, _ = name.partition("/")
    return folder if slash else ""


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
