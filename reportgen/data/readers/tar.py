"""Reader of tar files: WebDataset shards, and folders of images that were packed as they are."""

from __future__ import annotations

import os
import stat
import tarfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from reportgen.data.class_names import ClassNames
from reportgen.data.file_part import FilePart
from reportgen.data.files import cause, one_line
from reportgen.data.formats import has_image_ending, passed_over
from reportgen.data.readers.boxes import AnnotationError
from reportgen.data.readers.table import ImageAnnotation, annotate_one
from reportgen.data.readers.table_rows import row_text
from reportgen.data.samples import RejectedInput, Sample
from reportgen.errors import DataError, ImageError
from reportgen.json_text import load_json

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
LABELS = ("cls", "json")
"""Extensions of the members of a WebDataset sample that describe its image."""
MAX_DESCRIPTION = 1 << 20
"""Bytes of a `.cls` or `.json` member."""


def is_tar(path: Path) -> bool:
    """Whether a file name ends like a tar file. Errors: DataError if it ends like a compressed one."""
    if path.name.lower().endswith(COMPRESSED):
        raise DataError(
            f"data `{one_line(str(path))}` is compressed, so that images cannot be read at their place",
            "decompress it to a .tar, or unpack it to a folder",
        )
    return path.suffix.lower() == ".tar"


def read_tar(path: Path, class_names: ClassNames) -> tuple[list[Sample], list[RejectedInput]]:
    """Return one sample an image, named `<file>/<member>`, and what was left out.

    With `.cls` or `.json` members it is a WebDataset shard: members that have their name up to the first dot in common
    are one sample, and these describe it. Else the label is the first folder. Errors: DataError.
    """
    members, refused = _members(path)
    images = [name for name in members if has_image_ending(name)]
    others = sorted(set(members).difference(images))
    described = any(_extension(name) in LABELS for name in others)
    if described:
        others = [name for name in others if _extension(name) not in LABELS]
    if others:
        refused.append(RejectedInput(one_line(path.name), f"passed over: {passed_over(others)}"))
    found, left_out = (_described if described else _in_folders)(path, members, images, class_names)
    return found, refused + left_out


def class_folders(files: Sequence[Path]) -> tuple[str, ...] | None:
    """Return the sorted names of the class folders in tar files; None if some image is in none, or described."""
    names: set[str] = set()
    for path in files:
        members, _ = _members(path)
        if any(_extension(name) in LABELS for name in members):
            return None
        names.update(_folders([name for name in members if has_image_ending(name)]).values())
    return None if "" in names else tuple(sorted(names)) or None


def _members(path: Path) -> tuple[dict[str, FilePart], list[RejectedInput]]:
    """Return the places of all regular files by name, and what is damaged. Errors: DataError.

    Names with a leading dot are ignored. Of several members with one name the last counts, as when a tar is unpacked.
    """
    found: dict[str, FilePart] = {}
    where, refused = one_line(path.name), []
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError("not a regular file")
        with tarfile.open(path, "r:") as tar:
            try:
                for member in tar:
                    name = member.name.removeprefix("./")
                    if member.isreg() and not member.issparse() and not any(p[:1] == "." for p in name.split("/")):
                        found[name] = FilePart(member.offset_data, member.size, name)
                with open(path, "rb") as file:  # tarfile ends at a damaged header as at the mark of the end
                    file.seek(tar.offset)
                    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                        raise tarfile.ReadError("no mark of the end follows")
            except tarfile.TarError as error:
                refused.append(RejectedInput(where, f"damaged or truncated after {len(found)} files: {cause(error)}"))
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"data `{one_line(str(path))}` cannot be read: {cause(error)}") from None
    return found, refused


# A folder of images, packed as it is


def _in_folders(
    path: Path, members: Mapping[str, FilePart], images: Sequence[str], class_names: ClassNames
) -> tuple[list[Sample], list[RejectedInput]]:
    samples, unknown = [], defaultdict[tuple[str, str], list[str]](list)
    for name, folder in _folders(images).items():
        label = None
        try:
            label = class_names.index(folder) if folder and not class_names.is_multilabel else None
        except LookupError as error:
            unknown[f"{folder}/", str(error)].append(name)
        samples.append(Sample(path, f"{path.stem}/{name}", label, part=members[name]))
    refused = [
        RejectedInput(one_line(f"{path.name}: {folder}"), f"{error}; images left unlabelled: {len(names)}")
        for (folder, error), names in unknown.items()
    ]
    return samples, refused


def _folders(images: Sequence[str]) -> dict[str, str]:
    """Return the class folder of each image, "" for none: the first, or the second if all are in one that has more."""
    parts = {name: PurePosixPath(name).parts for name in images}
    in_one_root = len({p[0] for p in parts.values()}) == 1 and all(len(p) > 2 for p in parts.values())
    return {name: p[in_one_root] if len(p) > 1 + in_one_root else "" for name, p in parts.items()}


# WebDataset


@dataclass
class _Group:
    """The members of one sample, by extension."""

    images: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


def _described(
    path: Path, members: Mapping[str, FilePart], images: Sequence[str], class_names: ClassNames
) -> tuple[list[Sample], list[RejectedInput]]:
    groups: dict[str, _Group] = defaultdict(_Group)
    for name in images:
        groups[_key(name)].images[_extension(name)] = name
    for name in members:
        if _extension(name) in LABELS:
            groups[_key(name)].labels[_extension(name)] = name
    samples, refused, further = [], [], Counter[str]()
    for key, group in groups.items():
        where = one_line(f"{path.name}: {key}")
        if not group.images:
            refused.append(RejectedInput(where, "a description without an image"))
            continue
        extension = min(group.images, key=lambda text: "." in text)  # `a.jpg` rather than `a.mask.png`
        further.update(other for other in group.images if other != extension)
        name = group.images[extension]
        try:
            annotation, reason = annotate_one(_description(path, members, group), class_names)
        except (AnnotationError, ImageError) as error:
            annotation, reason = ImageAnnotation(), str(error)
        if reason:
            refused.append(RejectedInput(where, one_line(reason)))
        samples.append(annotation.applied_to(Sample(path, f"{path.stem}/{name}", part=members[name])))
    if further:
        listed = ", ".join(f"{count} .{one_line(text)}" for text, count in further.most_common(12))
        refused.append(RejectedInput(one_line(path.name), f"a sample has one image; further ones left out: {listed}"))
    return samples, refused


def _description(path: Path, members: Mapping[str, FilePart], group: _Group) -> Mapping[str, str]:
    """Return the columns of a sample; the label of `.cls` replaces that of `.json`.

    Errors: AnnotationError, ImageError.
    """
    cells: dict[str, str] = defaultdict(str)
    if name := group.labels.get("json"):
        try:
            row = load_json(_text(path, members[name]))
        except ValueError:
            raise AnnotationError("its .json is not JSON") from None
        if not isinstance(row, dict):
            raise AnnotationError("its .json is not a JSON object")
        cells |= row_text(row)
    if name := group.labels.get("cls"):
        cells["label"] = _text(path, members[name]).strip()
    return cells


def _text(path: Path, part: FilePart) -> str:
    if part.size > MAX_DESCRIPTION:
        raise AnnotationError(f"its description has more than {MAX_DESCRIPTION} bytes")
    return part.read(path).decode("utf-8-sig", "surrogateescape")


def _key(name: str) -> str:
    """Return the name up to the first dot behind the folder."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


def _extension(name: str) -> str:
    """Return what follows the first dot, in lower case."""
    return name.rpartition("/")[2].partition(".")[2].lower()
