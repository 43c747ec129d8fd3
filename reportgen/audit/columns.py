"""The further columns of the annotations, such as camera or age: what kind each is, and the groups that it makes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.data.samples import Sample
from reportgen.metrics.formatting import minus_signs

MAX_CATEGORIES = 50
"""Distinct texts of a column that groups images; one with more is free text."""
QUANTILES = 5
"""Groups of as many images each that a column of numbers makes."""


@dataclass(frozen=True)
class ColumnGroups:
    """Groups of images by a column. group_of: `(N,)` int64, index into `names`, −1 for an empty cell."""

    column: str
    names: Sequence[str]
    group_of: np.ndarray


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers. values: `(N,)` float64, NaN for an empty cell."""

    name: str
    values: np.ndarray

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value."""
        return float(np.nanmin(self.values)), float(np.nanmax(self.values))

    def steps(self, count: int) -> np.ndarray:
        """Return `(N,)` int64 from 0 for the least to `count` for the largest value, and −1 for an empty cell."""
        low, high = self.range
        with np.errstate(over="ignore"):
            share = np.clip((self.values - low) / ((high - low) or 1.0), 0, 1)
        return np.where(np.isfinite(share), np.round(count * np.nan_to_num(share)), -1).astype(np.int64)

    @property
    def groups(self) -> ColumnGroups:
        """The quantiles: groups of about as many images each, fewer if values repeat."""
        finite = self.values[np.isfinite(self.values)]
        inner = np.quantile(finite, np.arange(1, QUANTILES) / QUANTILES, method="inverted_cdf")
        ends = np.unique(np.append(inner, finite.max()))
        group_of = np.where(np.isfinite(self.values), np.searchsorted(ends, self.values), -1)
        starts = [finite[group_of[np.isfinite(self.values)] == k].min() for k in range(len(ends))]
        names = [_span(start, end) for start, end in zip(starts, ends.tolist(), strict=True)]
        return ColumnGroups(self.name, names, group_of)


@dataclass(frozen=True)
class ImageColumns:
    """The columns of a data set by kind, in the order in which its images have them.

    numbers: every value is a finite number. categories: at most `MAX_CATEGORIES` distinct texts, sorted.
    """

    numbers: Sequence[NumberColumn]
    categories: Sequence[ColumnGroups]

    @property
    def groups(self) -> list[ColumnGroups]:
        """The groups of every column that makes some."""
        return [*self.categories, *(column.groups for column in self.numbers)]


def image_columns(samples: Sequence[Sample]) -> ImageColumns:
    """Return the columns that group images; those of free text are left out."""
    numbers, categories = [], []
    for name in dict.fromkeys(name for sample in samples for name in sample.columns):
        texts = [sample.columns.get(name, "") for sample in samples]
        distinct = sorted({text for text in texts if text})
        parsed = {text: _number(text) for text in distinct}
        if all(map(math.isfinite, parsed.values())):
            numbers.append(NumberColumn(name, np.array([parsed.get(text, math.nan) for text in texts])))
        elif len(distinct) <= MAX_CATEGORIES:
            group_of = {text: index for index, text in enumerate(distinct)}
            categories.append(
                ColumnGroups(name, distinct, np.array([group_of.get(text, -1) for text in texts], np.int64))
            )
    return ImageColumns(numbers, categories)


def _number(text: str) -> float:
    """Return the number that a text is; NaN for other texts."""
    try:
        return float(text) if "_" not in text else math.nan  # Python reads 1_000
    except ValueError:
        return math.nan


def _span(start: float, end: float) -> str:
    """Return the values of a group as text: `3` or `3 to 7.5`."""
    first, last = (minus_signs(f"{value:.6g}") for value in (start, end))
    return first if first == last else f"{first} to {last}"
