"""Annotations of published data sets: recognizes their format and assigns their objects to images.

An annotation that cannot be used is left out and reported; the others are not affected.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from reportgen.data.class_names import ClassNames
from reportgen.data.decoding import SWAPS_SIDES, TRANSPOSE_TO_UPRIGHT, stored_size
from reportgen.data.files import cause, one_line
from reportgen.data.masks import ObjectMask, parse_segmentation
from reportgen.data.readers.annotated_object import AnnotatedObject, Objects
from reportgen.data.readers.boxes import AnnotationError, Box, checked_box
from reportgen.data.readers.coco import read_coco
from reportgen.data.readers.cub import is_cub, read_cub, without_number
from reportgen.data.readers.imagenet import is_imagenet, read_imagenet
from reportgen.data.readers.voc import read_voc
from reportgen.data.samples import RejectedInput, Sample
from reportgen.errors import ImageError


def is_published_format(annotations: Path) -> bool:
    """Whether a file or folder has the format of a published data set, and is not reportgen's own table."""
    return annotations.is_dir() or annotations.suffix.lower() == ".json" or is_imagenet(annotations)


def read_objects(annotations: Path) -> Objects:
    """Yield the objects of a file or folder in one of the published formats. Errors: DataError."""
    if annotations.is_dir():
        return read_cub(annotations) if is_cub(annotations) else read_voc(annotations)
    return read_coco(annotations) if annotations.suffix.lower() == ".json" else read_imagenet(annotations)


@dataclass
class _ImageObjects:
    """What the annotations state of one image."""

    label: int | None = None
    labels: set[int] | None = None
    boxes: list[Box] = field(default_factory=list)
    box_labels: list[int] = field(default_factory=list)
    masks: list[ObjectMask] = field(default_factory=list)


def annotate(
    samples: Sequence[Sample], annotations: Path, class_names: ClassNames
) -> tuple[list[Sample], list[RejectedInput]]:
    """Return the samples with their labels, boxes and masks, and the annotations left out. Errors: DataError."""
    finder = _ImageFinder(samples)
    by_image: dict[int, _ImageObjects] = defaultdict(_ImageObjects)
    refused: list[RejectedInput] = []
    for entry in read_objects(annotations):
        if isinstance(entry, AnnotatedObject) and not entry.label and entry.box is None:
            _list_image(entry, finder, by_image, class_names)
            continue
        try:
            if isinstance(entry, RejectedInput):
                raise AnnotationError(entry.reason)
            i = finder.find(entry.image)
            add = _add_labelled_object if class_names.is_multilabel else _add_object
            add(by_image[i], entry, samples[i], class_names)
        except (AnnotationError, ValueError) as error:
            refused.append(RejectedInput(one_line(entry.where), one_line(str(error))))
    annotated = []
    for i, sample in enumerate(samples):
        label = sample.label if by_image[i].label is None else by_image[i].label
        boxes = np.array(by_image[i].boxes, np.float32).reshape(-1, 4)
        labels = by_image[i].labels
        annotated.append(
            replace(
                sample,
                label=label,
                labels=None if labels is None else tuple(sorted(labels)),
                boxes=boxes,
                box_labels=tuple(by_image[i].box_labels),
                object_masks=tuple(by_image[i].masks),
            )
        )
    return annotated, refused


def _list_image(
    entry: AnnotatedObject, finder: _ImageFinder, by_image: dict[int, _ImageObjects], class_names: ClassNames
) -> None:
    """Note that the annotations list an image: in a multi-label data set, one without objects has no label at all."""
    if class_names.is_multilabel:
        try:
            objects = by_image[finder.find(entry.image)]
        except AnnotationError:  # its objects say so; without any, nothing is lost
            return
        objects.labels = objects.labels or set()


def _add_labelled_object(
    objects: _ImageObjects, entry: AnnotatedObject, sample: Sample, class_names: ClassNames
) -> None:
    """Add an object and its label to an image of a multi-label data set.

    Errors: AnnotationError or ValueError for the part that cannot be used.
    """
    label = _class_index(entry.label, class_names)
    objects.labels = {*(objects.labels or ()), label}
    if entry.is_crowd:
        raise AnnotationError("a crowd, not a single object: its label counts, its box does not")
    if entry.box is not None:
        box, _ = _in_upright_image(entry, entry.box, sample)
        objects.boxes.append(box)
        objects.box_labels.append(label)


def _add_object(objects: _ImageObjects, entry: AnnotatedObject, sample: Sample, class_names: ClassNames) -> None:
    """Add an object to its image. Errors: AnnotationError or ValueError for the part that cannot be used."""
    if entry.is_crowd:
        raise AnnotationError("a crowd, not a single object")
    if entry.label:
        label = _class_index(entry.label, class_names)
        if objects.label not in (None, label):
            raise AnnotationError(f"a second label, `{entry.label}`: an image has one, and the first counts")
        objects.label = label
    if objects.label is None and sample.label is None:
        raise AnnotationError("a box needs a label, and the image has none")
    if entry.box is not None:
        box, mask = _in_upright_image(entry, entry.box, sample)
        objects.boxes.append(box)
        if mask:
            objects.masks.append(mask)


class _ImageFinder:
    """Finds images by the names that annotations use: the path in the data set or its end, with or without suffix."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._by_name: dict[str, set[int]] = defaultdict(set)
        for i, sample in enumerate(samples):
            path = PurePosixPath(sample.name)
            for start in range(len(path.parts)):
                end = PurePosixPath(*path.parts[start:])
                self._by_name[str(end)].add(i)
                self._by_name[str(end.with_suffix(""))].add(i)

    def find(self, text: str) -> int:
        """Return the row of the image with this name. Errors: AnnotationError if no or several images have it."""
        path = PurePosixPath(text.replace("\\", "/"))
        for start in range(len(path.parts)):
            rows = self._by_name.get(str(PurePosixPath(*path.parts[start:])), set())
            if len(rows) > 1:
                raise AnnotationError(f"`{text}` is the name of {len(rows)} images")
            if rows:
                return next(iter(rows))
        raise AnnotationError(f"`{text}` is not an image of the data set's folder")


def _class_index(text: str, class_names: ClassNames) -> int:
    """Return the class of a name; CUB's names may have their number. Errors: AnnotationError."""
    try:
        return class_names.index(text)
    except LookupError as error:
        if (name := without_number(text)) != text:
            try:
                return class_names.index(name)
            except LookupError:
                pass
        raise AnnotationError(str(error)) from None


def _in_upright_image(entry: AnnotatedObject, box: Box, sample: Sample) -> tuple[Box, ObjectMask | None]:
    """Return an object's box and mask in the upright image.

    The stated width and height show whether the object was annotated on the upright image or on the stored pixels; in
    the second case box and mask are transposed by the EXIF orientation. Errors: AnnotationError, ValueError.
    """
    box = checked_box(*box)
    if entry.size is None:
        return box, None
    stored_size, orientation = _read_size(sample)
    to_upright = TRANSPOSE_TO_UPRIGHT.get(orientation)
    upright_size = stored_size[::-1] if to_upright in SWAPS_SIDES else stored_size
    if entry.size not in (stored_size, upright_size):
        annotated, actual = (" × ".join(map(str, size)) for size in (entry.size, upright_size))
        raise AnnotationError(f"annotated on an image of {annotated}, but this one is {actual}")
    transpose = to_upright if to_upright in SWAPS_SIDES and entry.size == stored_size else None
    return _transposed(box, stored_size, transpose), parse_segmentation(entry.segmentation, entry.size, transpose)


def _read_size(sample: Sample) -> tuple[tuple[int, int], int]:
    """Return the stored width and height and the EXIF orientation of an image file. Errors: AnnotationError."""
    try:
        with io.BytesIO(sample.read()) if sample.part else open(sample.path, "rb") as file:
            return stored_size(file, sample.path.name)
    except OSError as error:
        raise AnnotationError(f"its image cannot be read: {cause(error)}") from None
    except ImageError as error:
        raise AnnotationError(f"its image {error}") from None


def _transposed(box: Box, stored_size: tuple[int, int], transpose: Image.Transpose | None) -> Box:
    """Return a box after the operation on the image of this size; None changes nothing."""
    (x0, y0, x1, y1), (width, height) = box, stored_size
    if transpose is None:
        return box
    return {
        Image.Transpose.TRANSPOSE: (y0, x0, y1, x1),
        Image.Transpose.TRANSVERSE: (height - y1, width - x1, height - y0, width - x0),
        Image.Transpose.ROTATE_270: (height - y1, x0, height - y0, x1),
        Image.Transpose.ROTATE_90: (y0, width - x1, y1, width - x0),
    }[transpose]
