"""Values of the annotations' further columns with which the class is wrong more often."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.columns import QUANTILES, ColumnGroups
from reportgen.audit.findings.finding import Bar, Bars, Finding, Maps, Size, rows_of
from reportgen.audit.findings.registry import finding_kind
from reportgen.metrics.formatting import p_equals, shortened
from reportgen.metrics.intervals import Rate, fisher_p, fisher_text
from reportgen.metrics.paired import MAX_P

MIN_IMAGES = 10
"""Labelled images with the value, and without it, that a comparison needs."""
MAX_BARS = 12
"""Values that a chart shows, the worst first."""
MAX_NAME = 40
"""Characters of a column's name and of a value in sentences."""


@finding_kind(
    "Column of the annotations",
    topic="class",
    criterion=(
        "The class is wrong more often for the images with one value of a further column of the annotations than for "
        f"the others (Fisher's exact test, two-sided, p < {MAX_P}, with the p value multiplied by the number of values "
        f"of all columns; at least {MIN_IMAGES} labelled images with the value and {MIN_IMAGES} without it). A column "
        f"of numbers is divided into {QUANTILES} groups of about as many images. Of each column, the value with the "
        "smallest p value is listed."
    ),
)
def column_group(audit: Audit) -> Iterator[Finding]:
    """At most one finding a column, of the first network."""
    columns = audit.columns.groups
    tests = sum(len(column.names) for column in columns)
    for column in columns:
        found = [(_p_value(*_rates(audit, column.group_of == k)), k) for k in _candidates(audit, column, MAX_P / tests)]
        if found and tests * min(found)[0] < MAX_P:
            p, k = min(found)
            yield _finding(audit, column, k, min(1.0, tests * p), tests)


def _candidates(audit: Audit, column: ColumnGroups, limit: float) -> list[int]:
    """Return the values with enough images and more errors whose p value is below the limit if all are independent.

    Groups of related images only raise it, and are counted for these values alone, which takes longer.
    """
    judged = (audit.labels >= 0) & (column.group_of >= 0)
    wrong = ~audit.main.classification.top1_correct
    total, total_wrong = int((audit.labels >= 0).sum()), int(wrong[audit.labels >= 0].sum())
    sizes = np.bincount(column.group_of[judged], minlength=len(column.names)).tolist()
    errors = np.bincount(column.group_of[judged & wrong], minlength=len(column.names)).tolist()
    found = []
    for k, (n, count) in enumerate(zip(sizes, errors, strict=True)):
        if min(n, total - n) < MIN_IMAGES or count * (total - n) <= (total_wrong - count) * n:
            continue
        if _p_value(Rate(count, n), Rate(total_wrong - count, total - n)) < limit:
            found.append(k)
    return found


def _p_value(inside: Rate | None, outside: Rate | None) -> float:
    """Return the p value of Fisher's exact test, two-sided; 1 if one of the two has no images."""
    return 1.0 if inside is None or outside is None else fisher_p(inside, outside)


def _rates(audit: Audit, chosen: np.ndarray) -> tuple[Rate | None, Rate | None]:
    """Return the top-1 errors of the labelled images that are chosen, and of the other ones. chosen: `(N,)` bool."""
    wrong, groups, labelled = ~audit.main.classification.top1_correct, audit.main.groups, audit.labels >= 0
    first, second = ((labelled & part) for part in (chosen, ~chosen))
    return Rate.of(wrong[first], groups[first]), Rate.of(wrong[second], groups[second])


def _finding(audit: Audit, column: ColumnGroups, k: int, p: float, tests: int) -> Finding:
    inside, outside = _rates(audit, column.group_of == k)
    assert inside is not None
    assert outside is not None
    value = f"{shortened(column.column, MAX_NAME)} = {shortened(column.names[k], MAX_NAME)}"
    images = rows_of((column.group_of == k) & (audit.labels >= 0) & ~audit.main.classification.top1_correct)
    rates = [(j, rate) for j in range(len(column.names)) if (rate := _rates(audit, column.group_of == j)[0])]
    rates.sort(key=lambda item: -item[1].value)
    bars = [
        Bar(shortened(column.names[j], MAX_NAME), rate.value, rate.interval, "wrong" if j == k else "")
        for j, rate in rates[:MAX_BARS]
    ]
    size, test = Size.sampled(inside, f"images with {value}"), fisher_text(inside, outside)
    return Finding(
        slug=f"column {column.column} {column.names[k]}",
        headline=(
            f"With {value}, the class is wrong in {inside.count:,} of {inside.n:,} images, otherwise in "
            f"{outside.count:,} of {outside.n:,}"
        ),
        size=size,
        evidence=[Bars(f"Top-1 error by {shortened(column.column, MAX_NAME)}", bars), Maps(images, (0,))],
        inference=f"{p_equals('p', p)} ({test}; multiplied by the {tests:,} values of all columns).",
        next_step="Look at these images on the page Images, which filters by this column; collect more like them.",
        images=images,
        figures=[(f"top-1 error, {value}", inside.value), ("top-1 error, other images", outside.value)],
        see=("Images", "images/index.html"),
        at_least=size.at_least,
        p=p,
        model=audit.main.info.name,
    )
