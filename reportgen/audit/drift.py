"""Drift between the audited data set and the reference: by attribute and by features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.audit.attributes import LABEL, ImageAttribute, annotation_attributes, photo_attributes
from reportgen.audit.columns import ColumnGroups
from reportgen.audit.model_audit import image_groups
from reportgen.data.groups import first_of_each
from reportgen.data.samples import Sample
from reportgen.embedding.projections import principal_components
from reportgen.metrics.drift import Difference, TwoSampleTest, compare_categories, compare_numbers, two_sample_test
from reportgen.metrics.label_errors import MAX_AXES
from reportgen.metrics.slices import MAX_Q, adjusted
from reportgen.store.results_cache import Arrays
from reportgen.store.table import Table

if TYPE_CHECKING:
    from reportgen.audit.audit import Audit

MIN_DISTANCE = 0.1
"""Least distance of an attribute that is drift; with many images, smaller ones are sure too, but matter little."""
MIN_AUC = 0.6
"""Least AUC of features that are drift."""


@dataclass(frozen=True)
class AttributeDrift:
    """An attribute in both sets. own, other: what is usual in the audited set and in the reference, as text.

    difference: None where one of the sets has too few values; q: its p value, adjusted for all attributes.
    """

    name: str
    own: str
    other: str
    difference: Difference | None
    q: float

    @property
    def is_drift(self) -> bool:
        """Whether the difference is sure and large enough to matter."""
        return self.difference is not None and self.q <= MAX_Q and self.difference.distance >= MIN_DISTANCE


@dataclass(frozen=True)
class Drift:
    """attributes: the largest distance first; features: None for too few images. Rows of its first set are those of the
    audited images, and of its second set those of the reference.

    images, others: number of independent images of each set, one of each group, without those that both sets have.
    """

    attributes: Sequence[AttributeDrift]
    features: TwoSampleTest | None
    images: int
    others: int

    @property
    def has_other_features(self) -> bool:
        """Whether the features differ surely and enough to matter."""
        return self.features is not None and self.features.p <= MAX_Q and self.features.auc >= MIN_AUC


def study_drift(audit: Audit) -> Drift | None:
    """Compare the audited data set with the reference; None without a reference."""
    reference = audit.reference
    if reference is None:
        return None
    ids = [np.asarray(table["samples/id"]) for table in (audit.main.table, reference.table)]
    own, other = (
        first_of_each(groups)[~np.isin(mine[first_of_each(groups)], others)]
        for groups, mine, others in (
            (audit.main.groups, ids[0], ids[1]),
            (image_groups(reference.table, reference.samples), ids[1], ids[0]),
        )
    )
    return Drift(
        attributes=_attribute_drift(
            _attributes(audit.samples, audit.main.table, audit.labels, audit.classes),
            _attributes(reference.samples, reference.table, reference.labels, audit.classes),
            own,
            other,
        ),
        features=_feature_drift(audit, own, other),
        images=len(own),
        others=len(other),
    )


def _attributes(
    samples: Sequence[Sample], table: Table, labels: np.ndarray, classes: Sequence[str]
) -> dict[str, ImageAttribute]:
    """What the images of a set have: their labels, their properties, and the columns of their annotations."""
    label = ImageAttribute(ColumnGroups(LABEL, classes, labels))
    found = [label, *photo_attributes(samples, table), *annotation_attributes(samples)]
    return {attribute.name: attribute for attribute in found}


def _attribute_drift(
    first: dict[str, ImageAttribute], second: dict[str, ImageAttribute], own: np.ndarray, other: np.ndarray
) -> list[AttributeDrift]:
    """Compare the attributes that both sets have. own, other: the rows that are compared."""
    compared: list[tuple[str, str, str, Difference | None]] = []
    for name in first:
        if name not in second or (first[name].numbers is None) != (second[name].numbers is None):
            continue
        a, b = _values(first[name], second[name])
        a, b = a[own], b[other]
        is_number = first[name].numbers is not None
        difference = compare_numbers(a, b) if is_number else compare_categories(a, b)
        names = _all_names(first[name], second[name])
        texts = [_median(one) if is_number else _most_frequent(one, names) for one in (a, b)]
        compared.append((name, texts[0], texts[1], difference))
    q = iter(adjusted([one.p for *_, one in compared if one]).tolist())
    found = [AttributeDrift(*one, next(q) if one[-1] else 1.0) for one in compared]
    return sorted(found, key=lambda one: -(one.difference.distance if one.difference else -1.0))


def _values(a: ImageAttribute, b: ImageAttribute) -> tuple[np.ndarray, np.ndarray]:
    """The values of an attribute in both sets: numbers, or indices into `_all_names`."""
    if a.numbers is not None and b.numbers is not None:
        return a.numbers, b.numbers
    index = {name: k for k, name in enumerate(_all_names(a, b))}
    numbered = []
    for one in (a.groups, b.groups):
        places = np.array([index[name] for name in one.names] + [-1])  # the last for no value, −1
        numbered.append(places[one.group_of])
    return numbered[0], numbered[1]


def _all_names(a: ImageAttribute, b: ImageAttribute) -> list[str]:
    return list(dict.fromkeys((*a.groups.names, *b.groups.names)))


def _median(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return "no values"
    median = float(np.median(finite))
    return f"median {median:,.0f}" if abs(median) >= 100 else f"median {median:.3g}"


def _most_frequent(values: np.ndarray, names: Sequence[str]) -> str:
    known = values[values >= 0]
    if not len(known):
        return "no values"
    k = int(np.bincount(known).argmax())
    return f"{names[k]}: {100 * float((known == k).mean()):.0f} %"


def _feature_drift(audit: Audit, own: np.ndarray, other: np.ndarray) -> TwoSampleTest | None:
    assert audit.reference is not None
    stored = np.asarray(audit.reference.table[audit.feature_source.array])
    rows = np.concatenate((audit.feature_space.rows[own], stored[other]))
    is_first = np.arange(len(rows)) < len(own)

    def compute() -> Arrays:
        found = two_sample_test(principal_components(rows, MAX_AXES).positions, is_first)
        return {} if found is None else {name: np.asarray(value) for name, value in vars(found).items()}

    arrays = audit.cache.get("drift", [rows, len(own)], compute)
    if not arrays:
        return None
    first, second = own[arrays["first"]], other[arrays["second"] - len(own)]
    return TwoSampleTest(float(arrays["auc"]), float(arrays["p"]), first, second)
