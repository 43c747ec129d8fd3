"""Samples, data sets, and the inputs that were left out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from reportgen.data.decoding import read_bytes
from reportgen.data.files import one_line
from reportgen.data.masks import ObjectMask
from reportgen.errors import DataError


def no_boxes() -> np.ndarray:
    """Return an empty `(0, 4)` float32 array of boxes."""
    return np.zeros((0, 4), np.float32)


class ImagePart(Protocol):
    """The place of an image within a file that has many; can be pickled."""

    def read(self, path: Path) -> bytes:
        """Return the bytes of the image. path: of the file. Errors: ImageError."""


@runtime_checkable
class RemotePart(ImagePart, Protocol):
    """The place of an image that takes a request to read."""

    def known_digest(self) -> str | None:
        """Return the SHA-256 of its bytes in hex, if it is known without reading them."""


@dataclass(frozen=True)
class Sample:
    """An image of the data set with its annotations. Its file is read later, during the forward pass.

    path:  of the file.
    name:  unique name that the report shows: the path relative to the data set's root, with forward slashes.
    label: index into the classifier's class names, or None.
    boxes: `(B, 4)` float32, x0 y0 x1 y1 of the objects of the label's class, half-open, in pixels of the upright image.
    object_masks: segmentation masks of these objects, if the annotations have them.
    ignore_mask: pixels that do not count where they are in none of these masks, or None.
    part:  where the image is within the file; None: it is the whole file.
    columns: text of each further column of the annotations; empty cells are missing.
    group: name that related images share, such as the photograph that they were cut from, or "".
    labels: in a multi-label data set, the indices of all its labels, increasing; () if it is annotated and has none,
        None if it is not annotated. `label` is None there.
    box_labels: in a multi-label data set, the class of each box.
    """

    path: Path
    name: str
    label: int | None = None
    boxes: np.ndarray = field(default_factory=no_boxes)
    object_masks: tuple[ObjectMask, ...] = ()
    ignore_mask: ObjectMask | None = None
    group: str = ""
    part: ImagePart | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[int, ...] | None = None
    box_labels: tuple[int, ...] = ()

    def read(self) -> bytes:
        """Return the bytes of the image, whose digest identifies it. Errors: ImageError."""
        return self.part.read(self.path) if self.part else read_bytes(self.path)

    @property
    def is_annotated(self) -> bool:
        """Whether its label is known, or all its labels in a multi-label data set: perhaps that it has none."""
        return self.label is not None or self.labels is not None

    def differs_in_label(self, other: Sample) -> bool:
        """Whether both are annotated, and not with the same label or labels."""
        own, others = (self.label, self.labels), (other.label, other.labels)
        return self.is_annotated and other.is_annotated and own != others

    @property
    def is_remote(self) -> bool:
        """Whether it takes a request to read the image."""
        return isinstance(self.part, RemotePart)

    def known_digest(self) -> str | None:
        """Return the digest of its bytes if it is known without reading them."""
        return self.part.known_digest() if isinstance(self.part, RemotePart) else None


@dataclass(frozen=True)
class RejectedInput:
    """A file or annotation that was left out. where: the file, or file and line as in `table.csv:12`."""

    where: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """An ordered set of samples.

    classes: the class names that labels index: the classifier's, in its order.
    refused: files and annotations that were left out.
    note:    what a reader of the report must know about the data, or "".
    is_multilabel: samples have `labels`, any number of them, and no `label`.
    """

    name: str
    samples: Sequence[Sample]
    classes: Sequence[str]
    refused: Sequence[RejectedInput] = ()
    note: str = ""
    is_multilabel: bool = False

    def __post_init__(self) -> None:
        if not self.samples:
            raise DataError(f"data set `{self.name}` has no images", "see --data in `reportgen run --help`")

    def with_printable_names(self) -> Dataset:
        """Return the data set with printable and unique names of images and classes.

        File names may contain newlines, direction characters or bytes that are not text. Two classes of ImageNet are
        called `crane`; they become `crane (134)` and `crane (517)`.
        """
        counts = Counter(classes := [one_line(name) for name in self.classes])
        classes = [f"{name} ({k})" if counts[name] > 1 else name for k, name in enumerate(classes)]
        samples, taken = [], set()
        for sample in self.samples:
            name = one_line(sample.name)
            while name in taken:  # the escaped name may be that of another file
                name += "~"
            taken.add(name)
            samples.append(replace(sample, name=name))
        return replace(self, name=one_line(self.name), samples=samples, classes=tuple(classes))

    @cached_property
    def annotation_digest(self) -> str:
        """SHA-256 of names, labels, boxes and masks, in hex. The image bytes are not part of it: they key the store."""
        rows = []
        for sample in self.samples:
            masks = [mask.digest for mask in sample.object_masks]
            ignored = sample.ignore_mask.digest if sample.ignore_mask else None
            labels = [sample.labels, sample.box_labels] if self.is_multilabel else []
            rows.append([sample.name, sample.label, sample.boxes.tolist(), masks, ignored, *labels])
        return hashlib.sha256(json.dumps([rows, list(self.classes)]).encode()).hexdigest()

    def limited(self, limit: int | None) -> Dataset:
        """Return a data set of `limit` samples, taken from the classes in turn so that small runs cover every class.

        In a multi-label data set they are taken from the sets of labels in turn. Samples keep their order. None keeps
        all of them.
        """
        if limit is None or limit >= len(self.samples):
            return self
        count: Counter[object] = Counter()
        order = []
        for i, sample in enumerate(self.samples):
            kind = sample.labels if self.is_multilabel else sample.label
            count[kind] += 1
            order.append((count[kind], i))
        rows = sorted(i for _, i in sorted(order)[:limit])
        return replace(self, samples=[self.samples[i] for i in rows])
