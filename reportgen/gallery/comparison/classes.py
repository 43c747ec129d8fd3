"""The classes of a comparison, with the errors of both networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.gallery.comparison.image_groups import ImageGroups
from reportgen.metrics.intervals import Rate


@dataclass(frozen=True)
class ClassRow:
    """A class. a, b: top-1 errors; fixed, broken: numbers of images, with URLs, "" for none."""

    name: str
    images: int
    a: Rate
    b: Rate
    fixed: int
    broken: int
    fixed_url: str
    broken_url: str


@dataclass(frozen=True)
class ClassesPage:
    """Every class. a, b: names of the networks."""

    a: str
    b: str
    rows: Sequence[ClassRow]


def class_rows(groups: ImageGroups) -> list[ClassRow]:
    """The classes that have labelled images, by name; none if no image can be evaluated."""
    paired = groups.paired
    if "top1" not in paired.changes:
        return []
    labels, change = paired.a.labels, paired.changes["top1"]
    fixed_group, broken_group = groups.of_errors["top1"]
    judged = np.setdiff1d(np.flatnonzero(labels != ""), paired.relabelled)
    rows = []
    for label in np.unique(labels[judged]).tolist():
        images = judged[labels[judged] == label]
        a, b = (Rate(int((~side.right["top1"][images]).sum()), len(images)) for side in (paired.a, paired.b))
        fixed, broken = (int(np.isin(images, changed).sum()) for changed in (change.fixed, change.broken))
        urls = (groups.url_of_class(fixed_group, label), groups.url_of_class(broken_group, label))
        rows.append(ClassRow(label, len(images), a, b, fixed, broken, *urls))
    return rows
