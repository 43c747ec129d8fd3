"""What the readers of annotation formats return: annotated objects, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reportgen.data.files import cause, one_line, read_regular
from reportgen.data.readers.boxes import Box
from reportgen.data.samples import RejectedInput
from reportgen.errors import DataError


@dataclass(frozen=True)
class AnnotatedObject:
    """One object of an image, as an annotation file states it.

    where:        file and position of the annotation, for messages.
    image:        name of the image.
    label:        name of the class, or "". Without a label and a box, the annotations only list the image.
    box:          half-open, in pixels of the annotated image; None for an image-level label.
    is_crowd:     it stands for several objects, which no box separates.
    size:         width and height of the annotated image, if stated.
    segmentation: COCO's segmentation, see `masks.parse_segmentation`.
    """

    where: str
    image: str
    label: str = ""
    box: Box | None = None
    size: tuple[int, int] | None = None
    segmentation: object = None
    is_crowd: bool = False


Objects = Iterator[AnnotatedObject | RejectedInput]
"""The objects of an annotation file or folder, and the entries that cannot be read."""


def read_text(path: Path) -> str:
    """Return the text of an annotation file. Errors: DataError."""
    try:
        return read_regular(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"annotations `{one_line(str(path))}` cannot be read: {cause(error)}") from None
