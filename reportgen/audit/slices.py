"""Slices of an audit: groups of images with a higher error than the rest, found by search or named in the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.audit.attributes import (
    ATTRIBUTES,
    LABEL,
    NUMBERS,
    PREDICTION,
    REGION,
    ImageAttribute,
    image_attributes,
    meets,
)
from reportgen.audit.columns import ImageColumns
from reportgen.errors import ConfigError, did_you_mean
from reportgen.metrics.intervals import Rate
from reportgen.metrics.slice_search import MIN_IMAGES, members
from reportgen.metrics.slices import (
    Slice,
    compare,
    confirmed,
    find_slices,
    without_repetitions,
)
from reportgen.setting_values import parse_condition

if TYPE_CHECKING:
    from reportgen.audit.audit import Audit

ERRORS = {"class": "Top-1 error", "box": "GT-known localization error"}
"""The errors that are searched, by the name of what is wrong."""


@dataclass(frozen=True)
class FoundSlice:
    """A confirmed slice.

    error: of `ERRORS`; conditions: as texts; attributes: their names; images: `(n,)` rows of all images of the slice;
    wrong: `(w,)` those with the error; measured: its errors, of a pair on the images that were not searched; q: its p
    value, adjusted for all tested slices.
    """

    error: str
    conditions: Sequence[str]
    attributes: Sequence[str]
    images: np.ndarray
    wrong: np.ndarray
    measured: Slice
    q: float

    @property
    def name(self) -> str:
        """`label = tabby, brightness 0.1 to 0.25`."""
        return ", ".join(self.conditions)


@dataclass(frozen=True)
class NamedSlice:
    """A slice of the settings. errors: by name of the error, over all judged images of the slice; None for none.

    compared: the same with the rest of the images; None where one of them has fewer than `MIN_IMAGES` images.
    """

    name: str
    where: Sequence[str]
    images: np.ndarray
    errors: Mapping[str, Rate | None]
    compared: Mapping[str, Slice | None]


@dataclass(frozen=True)
class TooSmall:
    """Values of an attribute that have too few images to be searched. names: the values; images: in all of them."""

    attribute: str
    names: Sequence[str]
    images: int


@dataclass(frozen=True)
class SliceStudy:
    """The slices of an audit's first network.

    found: the confirmed ones, those with the largest lower bound of the excess first; named: those of the settings.
    searched: attributes that were searched; tested: number of slices that were tested.
    """

    found: Sequence[FoundSlice]
    named: Sequence[NamedSlice]
    searched: Sequence[str]
    tested: int
    too_small: Sequence[TooSmall]

    @property
    def images(self) -> dict[str, np.ndarray]:
        """The rows of the images of each slice, judged or not, by its name: those of the settings first."""
        found = {one.name: one.images for one in self.found}
        return {one.name: one.images for one in self.named} | found


def study_slices(audit: Audit) -> SliceStudy:
    """Search for slices of both errors, and measure those of the settings. Without enough judged images and errors,
    nothing is searched."""
    attributes: list[ImageAttribute] = []
    errors = {name: flags for name, flags in wrong_images(audit).items() if _is_enough(*flags)}
    if errors or audit.named_slices:
        attributes = image_attributes(audit)
    found, tested = _confirmed(audit, errors, attributes) if errors else ([], 0)
    return SliceStudy(
        found=found,
        named=[_named(audit, table, attributes) for table in audit.named_slices],
        searched=list(dict.fromkeys(attribute.name for attribute in attributes)) if errors else [],
        tested=tested,
        too_small=_too_small(attributes, audit.labels >= 0) if errors else [],
    )


def wrong_images(audit: Audit) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each error which images are judged and which are wrong, `(N,)` bool."""
    flags = {"class": (audit.labels >= 0, ~audit.main.classification.top1_correct)}
    if audit.main.localization is not None:
        flags["box"] = (audit.main.localization.judged, ~audit.main.localization.gt_known_correct)
    return {name: (judged, judged & wrong) for name, (judged, wrong) in flags.items()}


def _is_enough(judged: np.ndarray, wrong: np.ndarray) -> bool:
    """Whether halves can have a slice and a rest, and whether some but not all images are wrong."""
    return bool(judged.sum() >= 4 * MIN_IMAGES and 0 < wrong.sum() < judged.sum())


def _confirmed(
    audit: Audit, errors: Mapping[str, tuple[np.ndarray, np.ndarray]], attributes: Sequence[ImageAttribute]
) -> tuple[list[FoundSlice], int]:
    """Return the confirmed slices, and the number of tests of both errors, which are adjusted together."""
    values = np.stack([attribute.groups.group_of for attribute in attributes])
    names = [attribute.name for attribute in attributes]
    # an image with a label and another prediction is wrong whatever it shows, so predictions are not combined
    families = [None if name == PREDICTION else name for name in names]
    tests = [
        find_slices(values[:, judged], families, wrong[judged], audit.main.groups[judged])
        for judged, wrong in errors.values()
    ]
    found = []
    for (error, (judged, wrong)), q_of in zip(errors.items(), confirmed(tests), strict=True):
        for one in without_repetitions(values[:, judged], list(q_of), wrong[judged], audit.main.groups[judged]):
            chosen = members(values, one.conditions)
            found.append(
                FoundSlice(
                    error=error,
                    conditions=[attributes[a].condition(value) for a, value in one.conditions],
                    attributes=[names[a] for a, _ in one.conditions],
                    images=np.flatnonzero(chosen),
                    wrong=np.flatnonzero(chosen & wrong),
                    measured=one,
                    q=q_of[one],
                )
            )
    found.sort(key=lambda one: -one.measured.interval[0])
    return found, sum(one.count for one in tests)


def _named(audit: Audit, table: Mapping[str, Any], attributes: Sequence[ImageAttribute]) -> NamedSlice:
    chosen = np.ones(len(audit.samples), bool)
    by_name = {attribute.name: attribute for attribute in attributes}
    for condition in table["where"]:
        name, operator, value = parse_condition(condition)
        # an attribute that no image has, such as object size without boxes, is met by none
        chosen &= meets(by_name[name], operator, value) if name in by_name else False
    errors: dict[str, Rate | None] = {}
    compared: dict[str, Slice | None] = {}
    groups = audit.main.groups
    for error, (judged, wrong) in wrong_images(audit).items():
        inside = chosen & judged
        errors[error] = Rate.of(wrong[inside], groups[inside])
        compared[error] = compare((), inside, ~chosen & judged, wrong, groups)
    return NamedSlice(table["name"], table["where"], np.flatnonzero(chosen), errors, compared)


def _too_small(attributes: Iterable[ImageAttribute], judged: np.ndarray) -> list[TooSmall]:
    """Return the values that both halves together have too few labelled images of, by attribute; but those of regions
    and of the prediction, which are no subgroups of the data."""
    found = []
    for attribute in attributes:
        if attribute.name in (REGION, PREDICTION):
            continue
        names = attribute.groups.names
        group_of = attribute.groups.group_of[judged]
        counts = np.bincount(group_of[group_of >= 0], minlength=len(names))
        few = [k for k, count in enumerate(counts.tolist()) if 0 < count < 2 * MIN_IMAGES]
        if few:
            found.append(TooSmall(attribute.name, [names[k] for k in few], int(counts[few].sum())))
    return found


def check_named_slices(slices: Iterable[Mapping[str, Any]], columns: ImageColumns, classes: Sequence[str]) -> None:
    """Check the setting `slices` before the work begins. Errors: ConfigError for what the data do not have."""
    numbers = {*NUMBERS, *(column.name for column in columns.numbers)} - {c.column for c in columns.categories}
    known = {*ATTRIBUTES, *numbers, *(column.column for column in columns.categories)}
    for table in slices:
        for condition in table["where"]:
            name, operator, value = parse_condition(condition)
            where = f"slice `{table['name']}`"
            if name not in known:
                raise ConfigError(f"{where}: no image has an attribute `{name}`", did_you_mean(name, known) or None)
            if name in numbers and not _is_number(value):
                raise ConfigError(f"{where}: `{name}` is a number, `{value}` is not", "use a number")
            if name not in numbers and operator not in ("=", "!="):
                raise ConfigError(f"{where}: `{name}` is no number, so `{operator}` has no meaning", "use = or !=")
            if name == LABEL and value not in classes:
                raise ConfigError(f"{where}: there is no class `{value}`", did_you_mean(value, classes) or None)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
