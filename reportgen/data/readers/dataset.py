"""What `--data` and `--annotations` name, read into a Dataset."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from reportgen.data.class_names import Vocabulary
from reportgen.data.files import one_line
from reportgen.data.readers.folder import is_image, read_folder
from reportgen.data.readers.published import annotate, is_published
from reportgen.data.readers.table import Mark, read_table
from reportgen.data.samples import Dataset, Refused, Sample
from reportgen.errors import DataError


def read_dataset(source: Path, vocabulary: Vocabulary, annotations: Path | None = None) -> Dataset:
    """The data set of a folder of images or of a CSV table, sorted by name; DataError if there is none.

    annotations: for a folder only: a CSV table whose paths are relative to the folder (or else to itself), or the files
    of a published data set (see `published`): its labels replace the folders', its boxes are added, and images that
    it does not name stay as they are.
    """
    shown = f"`{one_line(str(source))}`"
    if not source.exists():
        raise DataError(f"data {shown} does not exist", "give a folder of images, or a CSV table")
    if source.is_dir():
        name = Path(os.path.abspath(source)).name
        samples, refused = read_folder(source, vocabulary, annotations)
        if annotations is not None:
            samples, refused = _annotated(source, samples, refused, annotations, vocabulary)
    elif is_image(source.name):
        raise DataError(f"data {shown} is a single image", "give the folder that holds it")
    elif annotations is not None:
        raise DataError(f"data {shown} is a table already, and cannot have annotations too", "give the images' folder")
    else:
        name = Path(os.path.abspath(source)).parent.name
        samples, refused = _tabled(source, vocabulary)
    if refused and not samples:
        first = f"{refused[0].where}: {refused[0].reason}"
        raise DataError(f"data {shown} has no images; left out: {len(refused)}, the first: {first}")
    return Dataset(one_line(name) or "data", samples, vocabulary.names, refused)


def _tabled(table: Path, vocabulary: Vocabulary) -> tuple[list[Sample], list[Refused]]:
    """The images that a table names."""
    marks, refused = read_table(table, [table.parent], vocabulary)
    names = _names(list(marks), Path(os.path.abspath(table)).parent)
    samples = [_marked(Sample(path, names[path]), mark, table, refused) for path, mark in marks.items()]
    return sorted(samples, key=lambda sample: sample.name), refused


def _annotated(
    folder: Path, samples: list[Sample], refused: list[Refused], annotations: Path, vocabulary: Vocabulary
) -> tuple[list[Sample], list[Refused]]:
    """A folder's images with what a table, or another data set's own files, say of them."""
    if is_published(annotations):
        marked, left_out = annotate(samples, annotations, vocabulary)
        return marked, refused + left_out
    marks, bad_rows = read_table(annotations, [folder, annotations.parent], vocabulary)
    real = cache(os.path.realpath)  # of folders: they may be reached under several names
    pending = {(real(path.parent), path.name): mark for path, mark in marks.items()}
    marked = []
    for sample in samples:
        mark = pending.pop((real(sample.path.parent), sample.path.name), None)
        marked.append(_marked(sample, mark, annotations, bad_rows) if mark else sample)
    for (_, name), mark in pending.items():
        for line in mark.lines.values():
            bad_rows.append(_row(annotations, line, f"`{name}` is not an image of the data set's folder"))
    return marked, refused + bad_rows


def _marked(sample: Sample, mark: Mark, table: Path, refused: list[Refused]) -> Sample:
    """The sample with a table's label and boxes; boxes of an image without a label are added to `refused`."""
    sample = dataclasses.replace(sample, group=mark.group)
    label = sample.label if mark.label is None else mark.label
    if label is None:
        refused.extend(_row(table, line, "a box needs a label, and the image has none") for line in mark.box_lines)
        return sample
    return dataclasses.replace(sample, label=label, boxes=mark.boxes)


def _row(table: Path, line: int, reason: str) -> Refused:
    return Refused(f"{one_line(table.name)}:{line}", one_line(reason))


def _names(paths: Sequence[Path], root: Path) -> dict[Path, str]:
    """A unique name for each absolute path: relative to `root`, or for those outside, to the folder that they share.

    The name of the shared folder leads, but nothing above it: names are published.
    """
    names = {path: path.relative_to(root).as_posix() for path in paths if path.is_relative_to(root)}
    outside = [path for path in paths if path not in names]
    if outside:
        shared = Path(os.path.commonpath([path.parent for path in outside]))
        lead = shared.name or "data"
        taken = {name.partition("/")[0] for name in names.values()}
        while lead in taken:
            lead += "+"
        names |= {path: f"{lead}/{path.relative_to(shared).as_posix()}" for path in outside}
    return names
