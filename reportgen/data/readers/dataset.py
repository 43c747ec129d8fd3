"""Reads what `--data` and `--annotations` name into a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from reportgen.data.class_names import ClassNames
from reportgen.data.files import one_line
from reportgen.data.formats import has_image_ending
from reportgen.data.mirror import remote_images, remote_rejections
from reportgen.data.readers.folder import folder_class_names, read_folder
from reportgen.data.readers.packed import find_packed, packed_class_names, read_packed
from reportgen.data.readers.published import annotate, is_published_format
from reportgen.data.readers.table import ImageAnnotation, read_table
from reportgen.data.readers.table_rows import names_images, place
from reportgen.data.samples import Dataset, RejectedInput, Sample
from reportgen.errors import DataError

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""Files that describe the images of a folder without being named as annotations."""


def read_dataset(source: Path, class_names: ClassNames, annotations: Path | None = None) -> Dataset:
    """Return the data set of a folder of images, of a table or of files that hold the images, sorted by name.

    annotations: for a folder only, by default its table of `METADATA`: a table whose paths are relative to the folder
        or to the table, or annotations of a published data set (see `published`). Their labels replace those of the
        folders, and their boxes are added; images without an annotation do not change.
    Errors: DataError.
    """
    shown = f"`{one_line(str(source))}`"
    if packed := find_packed(source):
        if annotations is not None:
            raise DataError(f"data {shown} holds its own labels", "leave out the annotations")
        name = Path(os.path.abspath(source)).name if source.is_dir() else source.stem
        samples, refused = read_packed(packed, class_names)
    elif not source.exists():
        raise DataError(f"data {shown} does not exist", "give a folder of images, or a table")
    elif source.is_dir():
        name = Path(os.path.abspath(source)).name
        annotations = annotations or _metadata(source)
        samples, refused = read_folder(source, class_names, annotations)
        samples = remote_images(samples)
        if annotations is not None:
            samples, refused = _add_annotations(source, samples, refused, annotations, class_names)
            unlabelled = {
                f"{one_line(s.name.partition('/')[0])}/" for s in samples if s.label is None and s.labels is None
            }
            refused = [row for row in refused if not row.where.endswith("/") or row.where in unlabelled]
    elif has_image_ending(source.name):
        raise DataError(f"data {shown} is a single image", "give the folder that contains it")
    elif annotations is not None:
        raise DataError(
            f"data {shown} is a table, which cannot be combined with annotations", "give the images' folder"
        )
    else:
        name = Path(os.path.abspath(source)).parent.name
        samples, refused = _read_table_samples(source, class_names)
    refused = [*refused, *remote_rejections(source)]
    if refused and not samples:
        first = f"{refused[0].where}: {refused[0].reason}"
        raise DataError(f"data {shown} has no images; left out: {len(refused)}, the first: {first}")
    if class_names.is_multilabel and all(sample.labels is None for sample in samples) and folder_class_names(source):
        refused.append(
            RejectedInput("class folders", "a folder cannot state several labels: give annotations, such as a table")
        )
    return Dataset(
        one_line(name) or "data", samples, class_names.names, refused, is_multilabel=class_names.is_multilabel
    )


def data_class_names(source: Path) -> tuple[str, ...] | None:
    """Return the class names of a data set, in the order of a network trained on it: those that its files state, else
    those of its class folders; None if it has neither. Errors: DataError."""
    packed = find_packed(source)
    return packed_class_names(packed) if packed else folder_class_names(source)


def _read_table_samples(table: Path, class_names: ClassNames) -> tuple[list[Sample], list[RejectedInput]]:
    """Return the images that a table names."""
    annotations, refused = read_table(table, [table.parent], class_names)
    names = _unique_names(list(annotations), Path(os.path.abspath(table)).parent)
    samples = [
        _annotated(Sample(path, names[path]), annotation, table, refused) for path, annotation in annotations.items()
    ]
    return sorted(remote_images(samples), key=lambda sample: sample.name), refused


def _metadata(folder: Path) -> Path | None:
    """Return the table of a folder's images that `imagefolder` of `datasets` reads too, or None. Errors: DataError."""
    found = next((folder / name for name in METADATA if names_images(folder / name)), None)
    splits = sorted({path.parent.name for name in METADATA for path in folder.glob(f"*/{name}")})
    if found is None and splits and not any(map(has_image_ending, os.listdir(folder))):
        listed = ", ".join(f"`{one_line(name)}`" for name in splits[:12])
        raise DataError(
            f"data `{one_line(str(folder))}` has the folders {listed}, each with its own table of images",
            f"give one of them: --data {one_line(str(folder / splits[0]))}",
        )
    return found


def _add_annotations(
    folder: Path, samples: list[Sample], refused: list[RejectedInput], annotations: Path, class_names: ClassNames
) -> tuple[list[Sample], list[RejectedInput]]:
    """Return a folder's images with the annotations of a table or of a published data set."""
    if is_published_format(annotations):
        annotated, left_out = annotate(samples, annotations, class_names)
        return annotated, refused + left_out
    by_path, left_out = read_table(annotations, [folder, annotations.parent], class_names)
    real = cache(os.path.realpath)  # a folder may have several names
    unassigned = {(real(path.parent), path.name): annotation for path, annotation in by_path.items()}
    annotated = []
    for sample in samples:
        annotation = unassigned.pop((real(sample.path.parent), sample.path.name), None)
        annotated.append(_annotated(sample, annotation, annotations, left_out) if annotation else sample)
    for (_, name), annotation in unassigned.items():
        for line in annotation.lines.values():
            left_out.append(_rejected_row(annotations, line, f"`{name}` is not an image of the data set's folder"))
    return annotated, refused + left_out


def _annotated(sample: Sample, annotation: ImageAnnotation, table: Path, refused: list[RejectedInput]) -> Sample:
    """Return the sample with a table's labels and boxes; add boxes of an image without a label to `refused`."""
    if annotation.labels is not None:
        return annotation.applied_to(sample)
    sample = replace(sample, group=annotation.group, columns=annotation.columns)
    label = sample.label if annotation.label is None else annotation.label
    if label is None:
        reason = "a box needs a label, and the image has none"
        refused.extend(_rejected_row(table, line, reason) for line in annotation.box_lines)
        return sample
    return replace(sample, label=label, boxes=annotation.boxes)


def _rejected_row(table: Path, line: int, reason: str) -> RejectedInput:
    return RejectedInput(place(table, line), one_line(reason))


def _unique_names(paths: Sequence[Path], root: Path) -> dict[Path, str]:
    """Return a unique name for each absolute path: relative to `root`, or, for paths outside, to their common folder.

    The name of the common folder comes first, but no folder above it, because names are published.
    """
    names = {path: path.relative_to(root).as_posix() for path in paths if path.is_relative_to(root)}
    outside = [path for path in paths if path not in names]
    if outside:
        common = Path(os.path.commonpath([path.parent for path in outside]))
        prefix = common.name or "data"
        taken = {name.partition("/")[0] for name in names.values()}
        while prefix in taken:
            prefix += "+"
        names |= {path: f"{prefix}/{path.relative_to(common).as_posix()}" for path in outside}
    return names
