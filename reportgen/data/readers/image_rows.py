"""Reader of Parquet and Arrow files whose rows hold the images themselves, as those of Hugging Face's `datasets`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from reportgen.data.arrow import ColumnFile, ImageCell, is_columnar
from reportgen.data.class_names import ClassNames
from reportgen.data.files import one_line
from reportgen.data.readers.table import annotate_one, columns_left_out, columns_of_classes
from reportgen.data.readers.table_rows import LABEL_COLUMNS, known_column, named_cell, place
from reportgen.data.samples import RejectedInput, Sample


def has_images(path: Path) -> bool:
    """Whether a file is Parquet or Arrow with a column of images. Errors: DataError if it cannot be read."""
    return is_columnar(path) and ColumnFile(path).image_column is not None


def class_names_of(path: Path) -> tuple[str, ...] | None:
    """Return the class names that a file states for its label column, in their order, or None. Errors: DataError."""
    file = ColumnFile(path)
    column = _label_columns(file)[:1]
    return file.label_names(column[0]) if column else None


def read_image_rows(path: Path, class_names: ClassNames) -> tuple[list[Sample], list[RejectedInput]]:
    """Return one sample a row, named `<file>/<row>` with the name in the image's cell, and what was left out.

    A row with an unknown label or a bad box still adds its image. Errors: DataError.
    """
    file = ColumnFile(path)
    image = file.image_column
    assert image is not None, "see `has_images`"
    columns = {name: known_column(name) for name in (*file.plain_columns, *file.list_columns(LABEL_COLUMNS))}
    refused = list(filter(None, [columns_left_out(path, list(columns.values()))]))
    label, *other_labels = _label_columns(file) or [""]
    classes = columns_of_classes(path, list(columns.values()), class_names) if not label else {}
    if other_labels:
        listed = ", ".join(f"`{one_line(name)}`" for name in other_labels)
        refused.append(RejectedInput(one_line(path.name), f"labels are those of `{one_line(label)}`, not of {listed}"))
    names = {name: file.label_names(name) for name in columns}
    samples = []
    for number, (values, file_name) in enumerate(file.cells(list(columns), image), 1):
        row = {columns[name]: named_cell(value, names[name]) for name, value in values.items()}
        label_text = row.pop(columns.get(label, ""), "")
        annotation, reason = annotate_one(defaultdict(str, row | {"label": label_text}), class_names, classes)
        if reason:
            refused.append(RejectedInput(place(path, number), one_line(reason)))
        name = _name(path, number, len(str(file.rows)), file_name)
        samples.append(annotation.applied_to(Sample(path, name, part=ImageCell(image, number - 1))))
    return samples, refused


def _label_columns(file: ColumnFile) -> list[str]:
    """Return the columns that may hold the label, the one that counts first: `label`, else those of class numbers, else
    a list of labels."""
    numbers = [name for name in file.plain_columns if file.label_names(name)]
    lists = file.list_columns(LABEL_COLUMNS)
    stated = [name for name in (*file.plain_columns, *lists) if known_column(name) == "label"]
    return stated[:1] or numbers or lists


def _name(path: Path, number: int, digits: int, file_name: str) -> str:
    """Return the name of an image: `train-00000-of-00002/000012-cat.jpg`; digits: as many as the last row has."""
    base = PurePosixPath(file_name.replace("\\", "/")).name
    return f"{path.stem}/{number:0{digits}d}" + (f"-{base}" if base else "")
