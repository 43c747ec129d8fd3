"""Reader of folders of images: one folder for each class, as in torchvision's ImageFolder, or flat."""

from __future__ import annotations

import os
import stat
from collections import Counter
from functools import partial
from pathlib import Path

from reportgen.data.class_names import ClassNames
from reportgen.data.files import cause, one_line
from reportgen.data.formats import has_image_ending, is_image, passed_over
from reportgen.data.samples import RejectedInput, Sample
from reportgen.errors import DataError


def read_folder(
    root: Path, class_names: ClassNames, annotations: Path | None = None
) -> tuple[list[Sample], list[RejectedInput]]:
    """Return the images below `root`, sorted by name, and the files and folders that were left out.

    The label is the first-level folder. Images at the top have none; neither have those of a folder that is not named
    as a class, which is listed. In a multi-label data set no image has one: a folder cannot state several labels.
    annotations: file or folder to be ignored, because it may lie below `root`.
    Errors: DataError if `root` cannot be listed.
    """
    names, refused = list_files(root)
    if annotations is not None:
        ignored = os.path.abspath(annotations)
        names = [
            n for n in names if has_image_ending(n) or not f"{os.path.abspath(root / n)}/".startswith(f"{ignored}/")
        ]
    images = list(filter(partial(is_image, root), names))
    if others := set(names).difference(images):
        refused.insert(0, RejectedInput("other files", f"passed over: {passed_over(others)}"))
    labels: dict[str, int | None] = {"": None}
    for folder, count in sorted(Counter(map(_class_folder, images)).items()):
        try:
            labels[folder] = class_names.index(folder) if folder and not class_names.is_multilabel else None
        except LookupError as error:
            labels[folder] = None
            refused.append(RejectedInput(f"{one_line(folder)}/", f"{error}; {_count(count, 'image')} left unlabelled"))
    return [Sample(root / name, name, labels[_class_folder(name)]) for name in images], refused


def folder_class_names(source: Path) -> tuple[str, ...] | None:
    """Return the sorted names of the class folders of `source`, or None if it has no class folders.

    It has if there are images in its folders and none at the top. As in torchvision, every folder counts as a class.
    """
    if not source.is_dir():
        return None
    images = list(filter(partial(is_image, source), list_files(source)[0]))
    if not images or not all(map(_class_folder, images)):
        return None
    with os.scandir(source) as entries:
        return tuple(sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name[0] != "."))


def list_files(root: Path) -> tuple[list[str], list[RejectedInput]]:
    """Return every file below `root` as a sorted path with forward slashes, and what cannot be read.

    Names with a leading dot are ignored. Links to files inside of `root` count as files. Links to folders are not
    followed: there can be no loops, and no image counts twice. Errors: DataError if `root` cannot be listed.
    """
    names: list[str] = []
    refused: list[RejectedInput] = []
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
            refused.append(RejectedInput(one_line(folder), cause(error)))
            continue
        for entry in entries:
            name = folder + entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{name}/")
            elif reason := _problem_of(entry, real_root):
                refused.append(RejectedInput(one_line(name), reason))
            else:
                names.append(name)
    return sorted(names), sorted(refused, key=lambda row: row.where)


def _problem_of(entry: os.DirEntry[str], real_root: Path) -> str | None:
    """Return the reason why an entry, which is not a folder, is not a file of the data set; None if it is."""
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
    """Return the first-level folder of a name, "" for a file at the top."""
    folder, slash, _ = name.partition("/")
    return folder if slash else ""


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
