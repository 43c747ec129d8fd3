"""The nouns of the data stage: a sample, a row that was refused, and a data set."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from reportgen.data.files import one_line
from reportgen.data.masks import Outline
from reportgen.errors import DataError


def no_boxes() -> np.ndarray:
    """An empty `(0, 4)` float32 array of boxes."""
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class Sample:
    """One image of the data set, as its annotations describe it; its bytes are read once, by the extraction stage.

    path:  where the file is.
    name:  the path relative to the data set's root, with forward slashes: what people see and what is unique.
    label: index into the classifier's class names, or None.
    boxes: `(B, 4)` float32, x0 y0 x1 y1, half-open pixels of the upright image, all of the label's class.
    outlines: silhouettes of its objects, where the annotations have them.
    group: what it shares with other images, such as the photograph that all are cut from, or "".
    """

    path: Path
    name: str
    label: int | None = None
    boxes: np.ndarray = field(default_factory=no_boxes)
    outlines: tuple[Outline, ...] = ()
    group: str = ""


@dataclass(frozen=True)
class Refused:
    """Something of the data set that was left out, and why: `where` is a file, or `table.csv:12`."""

    where: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Named, ordered samples under one list of class names.

    classes: every class name that a label may index (the classifier's, in its order).
    refused: annotation rows and files that were left out.
    note:    what a reader of the report must know of the data, or "".
    """

    name: str
    samples: Sequence[Sample]
    classes: Sequence[str]
    refused: Sequence[Refused] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if not self.samples:
            raise DataError(f"data set `{self.name}` has no images", "see `reportgen run --help` for what --data takes")

    def printable(self) -> Dataset:
        """The same with names as people are shown them: one line that prints, and each name once.

        A file's name may hold newlines, direction marks or bytes that are no text; two of ImageNet's classes are
        called `crane`, and become `crane (134)` and `crane (517)`.
        """
        counts = Counter(classes := [one_line(name) for name in self.classes])
        classes = [f"{name} ({k})" if counts[name] > 1 else name for k, name in enumerate(classes)]
        samples, taken = [], set()
        for sample in self.samples:
            name = one_line(sample.name)
            while name in taken:  # `a\n` of three letters beside the one of two
                name += "~"
            taken.add(name)
            samples.append(replace(sample, name=name))
        return replace(self, name=one_line(self.name), samples=samples, classes=tuple(classes))

    @property
    def annotation_digest(self) -> str:
        """SHA-256 of names, labels, boxes and outlines (not of the pixels: those are the store's keys)."""
        rows = [
            [s.name, s.label, s.boxes.tolist(), [[o.size, o.polygons, o.runs, o.turn] for o in s.outlines]]
            for s in self.samples
        ]
        return hashlib.sha256(json.dumps([rows, list(self.classes)]).encode()).hexdigest()

    def limited(self, limit: int | None) -> Dataset:
        """The first `limit` samples of each class in turn, so that a small run still sees every class.

        Samples keep their order. None keeps all.
        """
        if limit is None or limit >= len(self.samples):
            return self
        seen: dict[int | None, int] = {}
        rank = []
        for position, sample in enumerate(self.samples):
            seen[sample.label] = seen.get(sample.label, 0) + 1
            rank.append((seen[sample.label], position))
        kept = sorted(position for _, position in sorted(rank)[:limit])
        return Dataset(self.name, [self.samples[i] for i in kept], self.classes, self.refused, self.note)
