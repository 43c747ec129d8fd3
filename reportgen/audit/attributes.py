"""What images can have in common: values of the annotations, of the image, of its objects, and of its features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.audit.columns import ColumnGroups, NumberColumn, image_columns
from reportgen.audit.model_audit import ModelAudit
from reportgen.data.image_properties import PROPERTIES
from reportgen.data.samples import Sample
from reportgen.embedding.regions import MIN_SHARES
from reportgen.embedding.space import N_SHOWN, count_same_label
from reportgen.metrics.formatting import shortened
from reportgen.metrics.localization.boxes import area
from reportgen.store.table import Table

if TYPE_CHECKING:
    from reportgen.audit.audit import Audit

LABEL, PREDICTION, REGION = "label", "prediction", "map region"
NEIGHBOURS = "neighbours with the label"
OBJECT_SIZE, OBJECTS, POSITION, AT_BORDER = "object size", "objects", "object position", "object at the border"
SHORTER_SIDE, ASPECT_RATIO = "shorter side", "aspect ratio"
IMAGE_PROPERTIES = tuple(name for name in PROPERTIES if name not in ("darkest", "brightest"))
ATTRIBUTES = (
    LABEL, PREDICTION, *IMAGE_PROPERTIES, SHORTER_SIDE, ASPECT_RATIO, OBJECT_SIZE, OBJECTS, POSITION, AT_BORDER,
    NEIGHBOURS,
)  # fmt: skip
"""Attributes that the setting `slices` can name, and the columns of the annotations. Numbers of regions change."""
NUMBERS = (*IMAGE_PROPERTIES, SHORTER_SIDE, ASPECT_RATIO, OBJECT_SIZE, NEIGHBOURS)
"""Those of them that are numbers."""
PLACES = (
    ("top left", "top", "top right"), ("left", "middle", "right"), ("bottom left", "bottom", "bottom right"),
)  # fmt: skip
"""Position of the largest object's centre in thirds of the image: rows from the top, columns from the left."""
BORDER = 0.01
"""An object is at the border if its box ends within this share of the image's side."""
MAX_NAME = 40
"""Characters of an attribute's name and of a value in sentences."""


@dataclass(frozen=True)
class ImageAttribute:
    """One attribute. groups: the values that divide the images; numbers: `(N,)` float64 if it is a number, NaN for
    none; its groups are then quantiles."""

    groups: ColumnGroups
    numbers: np.ndarray | None = None

    @property
    def name(self) -> str:
        return self.groups.column

    def condition(self, value: int) -> str:
        """`label = tabby`, `brightness 0.1 to 0.25`."""
        text = shortened(self.groups.names[value], MAX_NAME)
        return f"{shortened(self.name, MAX_NAME)}{' =' if self.numbers is None else ''} {text}"


def image_attributes(audit: Audit) -> list[ImageAttribute]:
    """Return the attributes of an audit's images; a column of the annotations comes before an own one of its name.

    The regions are those of the three levels of the t-SNE map.
    """
    own = [
        *_classes(audit),
        *photo_attributes(audit.samples, audit.main.table),
        *_objects(audit.main),
        *_regions(audit),
        *_neighbours(audit),
    ]
    columns = annotation_attributes(audit.samples)
    names = {attribute.name for attribute in columns}
    return [*columns, *(attribute for attribute in own if attribute.name not in names)]


def annotation_attributes(samples: Sequence[Sample]) -> list[ImageAttribute]:
    """Return the columns of the annotations that group images."""
    columns = image_columns(samples)
    return [
        *(ImageAttribute(groups) for groups in columns.categories),
        *(ImageAttribute(column.groups, column.values) for column in columns.numbers),
    ]


def photo_attributes(samples: Sequence[Sample], table: Table) -> list[ImageAttribute]:
    """Return the properties of the images, which need no annotations."""
    sizes = np.asarray(table["samples/size"], np.float64)
    found = [_number(SHORTER_SIDE, sizes.min(1)), _number(ASPECT_RATIO, sizes[:, 0] / sizes[:, 1])]
    if "image/properties" in table:
        stored = np.asarray(table["image/properties"], np.float64)
        found += [_number(name, stored[:, PROPERTIES.index(name)]) for name in IMAGE_PROPERTIES]
    return [attribute for attribute in found if attribute]


def _number(name: str, values: np.ndarray) -> ImageAttribute | None:
    """Return an attribute with numbers of three digits; None where no image has a value."""
    if not np.isfinite(values).any():
        return None
    rounded = np.array([float(f"{value:.3g}") for value in values])
    return ImageAttribute(NumberColumn(name, rounded).groups, values)


def _classes(audit: Audit) -> Iterator[ImageAttribute]:
    predicted = audit.main.classification.top_classes[:, 0].astype(np.int64)
    for name, classes in ((LABEL, audit.labels), (PREDICTION, predicted)):
        yield ImageAttribute(ColumnGroups(name, audit.classes, classes))


def _objects(model: ModelAudit) -> Iterator[ImageAttribute]:
    """Of the images with boxes, those of their largest object."""
    rows = [i for i, sample in enumerate(model.samples) if len(sample.boxes)]
    if not rows:
        return
    boxes = [model.samples[i].boxes.astype(np.float64) for i in rows]
    sizes = model.sizes[rows].astype(np.float64)
    largest = np.stack([own[area(own).argmax()] for own in boxes])
    share = np.full(len(model.samples), np.nan)
    share[rows] = area(largest) / sizes.prod(1)
    size = _number(OBJECT_SIZE, share)
    if size:
        yield size
    column, row = np.clip(3 * (largest[:, :2] + largest[:, 2:]) / 2 / sizes, 0, 2.9).astype(np.int64).T
    margin = BORDER * np.tile(sizes, 2)
    gaps = np.concatenate((largest[:, :2], sizes - largest[:, 2:]), 1)
    groups = (
        (OBJECTS, ("1", "2", "3 or more"), np.minimum([len(own) for own in boxes], 3) - 1),
        (POSITION, [name for line in PLACES for name in line], 3 * row + column),
        (AT_BORDER, ("no", "yes"), (gaps <= margin).any(1).astype(np.int64)),
    )
    for name, names, group in groups:
        group_of = np.full(len(model.samples), -1)
        group_of[rows] = group
        yield ImageAttribute(ColumnGroups(name, names, group_of))


def _regions(audit: Audit) -> Iterator[ImageAttribute]:
    regions, names = audit.map_regions, [summary.name for summary in audit.region_summaries]
    texts = [f"{r + 1} ({name.text})" if name else str(r + 1) for r, name in enumerate(names)]
    for level in range(len(MIN_SHARES)):
        group_of = np.full(len(audit.samples), -1)
        for region in np.flatnonzero(regions.levels[:, level]).tolist():
            group_of[regions.members(region)] = region
        yield ImageAttribute(ColumnGroups(REGION, texts, group_of))


def _neighbours(audit: Audit) -> Iterator[ImageAttribute]:
    counts = count_same_label(audit.feature_space.neighbours.index[:, :N_SHOWN], audit.labels)
    attribute = _number(NEIGHBOURS, np.where(counts >= 0, counts, np.nan))
    if attribute:
        yield attribute


def meets(attribute: ImageAttribute, operator: str, value: str) -> np.ndarray:
    """Return the images `(N,)` bool that meet a condition of the setting `slices`, such as `brightness < 0.2`.

    A number is compared as it is, not by its quantile. Images without a value do not meet any condition.
    """
    if attribute.numbers is not None:
        compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "!=": np.not_equal}
        found = compare.get(operator, np.equal)(attribute.numbers, float(value))
        return np.asarray(found & np.isfinite(attribute.numbers))
    chosen = [k for k, name in enumerate(attribute.groups.names) if (name == value) == (operator == "=")]
    return np.isin(attribute.groups.group_of, chosen) & (attribute.groups.group_of >= 0)
